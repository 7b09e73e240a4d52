"""Contract of the port `LedgerStore`, one suite on the fake and on the real one."""

from __future__ import annotations

import errno
from hashlib import sha256

import pytest

from gateway.adapters.segment_store import SegmentStore
from gateway.errors import DiskFull, LedgerDoubt, Unavailable
from gateway.ledger.entry import derive_salt
from gateway.ledger.merkle import EMPTY_ROOT, hash_leaf
from gateway.ledger.proof import check_inclusion
from tests.fakes.clock import StillClock
from tests.fakes.disk import FaultyDisk
from tests.fakes.log import ORIGIN, SEALER, gateway, plan, reading
from tests.fakes.store import Medium, MemoryStore


class MemoryCase:
    def __init__(self):
        self.medium = Medium()

    def store(self):
        return MemoryStore(self.medium)

    def fail_next(self, store, how):
        store.fail_next = how


class DiskCase:
    def __init__(self, path):
        self.path = path
        self.disk = FaultyDisk()

    def store(self):
        self.disk = FaultyDisk()
        return SegmentStore(
            self.path,
            ORIGIN,
            StillClock(),
            vkeys=[SEALER.vkey],
            disk=self.disk,
            check_place=lambda _: None,
            reserve_bytes=4096,
        )

    def fail_next(self, _store, how):
        self.disk.calls.clear()
        self.disk.fail_at = {"full": 1, "doubt": 1, "doubt_applied": 2}[how]
        self.disk.number = errno.ENOSPC if how == "full" else errno.EIO
        self.disk.how = "applied" if how == "doubt_applied" else "not_applied"


@pytest.fixture(params=["memory", "disk"])
def case(request, tmp_path):
    return MemoryCase() if request.param == "memory" else DiskCase(tmp_path / "ledger")


def run_of(store, tree, *pools):
    for records in pools:
        made = plan(tree, records)
        store.commit(made.frames)
        tree = made.head
    return tree


def test_a_new_store_is_the_empty_tree(case):
    store = case.store()
    head = store.open()
    assert (head.tree.size, head.tree.root(), head.checkpoint, head.unclean) == (0, EMPTY_ROOT, b"", False)
    store.close()


def test_what_was_committed_is_there_after_a_restart(case):
    store = case.store()
    tree = run_of(store, store.open().tree, [reading(1), reading(2)], [reading(3)])
    store.close()
    again = case.store()
    head = again.open()
    assert (head.tree.size, head.tree.root(), head.torn_bytes) == (3, tree.root(), 0)
    assert [record for _, _, record in again.read(0, 9)] == [reading(1), reading(2), reading(3)]
    again.close()


def test_a_stop_record_makes_a_clean_start_and_nothing_else_does(case):
    store = case.store()
    tree = run_of(store, store.open().tree, [reading(1)])
    store.close()
    store = case.store()
    head = store.open()
    assert head.unclean
    run_of(store, head.tree, [gateway("stop")])
    store.close()
    store = case.store()
    assert not store.open().unclean
    store.close()
    assert tree.size == 1


def test_one_writer_at_a_time_and_the_second_is_told_who(case):
    store = case.store()
    store.open()
    with pytest.raises(Unavailable, match=r"^ledger in use by pid \d+ since \d\d:\d\d:\d\dZ"):
        case.store().open()
    store.close()
    again = case.store()
    again.open()
    again.close()


def test_read_gives_index_salt_and_record_of_the_range_asked(case):
    store = case.store()
    head = store.open()
    made = plan(head.tree, [reading(n) for n in range(1, 8)])
    store.commit(made.frames)
    got = list(store.read(2, 5))
    assert [index for index, _, _ in got] == [2, 3, 4]
    assert [record for _, _, record in got] == [reading(3), reading(4), reading(5)]
    seed = made.frames[0].content[28:60]
    assert [salt for _, salt, _ in got] == [derive_salt(seed, index) for index in (2, 3, 4)]
    store.close()


def test_pick_gives_only_the_entries_asked_for_in_whatever_frame_they_stand(case):
    store = case.store()
    head = store.open()
    first = plan(head.tree, [reading(n) for n in range(1, 8)])
    store.commit(first.frames)
    store.commit(plan(first.head, [reading(n) for n in range(8, 12)]).frames)
    everything = list(store.read(0, 11))
    for wanted in ([], [0], [2, 3, 6], [6, 7], [0, 10], list(range(11))):
        assert list(store.pick(wanted)) == [everything[index] for index in wanted]
    assert list(store.pick([9, 11, 12])) == [everything[9]]
    store.close()


def test_every_entry_can_be_proved_at_every_later_frame_end(case):
    store = case.store()
    tree = store.open().tree
    roots = {}
    for n in range(1, 8):
        tree = run_of(store, tree, [reading(n), reading(n + 100)])
        roots[tree.size] = tree.root()
    entries = [salt + record for _, salt, record in store.read(0, tree.size)]
    for size, root in roots.items():
        for index in range(size):
            check_inclusion(index, size, root, hash_leaf(entries[index]), store.prove(index, size))
    size, note = store.checkpoint_of(4)
    assert (size, note) == (6, SEALER.seal(note.partition(b"\n\n")[0] + b"\n"))
    store.close()


def test_a_full_disk_commits_nothing_and_the_same_call_may_come_again(case):
    store = case.store()
    tree = run_of(store, store.open().tree, [reading(1)])
    made = plan(tree, [reading(2)])
    case.fail_next(store, "full")
    with pytest.raises(DiskFull):
        store.commit(made.frames)
    assert [record for _, _, record in store.read(0, 9)] == [reading(1)]
    store.commit(made.frames)
    assert [record for _, _, record in store.read(0, 9)] == [reading(1), reading(2)]
    store.close()
    again = case.store()
    assert again.open().tree.root() == made.head.root()
    again.close()


@pytest.mark.parametrize("how", ["doubt", "doubt_applied"])
def test_after_doubt_nothing_more_is_written(case, how):
    store = case.store()
    tree = run_of(store, store.open().tree, [reading(1)])
    made = plan(tree, [reading(2)])
    case.fail_next(store, how)
    with pytest.raises(LedgerDoubt):
        store.commit(made.frames)
    with pytest.raises(LedgerDoubt):
        store.commit(made.frames)
    with pytest.raises(LedgerDoubt):
        store.publish(SEALER.seal(b"x\n"), 1)
    store.close()
    again = case.store()
    assert again.open().tree.size in {1, 2}
    again.close()


def test_side_objects_are_found_by_their_hash(case):
    store = case.store()
    made = plan(store.open().tree, [reading(1)])
    content = b"x" * 60_000
    store.commit(made.frames, [content])
    assert store.read_blob(sha256(content).hexdigest()) == content
    assert store.read_blob("0" * 64) is None
    store.close()


def test_the_published_size_never_shrinks_and_never_leads(case):
    store = case.store()
    tree = run_of(store, store.open().tree, [reading(1)], [reading(2)])
    store.publish(store.checkpoint_of(1)[1], 2)
    with pytest.raises(LedgerDoubt):
        store.publish(store.checkpoint_of(0)[1], 1)
    assert tree.size == 2
    store.close()


def test_a_halt_is_told_to_the_next_start_and_gone_after_its_first_commit(case):
    store = case.store()
    tree = run_of(store, store.open().tree, [reading(1)])
    store.halt("head differs", {"size": 1})
    store.close()
    store = case.store()
    head = store.open()
    assert head.halted is not None
    assert head.halted["cause"] == "head differs"
    run_of(store, tree, [gateway("halted")])
    store.close()
    store = case.store()
    assert store.open().halted is None
    store.close()
