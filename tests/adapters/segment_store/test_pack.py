"""Sealing a segment: nothing but its form changes, whatever call fails; index, proofs and verification go on."""

from __future__ import annotations

import errno
import shutil
from hashlib import sha256

import pytest

from gateway.adapters.index import IndexFollower, IndexQuery
from gateway.adapters.segment_store import Layout, SegmentStore
from gateway.adapters.segment_store.leaf_walk import LeafWalk
from gateway.adapters.segment_store.pack import compress, packable
from gateway.adapters.segment_store.reader import LONG_RANGE
from gateway.adapters.segment_store.unpacked import read_segment
from gateway.adapters.segment_store.verify_folder import verify_folder
from gateway.errors import DiskFull, EvidenceRefused, LedgerDoubt
from gateway.ledger.policy import Policy
from gateway.ledger.proof import prove_inclusion
from gateway.ledger.tile import Tile
from tests.fakes.clock import StillClock
from tests.fakes.disk import FaultyDisk, Killed
from tests.fakes.log import ORIGIN, SEALER, plan, reading

POLICY = Policy((SEALER.key,))
PACKED = "00000000000000000000.seg.zst"


def open_store(path, disk=None):
    store = SegmentStore(
        path, ORIGIN, StillClock(), vkeys=[SEALER.vkey], disk=disk, check_place=lambda _: None, reserve_bytes=4096
    )
    return store, store.open().tree


