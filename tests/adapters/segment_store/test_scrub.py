"""Scrub: every damaged file is found and named with its remedy; a sound ledger has no finding (DI-14, `ledger.md` 6)."""

from __future__ import annotations

import json
import re
import shutil
from hashlib import sha256

import pytest
from click.testing import CliRunner

from gateway.adapters.segment_store import SegmentStore
from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.adapters.segment_store.scrub import NIGHTS, all_segments, blobs_of_the_night, of_the_night
from gateway.adapters.segment_store.scrub_segment import RESTORE
from gateway.cli.ledger import ledger
from gateway.ledger.policy import Policy, format_policy
from tests.fakes.clock import StillClock
from tests.fakes.log import NOON_NS, ORIGIN, SEALER, plan, reading

SIZE = 131_200
SECOND = 65_536
PACKED = "00000000000000000000.seg.zst"
OPEN = "00000000000000065536.seg"
SIDE = b"a side object"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two full segments, the first one sealed, and a tail; published, with a frozen note and a side object."""
    path = tmp_path_factory.mktemp("scrub") / "ledger"
    store = SegmentStore(
        path, ORIGIN, StillClock(), vkeys=[SEALER.vkey], check_place=lambda _: None, reserve_bytes=4096
    )
    tree, size = store.open().tree, 0
    while size < SIZE:
        pool = plan(tree, [reading(n) for n in range(size + 1, min(size + 8_000, SIZE) + 1)])
        store.commit(pool.frames, [SIDE] if not size else ())
        if size == 80_000:
            store.frozen.freeze(pool.head.size, pool.frames[-1].note)
        tree, size = pool.head, pool.head.size
    store.save_policy(format_policy(Policy((SEALER.key,))))
    store.publish(pool.frames[-1].note, size)
    assert store.pack() == 0
    store.close()
    return path


@pytest.fixture
def root(made, tmp_path):
    shutil.copytree(made, tmp_path / "ledger")
    return tmp_path / "ledger"


def run(root, *words):
    return CliRunner().invoke(ledger, ["scrub", "--path", str(root), *words], catch_exceptions=False)


def damage(path, at, by=1):
    content = bytearray(path.read_bytes())
    content[at] ^= by
    path.chmod(0o640)
    path.write_bytes(content)


def test_di_14_a_sound_ledger_has_no_finding(root):
    result = run(root)
    assert (result.output, result.exit_code) == ("3 segments, 0 findings\n", 0)
    told = json.loads(run(root, "--json", "--rate", "1000").output)
    assert (told["segments"], told["files"], told["blobs"], told["notes"]) == (3, 3, 1, 2)
    assert told["findings"] == []


@pytest.mark.parametrize(
    ("name", "at", "says"),
    [
        (f"seg/{PACKED}", 40_000, "damaged: 00000000000000000000.seg.zst: cannot be unpacked"),
        (f"seg/{OPEN}", 1_000_000, "FAILED at record 6"),
        (f"seg/{OPEN}", 30, "FAILED at record 65,536: file cannot be read, segment file header: CRC differs"),
        ("tile/1/000", 100, "damaged: tile/"),
        ("tile/1/001", 8_000, "damaged: tile/1/001: differs from what it is made of"),
        ("cp/x088/000", 70, "damaged: cp/x088/000: is about another tree"),
        ("checkpoint", 40, "damaged: checkpoint: checkpoint root is not base64"),
        ("checkpoint", 35, "damaged: checkpoint: "),
        (f"blob/{sha256(SIDE).hexdigest()[:2]}/{sha256(SIDE).hexdigest()}", 3, "content is not what its name says"),
    ],
)
def test_di_14_a_flipped_bit_is_found_wherever_it_is_and_the_remedy_is_named(root, name, at, says):
    damage(root / name, at)
    result = run(root)
    assert result.exit_code == 1
    assert says in result.output
    assert "fix: " in result.output
    assert re.fullmatch(r"3 segments, [1-3] findings?", result.output.splitlines()[-1])
    if name.startswith("seg/"):
        [found] = json.loads(run(root, "--json").output)["findings"]
        assert (found["file"], found["remedy"]) == (name.removeprefix("seg/"), RESTORE)


def test_di_14_a_file_restored_from_a_copy_is_sound_again(root, made):
    damage(root / "seg" / PACKED, 900)
    assert run(root).exit_code == 1
    shutil.copy(made / "seg" / PACKED, root / "seg" / PACKED)
    assert run(root).exit_code == 0


def test_di_14_a_segment_that_is_gone_is_named(root):
    (root / "seg" / OPEN).unlink()
    result = run(root)
    assert result.exit_code == 1
    assert f"damaged: {OPEN}: missing, records 65,536..131,071" in result.output


def test_di_14_everything_has_its_turn_once_in_thirty_nights_and_the_last_day_every_night(root):
    folder = LedgerFolder(root)
    later = NOON_NS + 200_000 * 1_000_000_000
    turns = [of_the_night(folder, night, later) for night in range(NIGHTS)]
    assert all(2 * SECOND in turn for turn in turns), "the newest one is never old"
    for first in (0, SECOND):
        assert sum(first in turn for turn in turns) == 1
    since = NOON_NS + 70_000 * 1_000_000_000
    assert of_the_night(folder, 7, since) == [SECOND, 2 * SECOND]
    assert sum(len(blobs_of_the_night(folder.layout, night)) for night in range(NIGHTS)) == 1
    assert all_segments(folder) == [0, SECOND, 2 * SECOND]
