"""The evidence folder: a bundle lies under its hash, whoever makes it how often at once; a broken file is no bundle."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

from gateway.app.evidence import EvidenceFolder

CONTENT = b"zip" * 200_000
DIGEST = sha256(CONTENT).hexdigest()


def test_two_sinks_that_make_one_bundle_at_once_both_succeed(tmp_path):
    for n in range(20):
        folder = EvidenceFolder(tmp_path / str(n))
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(folder.keep, [DIGEST] * 4, [CONTENT] * 4))
        assert [path.name for path in (tmp_path / str(n)).iterdir()] == [f"{DIGEST}.zip"]
        assert folder.find(DIGEST) == CONTENT


def test_us_01_a_file_that_is_not_what_its_name_says_is_made_again(tmp_path):
    folder = EvidenceFolder(tmp_path)
    (tmp_path / f"{DIGEST}.zip").write_bytes(b"")
    assert folder.find(DIGEST) is None
    folder.keep(DIGEST, CONTENT)
    assert folder.find(DIGEST[:8]) == CONTENT


def test_a_short_name_that_fits_two_bundles_finds_none(tmp_path):
    folder = EvidenceFolder(tmp_path)
    folder.keep(DIGEST, CONTENT)
    other = sha256(b"x").hexdigest()
    folder.keep(other, b"x")
    assert folder.find("") is None
