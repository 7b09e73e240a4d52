"""Upkeep beside the commits: the packing and scrubbing processes, and the reserve, each failing in every way (DI-15, EU-17)."""

from __future__ import annotations

import asyncio
import errno
import shutil

import pytest

from gateway.adapters.segment_store import SegmentStore, pack_child, pack_process
from gateway.adapters.segment_store.child import run_child
from gateway.adapters.segment_store.pack_process import PackProcess
from gateway.adapters.segment_store.scrub_process import ScrubProcess
from gateway.adapters.segment_store.verify_folder import verify_folder
from gateway.errors import DiskFull, LedgerDoubt, Unavailable
from gateway.ledger.merkle import Tree, hash_leaves
from gateway.ledger.policy import Policy, format_policy
from tests.fakes.clock import StillClock
from tests.fakes.disk import FaultyDisk, Killed
from tests.fakes.log import NOON_NS, ORIGIN, SEALER, plan, reading

POLICY = Policy((SEALER.key,))
SIZE = 65_600
OPEN, PACKED = "00000000000000000000.seg", "00000000000000000000.seg.zst"


def open_store(path, disk=None):
    store = SegmentStore(
        path, ORIGIN, StillClock(), vkeys=[SEALER.vkey], disk=disk, check_place=lambda _: None, reserve_bytes=4096
    )
    store.open()
    return store


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A full segment and the beginning of the next, published."""
    path = tmp_path_factory.mktemp("made") / "ledger"
    store = SegmentStore(
        path, ORIGIN, StillClock(), vkeys=[SEALER.vkey], check_place=lambda _: None, reserve_bytes=4096
    )
    tree, size = store.open().tree, 0
    while size < SIZE:
        pool = plan(tree, [reading(n) for n in range(size + 1, min(size + 8_000, SIZE) + 1)])
        store.commit(pool.frames)
        tree, size = pool.head, pool.head.size
    store.save_policy(format_policy(POLICY))
    store.publish(pool.frames[-1].note, SIZE)
    store.close()
    return path


@pytest.fixture
def store(made, tmp_path):
    shutil.copytree(made, tmp_path / "ledger")
    opened = open_store(tmp_path / "ledger")
    yield opened
    opened.close()


def names(store):
    return sorted(path.name for path in store.layout.seg.iterdir())


async def test_di_15_a_process_of_its_own_packs_and_the_store_takes_it(store):
    told = []
    packer = PackProcess(store.upkeep, asyncio.Lock(), lambda: told.append("swapped"))
    packed = await packer.pack_next()
    assert (packed.first, told) == (0, ["swapped"])
    assert packed.bytes_after * 5 < packed.bytes_before
    assert names(store) == [PACKED, "00000000000000065536.seg"]
    assert await packer.pack_next() is None
    assert [record for _, _, record in store.read(64_000, 64_003)] == [reading(n) for n in (64_001, 64_002, 64_003)]


async def test_di_15_a_damaged_segment_stays_is_told_once_and_passed_over(store):
    file = store.layout.seg / OPEN
    content = bytearray(file.read_bytes())
    content[70_000] ^= 1
    file.chmod(0o640)
    file.write_bytes(content)
    packer = PackProcess(store.upkeep, asyncio.Lock())
    with pytest.raises(LedgerDoubt, match=r"damaged: 00000000000000000000\.seg"):
        await packer.pack_next()
    assert await packer.pack_next() is None
    assert file.read_bytes() == content
    store.commit(plan_after(store).frames)  # commits go on


def plan_after(store):
    tree = Tree(65_536, store.tiles.peaks(65_536))
    tree.extend(hash_leaves([salt + record for _, salt, record in store.read(65_536, SIZE)]))
    return plan(tree, [reading(SIZE + 1)])


async def test_eu_17_without_room_nothing_is_packed(store, monkeypatch):
    monkeypatch.setattr(store.upkeep, "free_bytes", lambda: 1_000)
    with pytest.raises(DiskFull, match="no room to pack segment 0"):
        await PackProcess(store.upkeep, asyncio.Lock()).pack_next()
    assert OPEN in names(store)


async def test_a_process_that_fails_is_told_with_its_last_words_and_tried_again(store, monkeypatch):
    with pytest.raises(Unavailable, match=r"pack_child ended with 1: .*IndexError"):
        await run_child("gateway.adapters.segment_store.pack_child")
    monkeypatch.setattr(pack_process, "CHILD", "gateway.adapters.no_such_module")
    packer = PackProcess(store.upkeep, asyncio.Lock())
    for _ in range(2):
        with pytest.raises(Unavailable, match="no_such_module ended with 1"):
            await packer.pack_next()
    monkeypatch.undo()
    assert (await packer.pack_next()).first == 0


@pytest.mark.parametrize(
    ("said", "raised"),
    [
        ('{"errno": 28, "text": "No space left on device", "sync": false}', DiskFull),
        ('{"errno": 2, "text": "No such file", "sync": false}', DiskFull),
        ('{"errno": 5, "text": "Input/output error", "sync": false}', LedgerDoubt),
        ('{"errno": 28, "text": "fsync failed", "sync": true}', LedgerDoubt),
    ],
)
async def test_what_the_disk_refused_the_process_counts_as_if_it_had_been_refused_us(store, monkeypatch, said, raised):
    async def child(*_):
        return said.encode()

    monkeypatch.setattr(pack_process, "run_child", child)
    with pytest.raises(raised):
        await PackProcess(store.upkeep, asyncio.Lock()).pack_next()
    assert store.layout.halted.exists() == (raised is LedgerDoubt)


async def test_a_cancelled_packing_ends_its_process_and_the_next_start_clears_up(store):
    task = asyncio.ensure_future(PackProcess(store.upkeep, asyncio.Lock()).pack_next())  # noqa: TID251 - cancelled here
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (store.layout.seg / f"{PACKED}.4711.tmp").write_bytes(b"left by a killed one")
    store.close()
    again = open_store(store.layout.root)
    assert names(again) == [OPEN, "00000000000000065536.seg"]
    again.close()


async def test_di_14_the_nightly_process_reads_what_is_due_and_finds_what_is_damaged(store):
    scrubber = ScrubProcess(store.layout.root)
    later = NOON_NS + 10**15
    report = await scrubber.scrub_night(0, later)
    assert (report.segments, report.files, report.findings) == ([0, 65_536], 2, [])
    file = store.layout.seg / OPEN
    content = bytearray(file.read_bytes())
    content[70_000] ^= 1
    file.chmod(0o640)
    file.write_bytes(content)
    assert (await scrubber.scrub_night(5, later)).findings == []
    [found] = (await scrubber.scrub_night(30, later)).findings
    assert found.file == OPEN
    assert "restore this file" in found.remedy


@pytest.mark.parametrize("what", ["release_reserve", "build_reserve"])
@pytest.mark.parametrize(
    ("how", "number"), [("not_applied", errno.EIO), ("applied", errno.EIO), ("not_applied", errno.ENOSPC), ("kill", 0)]
)
def test_eu_17_the_reserve_fails_whole_or_halts_at_every_call(tmp_path, what, how, number):
    for k in range(1, 12):
        disk = FaultyDisk()
        store = open_store(tmp_path / f"{k}", disk)
        if what == "build_reserve":
            store.upkeep.release_reserve()
        disk.calls.clear()
        disk.fail_at, disk.how, disk.number = k, how, number
        raised = None
        try:
            getattr(store.upkeep, what)()
        except (DiskFull, LedgerDoubt, Killed) as error:
            raised = error
        failed = disk.failed
        disk.fail_at = 0
        store.close()
        if failed is None:
            break
        assert raised is not None
        if isinstance(raised, DiskFull):
            assert store.upkeep.spare_bytes() <= store.free_bytes()
            assert not store.layout.halted.exists()
        again = open_store(tmp_path / f"{k}")
        assert again.reserve.held
        again.close()
    assert 2 <= k < 11


def test_spare_space_is_counted_as_if_the_reserve_stood(store):
    held = store.upkeep.spare_bytes()
    assert store.upkeep.release_reserve()
    assert not store.upkeep.release_reserve()
    assert abs(store.upkeep.spare_bytes() - held) <= 1 << 20
    store.upkeep.build_reserve()
    assert store.reserve.held


def test_di_15_a_killed_gateway_leaves_no_process_that_changes_the_ledger(store):
    """The process makes a temporary file alone: whoever lives on renames it."""
    told = pack_child.main(store.layout.root, 0)
    assert told["temporary"].startswith(f"{PACKED}.")
    assert names(store) == sorted([OPEN, told["temporary"], "00000000000000065536.seg"])
    assert verify_folder(store.layout.root, policy=POLICY).exit_code == 0