def digest(store, size):
    hasher = sha256()
    for index, salt, record in store.read(0, size):
        hasher.update(b"%d" % index + salt + record)
    return hasher.hexdigest()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A full segment in two files (an unclean stop between them), published past its end; entries and digest."""
    path = tmp_path_factory.mktemp("made") / "ledger"
    size = 0
    for until in (20_000, 65_600):
        store, tree = open_store(path)
        while size < until:
            pool = plan(tree, [reading(n) for n in range(size + 1, min(size + 4_000, until) + 1)])
            store.commit(pool.frames)
            tree, size = pool.head, pool.head.size
        store.publish(store.checkpoint_of(size - 1)[1], size)
        whole = digest(store, size)
        store.close()
    assert len(Layout(path).segments()) == 3
    return path, size, whole


@pytest.fixture
def ledger(made, tmp_path):
    path, size, whole = made
    shutil.copytree(path, tmp_path / "ledger")
    return tmp_path / "ledger", size, whole


def test_a_packed_segment_reads_proves_verifies_and_indexes_as_before(ledger):
    path, size, whole = ledger
    store, _ = open_store(path)
    follower = IndexFollower(path.parent / "state" / "index.db", ORIGIN, store.reader)
    follower.open(0)
    follower.follow(size)
    query = IndexQuery(path.parent / "state" / "index.db", store.layout)
    proofs = [store.prove(index, size) for index in (0, 19_999, 20_000, 65_535)]
    before = sum(p.stat().st_size for p in (path / "seg").iterdir())
    assert store.pack() == 0
    assert store.pack() is None
    assert [p.name for p in sorted((path / "seg").iterdir())] == [PACKED, "00000000000000065536.seg"]
    assert sum(p.stat().st_size for p in (path / "seg").iterdir()) < before / 5
    assert digest(store, size) == whole
    assert [store.prove(index, size) for index in (0, 19_999, 20_000, 65_535)] == proofs
    for fresh in (query, IndexQuery(path.parent / "state" / "index.db", store.layout)):
        assert [fresh.record(index, size) for index in (0, 63, 64, 20_000, 45_678, 65_599)] == [
            reading(index + 1) for index in (0, 63, 64, 20_000, 45_678, 65_599)
        ]
        assert [found.content for found in fresh.readings("BR-201-CTL/temp", 0, 1 << 62, size)][45_678] == reading(
            45_679
        )
        fresh.close()
    follower.rebuild(size)
    rebuilt = IndexQuery(path.parent / "state" / "index.db", store.layout)
    assert rebuilt.record(45_678, size) == reading(45_679)
    rebuilt.close()
    follower.close()
    store.close()
    store, tree = open_store(path)
    assert tree.size == size
    store.close()
    assert verify_folder(path, policy=POLICY, all_seals=True).exit_code == 0


def test_a_packed_segment_is_picked_and_walked_in_pieces_as_before(ledger):
    path, size, _ = ledger
    store, _ = open_store(path)
    wanted = [0, 1, 63, 19_999, 20_000, 45_678, 65_534, 65_535, 65_536, 65_599]
    before = list(store.pick(wanted)), list(store.pick(range(40_000, size, 977)))
    proofs = [store.prove(index, size) for index in wanted]
    frames = [(frame.first, frame.checkpoint) for _, frame in store.reader.frames(30_000, size)]
    assert store.pack() == 0
    assert (list(store.pick(wanted)), list(store.pick(range(40_000, size, 977)))) == before
    nodes = store.nodes(size)
    assert [prove_inclusion(nodes, index, size) for index in (*wanted, 5)][:-1] == proofs
    assert [(frame.first, frame.checkpoint) for _, frame in store.reader.frames(30_000, size)] == frames
    assert list(store.reader.frames(size, 1 << 63)) == []
    assert [frame.first for _, frame in store.reader.frames(0, LONG_RANGE)] == [0, 4_000]
    assert list(store.pick([size])) == []
    with pytest.raises(EvidenceRefused, match="ends before record"):
        LeafWalk(store.reader, store.tile_maker).tile(Tile(0, size // 256, 255))
    store.close()


def test_a_packed_segment_that_is_damaged_is_named_where_it_is_picked(ledger):
    path, _, _ = ledger
    store, _ = open_store(path)
    assert store.pack() == 0
    packed = path / "seg" / PACKED
    content = read_segment(packed, packed=True)
    packed.chmod(0o640)
    packed.write_bytes(compress(content[:5_000] + b"\xff" + content[5_001:]))
    with pytest.raises(LedgerDoubt, match=f"damaged: {PACKED}: "):
        list(store.pick([10]))
    store.close()


@pytest.mark.fault
@pytest.mark.parametrize(("how", "number"), [("kill", 0), ("kill_after", 0), ("not_applied", errno.ENOSPC)])
def test_packing_that_fails_at_any_call_loses_nothing(made, tmp_path, how, number):
    path, size, whole = made
    calls = 0
    for k in range(1, 30):
        folder = tmp_path / str(k)
        shutil.copytree(path, folder)
        disk = FaultyDisk()
        store, _ = open_store(folder, disk)
        disk.calls.clear()
        disk.fail_at, disk.how, disk.number = k, how, number
        try:
            store.pack()
        except (Killed, DiskFull, LedgerDoubt):
            calls += 1
        finally:
            store.close()
        if disk.failed is None:
            break
        again, tree = open_store(folder)
        assert tree.size == size
        assert digest(again, size) == whole
        again.pack()
        assert [p.name for p in sorted((folder / "seg").iterdir())] == [PACKED, "00000000000000065536.seg"]
        assert digest(again, size) == whole
        again.close()
        shutil.rmtree(folder)
    assert calls > 8


def test_what_is_not_published_past_its_end_is_not_packed(ledger):
    path, _, _ = ledger
    assert packable(Layout(path), 65_535) == []
    assert packable(Layout(path), 65_536) == [0]


def test_a_damaged_segment_is_not_packed_and_stays(ledger):
    path, _, _ = ledger
    store, _ = open_store(path)
    file = path / "seg" / "00000000000000000000.seg"
    content = bytearray(file.read_bytes())
    content[5_000] ^= 1
    file.chmod(0o640)
    file.write_bytes(content)
    with pytest.raises(LedgerDoubt, match=r"damaged: 00000000000000000000\.seg"):
        store.pack()
    assert file.read_bytes() == content
    store.close()
