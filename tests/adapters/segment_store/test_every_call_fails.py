"""Each system call of a scripted run fails once, in every way; then a restart: nothing acknowledged is lost (DI-19)."""

from __future__ import annotations

import errno
import os
from hashlib import sha256

import pytest

from gateway.adapters.segment_store import SegmentStore, writer
from gateway.errors import DiskFull, LedgerDoubt
from gateway.ledger.merkle import Tree
from tests.fakes.clock import StillClock
from tests.fakes.disk import FaultyDisk, Killed
from tests.fakes.log import ORIGIN, SEALER, gateway, plan, reading

WAYS = [
    ("not_applied", errno.EIO),
    ("applied", errno.EIO),
    ("short", errno.EIO),
    ("not_applied", errno.ENOSPC),
    ("applied", errno.ENOSPC),
    ("short", errno.ENOSPC),
    ("kill", 0),
    ("kill_after", 0),
]


def store_on(path, disk=None, boot_id="boot-1"):
    return SegmentStore(
        path,
        ORIGIN,
        StillClock(boot_id=boot_id),
        vkeys=[SEALER.vkey],
        disk=disk or FaultyDisk(),
        check_place=lambda _: None,
        reserve_bytes=4096,
    )


class Witnessed:
    """What the outside world was told: acknowledged records and published sizes with their roots."""

    def __init__(self):
        self.acknowledged: list[bytes] = []
        self.published: dict[int, bytes] = {}
        self.offered: list[bytes] = []
        self.blobs: list[bytes] = []


def script(path, disk, world):
    """A run: start, commits with side objects, a pool over a segment end, publications, a clean stop."""
    store = store_on(path, disk)
    try:
        head = store.open()
        tree = head.tree
        for number in range(3):
            tree = commit(store, tree, [reading(2 * number + 1), reading(2 * number + 2)], world, [b"side %d" % number])
            publish(store, tree, world)
        tree = commit(store, tree, [gateway("stop")], world)
        publish(store, tree, world)
    except Killed:
        os.close(store._lock._fd) if store._lock._fd is not None else None
        return
    except LedgerDoubt:
        pass
    store.close()


def commit(store, tree, records, world, side_objects=()):
    made = plan(tree, records)
    world.offered += records
    try:
        store.commit(made.frames, side_objects)
    except DiskFull:
        store.commit(made.frames, side_objects)  # the promise: the same call again
    world.acknowledged += records
    world.blobs += side_objects
    return made.head


def publish(store, tree, world):
    _, note = store.checkpoint_of(tree.size - 1)
    try:
        store.publish(note, tree.size)
    except DiskFull:
        store.publish(note, tree.size)
    world.published[tree.size] = tree.root()


def check_restart(path, world):
    """Start twice on a sound disk, in another boot: all that was told stands, nothing else but the offered tail."""
    for _ in range(2):
        store = store_on(path, boot_id="boot-2")
        head = store.open()
        records = [record for _, _, record in store.read(0, head.tree.size)]
        assert records[: len(world.acknowledged)] == world.acknowledged
        assert records == world.offered[: len(records)]
        for content in world.blobs:
            assert store.read_blob(sha256(content).hexdigest()) == content
        for size, root in world.published.items():
            assert store._root_at(size) == root
        more = plan(head.tree, [gateway("recovered")])
        store.commit(more.frames)
        world.acknowledged[:] = world.offered[:] = [*records, gateway("recovered")]
        store.close()


def calls_of_a_sound_run(path):
    disk = FaultyDisk()
    script(path, disk, Witnessed())
    return len(disk.calls)


@pytest.mark.parametrize(("how", "number"), WAYS)
def test_di_19_nothing_acknowledged_is_lost_whichever_call_fails(tmp_path, how, number):
    total = calls_of_a_sound_run(tmp_path / "sound")
    assert total > 60
    for k in range(1, total + 1):
        path = tmp_path / str(k)
        world = Witnessed()
        disk = FaultyDisk(k, how, number)
        try:
            script(path, disk, world)
        except DiskFull:
            assert not world.acknowledged, "only a start may give up for lack of space"
        assert disk.failed is not None
        check_restart(path, world)


def test_a_pool_over_a_segment_end_that_finds_a_full_disk_leaves_no_trace(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "_LARGE", 0)  # no zeros ahead: the calls are frame, new file, header
    store = store_on(tmp_path / "a")
    head = store.open()
    first = plan(head.tree, [reading(n) for n in range(1, 65_530)])
    store.commit(first.frames)
    made = plan(first.head, [reading(n) for n in range(65_530, 65_560)])
    assert len(made.frames) == 2
    disk = store._disk
    file = tmp_path / "a" / "seg" / "00000000000000000000.seg"
    before = file.read_bytes()[: store._writer.offset]
    disk.only = ("pwrite", "open")
    for how in ("not_applied", "short", "applied"):
        for k in (1, 2, 3):
            disk.calls.clear()
            disk.fail_at, disk.how, disk.number = k, how, errno.ENOSPC
            with pytest.raises(DiskFull):
                store.commit(made.frames)
            assert sorted(p.name for p in file.parent.iterdir()) == [file.name]
            assert file.read_bytes() == before
            assert store.size == 65_529
    disk.fail_at = 0
    store.commit(made.frames)
    assert sorted(p.name for p in file.parent.iterdir()) == [file.name, "00000000000000065536.seg"]
    assert (tmp_path / "a" / "tile" / "1" / "000").stat().st_size == 8192
    assert [record for _, _, record in store.read(65_535, 65_537)] == [reading(65_536), reading(65_537)]
    store.close()
    again = store_on(tmp_path / "a")
    assert again.open().tree.root() == made.head.root()
    again.close()


def test_a_failed_sync_in_this_boot_needs_a_tail_read_past_the_page_cache(tmp_path, monkeypatch):
    path = tmp_path / "ledger"
    disk = FaultyDisk()
    store = store_on(path, disk)
    made = plan(store.open().tree, [reading(1)])
    store.commit(made.frames)
    disk.calls.clear()
    disk.fail_at = 2
    with pytest.raises(LedgerDoubt, match="fdatasync failed"):
        store.commit(plan(made.head, [reading(2)]).frames)
    store.close()
    blind = FaultyDisk()
    monkeypatch.setattr(blind, "read_direct", lambda fd: (os.pread(fd, 1 << 24, 0), False))
    with pytest.raises(LedgerDoubt, match="restart the machine"):
        store_on(path, blind).open()
    other_boot = store_on(path, blind, boot_id="boot-2")
    head = other_boot.open()
    assert head.halted is not None
    assert head.halted["sync"] is True
    other_boot.close()
    assert isinstance(head.tree, Tree)
