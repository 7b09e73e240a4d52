"""A segment is sealed while others read it: whatever they hold, they read every entry once and the same (`ledger.md` 3)."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest

from gateway.adapters.index import IndexFollower, IndexQuery
from gateway.adapters.segment_store import Layout, SegmentStore
from gateway.adapters.segment_store.disk import Disk
from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.adapters.segment_store.layout import SegmentName
from gateway.adapters.segment_store.pack import files_of, prepare_packed
from gateway.adapters.segment_store.verify_folder import verify_folder
from gateway.ledger.policy import Policy
from tests.fakes.clock import StillClock
from tests.fakes.log import ORIGIN, SEALER, plan, reading

POLICY = Policy((SEALER.key,))
SIZE = 65_600


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A full segment in two files, published past its end, and the beginning of the next; its packed form lies ready."""
    path = tmp_path_factory.mktemp("swap") / "ledger"
    size = 0
    for until in (20_000, SIZE):
        store = open_store(path)
        tree = store.tree
        while size < until:
            pool = plan(tree, [reading(n) for n in range(size + 1, min(size + 4_000, until) + 1)])
            store.commit(pool.frames)
            tree, size = pool.head, pool.head.size
        store.publish(store.checkpoint_of(size - 1)[1], size)
        store.close()
    ready = prepare_packed(Disk(), Layout(path), 0)
    ready.rename(path / "ready")
    return path


class Opened(SegmentStore):
    """A store that remembers the tree it was opened with."""


def open_store(path):
    store = Opened(path, ORIGIN, StillClock(), vkeys=[SEALER.vkey], check_place=lambda _: None, reserve_bytes=4096)
    store.tree = store.open().tree
    return store


class Swapper:
    """Seals the first segment and takes it back, as often as asked."""

    def __init__(self, path):
        self.layout = Layout(path)
        self.packed = self.layout.segment(SegmentName(0, packed=True))
        self.kept = [(name, self.layout.segment(name).read_bytes()) for name in files_of(self.layout, 0)]
        self.ready = (path / "ready").read_bytes()

    def seal(self):
        temporary = self.packed.with_name("ready.tmp")
        temporary.write_bytes(self.ready)
        temporary.replace(self.packed)
        for name, _ in self.kept:
            self.layout.segment(name).unlink()

    def unseal(self):
        for name, content in reversed(self.kept):
            temporary = self.packed.with_name("back.tmp")
            temporary.write_bytes(content)
            temporary.replace(self.layout.segment(name))
        self.packed.unlink()


@pytest.fixture
def swapper(whole):
    made = Swapper(whole)
    yield made
    if made.packed.exists():
        made.unseal()


def expect(records, first, stop):
    assert [index for index, _, _ in records] == list(range(first, stop))
    assert all(record == reading(index + 1) for index, _, record in records)


def test_di_15_a_reader_in_the_middle_of_a_file_goes_on_when_it_is_sealed(whole, swapper):
    reader = LedgerFolder(whole).reader
    going = reader.read(10_000, SIZE)
    begun = [next(going) for _ in range(5_000)]
    swapper.seal()
    expect([*begun, *going], 10_000, SIZE)
    expect(list(reader.read(19_990, 20_010)), 19_990, 20_010)


def test_di_15_offsets_known_of_an_open_file_are_not_used_in_the_sealed_one(whole, swapper):
    reader = LedgerFolder(whole).reader
    expect(list(reader.read(100, 200)), 100, 200)
    expect(list(reader.read(65_590, SIZE)), 65_590, SIZE)
    swapper.seal()
    assert reader.end() == SIZE  # looks at the folder: the names are new, the places of frames must be new too
    expect(list(reader.read(100, 200)), 100, 200)
    swapper.unseal()
    expect(list(reader.read(60_000, SIZE)), 60_000, SIZE)


def test_di_15_the_index_reads_a_record_whose_file_was_sealed_between_two_looks(whole, swapper, tmp_path):
    follower = IndexFollower(tmp_path / "index.db", ORIGIN, LedgerFolder(whole).reader)
    follower.open(0)
    follower.follow(SIZE)
    follower.close()
    with closing(IndexQuery(tmp_path / "index.db", Layout(whole))) as query:
        fetch = query._fetch
        packed_file = fetch._packed_file

        def sealed_after_the_look(file):
            found = packed_file(file)
            if not swapper.packed.exists():
                swapper.seal()
            return found

        fetch._packed_file = sealed_after_the_look
        assert query.record(30_000, SIZE) == reading(30_001)
        query.release()
        assert query.record(5, SIZE) == reading(6)


def test_di_15_readers_verify_and_proofs_hold_while_a_segment_is_sealed_again_and_again(whole, swapper):
    stopping = threading.Event()
    swaps = 0

    def swap():
        nonlocal swaps
        while not stopping.is_set():
            swapper.seal()
            stopping.wait(0.01)
            swapper.unseal()
            swaps += 1
            stopping.wait(0.01)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        folder = LedgerFolder(whole)
        for at in (0, 19_990, 40_000, 65_530) * 6:
            expect(list(folder.reader.read(at, at + 40)), at, at + 40)
            assert folder.prove(at).index == at
            assert folder.size_bytes() > 0
        for _ in range(3):
            result = verify_folder(whole, policy=POLICY)
            assert result.last_line.startswith("VERIFIED  65,600 records"), result.lines()
    finally:
        stopping.set()
        thread.join()
    assert swaps > 5
