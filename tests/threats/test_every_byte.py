"""Every byte of a small store: one bit flipped, or everything from there on gone. All of it is found, and has its class.

In the everyday run every 23rd place, with `--all` every one; the places differ from byte to byte in the bit that is flipped.
"""

from __future__ import annotations

import json

import pytest

from gateway.adapters.segment_store.pack import compress
from gateway.adapters.segment_store.store import SegmentStore
from gateway.adapters.segment_store.unpacked import ZstdError, decompress
from gateway.adapters.segment_store.verify_folder import verify_folder
from gateway.ledger.policy import make_policy
from gateway.ledger.segment import format_name
from gateway.ledger.verify import verify_bundle
from gateway.ledger.verify.findings import Result
from tests.fakes.clock import StillClock
from tests.fakes.log import ORIGIN, SEALER, gateway, plan, reading
from tests.ledger.damage import flip, strip_log
from tests.ledger.test_bundle import make_bundle
from tests.ledger.test_damage import POLICY as BUNDLE_POLICY
from tests.threats.thief import StoredLog

POLICY = make_policy([SEALER.key], [], [])
CLASSES = {"altered", "missing", "inserted", "reordered", "truncated", "split", "signature"}
STEPS = [pytest.param(23, id="every_23rd"), pytest.param(1, id="every_one", marks=pytest.mark.slow)]


def written(path):
    """Three frames in a file, one in a second one as after an unclean stop; all published."""
    tree = None
    for pools in ([[reading(n) for n in range(1, 5)], [reading(5)], [reading(6), reading(7)]], [[gateway("stop")]]):
        store = SegmentStore(
            path, ORIGIN, StillClock(), vkeys=[SEALER.vkey], check_place=lambda _: None, reserve_bytes=4096
        )
        tree = store.open().tree
        for pool in pools:
            made = plan(tree, pool)
            store.commit(made.frames)
            tree = made.head
        store.publish(made.frames[-1].note, tree.size)
        store._writer.finish()
        store._writer = None
        store.close()
    return path


def packed(path):
    """The same with its files in their sealed form."""
    log = strip_log(StoredLog(written(path)))
    for name, content in log.files.items():
        (path / "seg" / name).chmod(0o640)
        (path / "seg" / name).unlink()
        (path / "seg" / format_name(int(name[:20]), packed=True)).write_bytes(compress(content, 3))
    return path


FORMS = {"open": written, "packed": packed}


def judged(path) -> Result:
    return verify_folder(path, policy=POLICY, all_seals=True)


def assert_found(result: Result, what: str) -> None:
    assert result.exit_code == 1, f"{what}: {result.last_line}"
    assert result.failures, what
    assert {one.class_ for one in result.failures} <= CLASSES, what
    assert result.last_line.startswith("FAILED "), what


def unpacks_alike(changed: bytes, sound: bytes) -> bool:
    try:
        return decompress(changed) == decompress(sound)
    except ZstdError:
        return False


def files_of(path):
    return [*sorted((path / "seg").iterdir()), path / "checkpoint"]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("step", STEPS)
def test_us_01_no_flipped_bit_is_passed_over(tmp_path, form, step):
    path = FORMS[form](tmp_path / "ledger")
    assert judged(path).exit_code == 0
    for file in files_of(path):
        sound = file.read_bytes()
        file.chmod(0o640)
        for at in range(0, len(sound), step):
            changed = flip(sound, at, at % 8)
            if form == "packed" and file.suffix == ".zst" and unpacks_alike(changed, sound):
                continue  # a bit that zstd itself does not use: packed bytes are not normative, unpacked ones are
            file.write_bytes(changed)
            assert_found(judged(path), f"{file.name} byte {at} bit {at % 8}")
        file.write_bytes(sound)
    assert judged(path).exit_code == 0


@pytest.mark.timeout(900)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("step", STEPS)
def test_us_01_no_cut_of_what_was_published_is_passed_over(tmp_path, form, step):
    path = FORMS[form](tmp_path / "ledger")
    for file in files_of(path):
        sound = file.read_bytes()
        file.chmod(0o640)
        for stop in range(0, len(sound), step):
            file.write_bytes(sound[:stop])
            assert_found(judged(path), f"{file.name} cut at {stop}")
        file.write_bytes(sound)
    assert judged(path).exit_code == 0


BUNDLE = make_bundle()
EVIDENCE = ("entries.bin", "proof.bin", "checkpoint", "readings.csv", "batch.json", "keys/policy", "manifest.json")
"""Members whose every byte is tried; the others (samples, README, verifiers) are listed by their hashes."""
WORDS = {"made_ns", "scope", "intervals", "gaps", "seal", "checkpoints", "tokens", "keys"}
"""Members of the manifest that are the exporter's words, proved by its hash in the export's `audit` record and by nothing here."""


def of_bundle(name: str, changed: bytes) -> Result:
    return verify_bundle(BUNDLE | {name: changed}, policy=BUNDLE_POLICY)


def only_words(changed: bytes) -> bool:
    """Whether a manifest differs in nothing but what is words."""
    before, after = json.loads(BUNDLE["manifest.json"]), json.loads(changed)
    return {name for name in before if before[name] != after.get(name)} <= WORDS


@pytest.mark.timeout(900)
@pytest.mark.parametrize("step", STEPS)
def test_us_01_no_flipped_bit_of_a_bundle_is_passed_over(step):
    assert of_bundle("checkpoint", BUNDLE["checkpoint"]).exit_code == 0
    for name, sound in sorted(BUNDLE.items()):
        for at in range(0, len(sound), step if name in EVIDENCE else 23 * step):
            changed = flip(sound, at, at % 8)
            result = of_bundle(name, changed)
            if result.exit_code == 0:
                assert name == "manifest.json"
                assert only_words(changed), f"byte {at} of the manifest"
            else:
                assert result.last_line.startswith(("FAILED ", "UNWITNESSED ")), f"{name} byte {at}"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("step", STEPS)
def test_us_01_no_cut_of_a_bundle_is_passed_over(step):
    for name, sound in sorted(BUNDLE.items()):
        end = len(sound) - (name == "manifest.json")  # the line end behind its last brace says nothing
        for stop in range(0, end, step if name in EVIDENCE else 23 * step):
            assert of_bundle(name, sound[:stop]).exit_code == 1, f"{name} cut at {stop}"
