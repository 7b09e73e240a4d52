"""Pruning on disk: recorded first, from the oldest file on, gone on with after a kill; what remains proves itself (US-04)."""

from __future__ import annotations

import errno
import json
import shutil

import pytest
from click.testing import CliRunner

from gateway.adapters.index import IndexFollower, IndexQuery
from gateway.adapters.segment_store import Layout, SegmentStore
from gateway.adapters.segment_store.export import export_tiles
from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.adapters.segment_store.verify_folder import verify_folder
from gateway.cli.ledger import ledger
from gateway.errors import DiskFull, LedgerDoubt, Refused
from gateway.ledger.policy import Policy, format_policy
from gateway.ledger.tlogproof import check_tlog_proof
from tests.fakes.clock import StillClock
from tests.fakes.disk import FaultyDisk, Killed
from tests.fakes.log import ORIGIN, SEALER, gateway, plan, reading

POLICY = Policy((SEALER.key,))
STOP = 65_536
SIZE = 131_400
NOTE = "note: pruned 0..65,535 by record 131,390"


def open_store(path, disk=None):
    store = SegmentStore(
        path, ORIGIN, StillClock(), vkeys=[SEALER.vkey], disk=disk, check_place=lambda _: None, reserve_bytes=4096
    )
    return store, store.open().tree


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Three segments, the first in two files; record 131,390 prunes the first one; published."""
    path = tmp_path_factory.mktemp("made") / "ledger"
    size = 0
    for until in (20_000, 131_390):
        store, tree = open_store(path)
        while size < until:
            pool = plan(tree, [reading(n) for n in range(size + 1, min(size + 8_000, until) + 1)])
            store.commit(pool.frames)
            tree, size = pool.head, pool.head.size
        if size == 20_000:
            store.close()
    root = store.upkeep.root_at(STOP).hex()
    facts = {"count": STOP, "first": 0, "last": STOP - 1, "policy": "site-01", "root": root}
    rest = [gateway("pruned", facts=facts), *(reading(n) for n in range(131_391, SIZE))]
    pool = plan(tree, rest)
    store.commit(pool.frames)
    store.publish(pool.frames[-1].note, pool.head.size)
    store.save_policy(format_policy(POLICY))
    store.close()
    assert pool.head.size == SIZE
    return path


@pytest.fixture
def root(made, tmp_path):
    shutil.copytree(made, tmp_path / "ledger")
    return tmp_path / "ledger"


def prune(path, disk=None):
    store, _ = open_store(path, disk)
    try:
        return store.upkeep.remove(STOP, 131_390)
    finally:
        store.close()


def run(*words):
    return CliRunner().invoke(ledger, [str(word) for word in words], catch_exceptions=False)


def names(root):
    return sorted(path.name for path in (root / "seg").iterdir())


@pytest.mark.parametrize("packed", [False, True])
def test_us_04_a_pruned_ledger_starts_verifies_and_goes_on(root, packed):
    if packed:
        store, _ = open_store(root)
        assert store.pack() == 0
        store.close()
    assert prune(root) > 500_000
    assert names(root) == ["00000000000000065536.seg", "00000000000000131072.seg"]
    assert (root / "tile" / "1" / "000").is_file()
    result = verify_folder(root, policy=POLICY, all_seals=True)
    assert result.lines()[0] == NOTE
    assert result.last_line.startswith("VERIFIED  65,864 records, ")
    assert result.exit_code == 0
    assert result.size == SIZE
    store, tree = open_store(root)
    assert tree.size == SIZE
    assert store.reader.first_index() == STOP
    more = plan(tree, [reading(SIZE)])
    store.commit(more.frames)
    assert [index for index, _, _ in store.read(0, 1 << 62)] == list(range(STOP, SIZE + 1))
    store.close()
    assert verify_folder(root, policy=POLICY).exit_code == 0


def test_us_04_proofs_of_what_remains_hold_and_what_is_gone_is_said_to_be_pruned(root, tmp_path):
    before = LedgerFolder(root)
    kept = {index: before.prove(index) for index in (STOP, 100_000, SIZE - 1)}
    prune(root)
    folder = LedgerFolder(root)
    for index, proof in kept.items():
        assert folder.prove(index) == proof
        assert check_tlog_proof(proof, folder.entry(index)).size == SIZE
    assert folder.prove_growth(STOP)
    for ask in (folder.prove, folder.entry):
        with pytest.raises(Refused, match="record 17 is pruned"):
            ask(17)
    assert ", pruned up to 65,535" in run("status", "--path", root).output
    with pytest.raises(Refused, match="record 17 is pruned") as refused:
        run("prove", 17, "--path", root)
    assert refused.value.exit_code == 1
    head = folder.published()
    assert head is not None
    export_tiles(folder.maker, head.note, SIZE, tmp_path / "out")
    assert not (tmp_path / "out" / "tile" / "0" / "255").exists()
    assert (tmp_path / "out" / "tile" / "0" / "256").is_file()
    assert (tmp_path / "out" / "tile" / "1" / "000").is_file()


def test_us_04_the_index_is_made_again_from_what_remains(root, tmp_path):
    prune(root)
    follower = IndexFollower(tmp_path / "index.db", ORIGIN, LedgerFolder(root).reader)
    follower.rebuild(SIZE)
    assert follower.next_index == SIZE
    follower.close()
    query = IndexQuery(tmp_path / "index.db", Layout(root))
    assert query.record(17, SIZE) is None
    assert query.record(STOP + 5, SIZE) == reading(STOP + 6)
    assert query.newest_event("gateway", "pruned", SIZE).entry == 131_390
    stretch = query.stretch(STOP, 2 * STOP)
    assert stretch.written_ns >= json.loads(reading(131_072))["received_ns"]
    query.close()


def test_us_04_an_index_made_before_says_pruned_and_not_something_else(root, tmp_path):
    folder = LedgerFolder(root)
    follower = IndexFollower(tmp_path / "index.db", ORIGIN, folder.reader)
    follower.open(0)
    follower.follow(SIZE)
    follower.close()
    query = IndexQuery(tmp_path / "index.db", Layout(root))
    assert query.record(17, SIZE) == reading(18)
    prune(root)
    query.release()
    assert query.record(17, SIZE) is None
    assert query.record(STOP, SIZE) == reading(STOP + 1)
    query.close()


def test_us_04_a_beginning_that_is_missing_without_a_record_halts(root, made):
    for name in ("00000000000000000000.seg", "00000000000000020000.seg", "00000000000000065536.seg"):
        (root / "seg" / name).unlink()
    with pytest.raises(LedgerDoubt, match=r"damaged: records 0\.\.131,071 missing"):
        open_store(root)
    result = verify_folder(root, policy=POLICY)
    assert result.last_line == "FAILED at record 0: 131,072 records missing"
    del made


def test_us_04_a_lost_note_of_pruning_is_found_in_the_ledger_again(root):
    prune(root)
    (root / "PRUNED").unlink()
    store, tree = open_store(root)
    assert tree.size == SIZE
    store.close()
    assert json.loads((root / "PRUNED").read_text()) == {"stop": STOP, "record": 131_390}
    (root / "PRUNED").write_text('{"stop":65536,"record":131391}')  # another record than the one that says so
    store, tree = open_store(root)
    assert tree.size == SIZE
    store.close()


def test_us_04_a_note_of_pruning_that_no_record_bears_out_removes_nothing(root):
    (root / "PRUNED").write_text('{"stop":131072,"record":131390}')
    with pytest.raises(LedgerDoubt, match="names record 131,390, which prunes nothing below 131,072"):
        open_store(root)
    assert names(root)[0] == "00000000000000000000.seg"


def test_us_01_a_beginning_pruned_under_another_root_is_two_trees(root):
    prune(root)
    tile = root / "tile" / "1" / "000"
    content = bytearray(tile.read_bytes())
    content[100] ^= 1
    tile.chmod(0o640)
    tile.write_bytes(content)
    result = verify_folder(root, policy=POLICY)
    assert result.exit_code == 1
    tile.unlink()
    result = verify_folder(root, policy=POLICY)
    assert "FAILED at size 65,536: tiles of what was pruned are missing" in result.lines()


@pytest.mark.fault
@pytest.mark.parametrize(
    ("how", "number"),
    [("kill", 0), ("kill_after", 0), ("not_applied", errno.ENOSPC), ("not_applied", errno.EIO), ("applied", errno.EIO)],
)
def test_us_04_pruning_that_fails_at_any_call_is_gone_on_with_or_harmless(made, tmp_path, how, number):
    for k in range(1, 40):
        folder = tmp_path / str(k)
        shutil.copytree(made, folder)
        disk = FaultyDisk()
        store, _ = open_store(folder, disk)
        disk.calls.clear()
        disk.fail_at, disk.how, disk.number = k, how, number
        try:
            store.upkeep.remove(STOP, 131_390)
        except (Killed, DiskFull, LedgerDoubt):
            pass
        finally:
            store.close()
        if disk.failed is None:
            break
        middle = verify_folder(folder, policy=POLICY)
        assert middle.exit_code == 0, middle.lines()
        again, tree = open_store(folder)
        assert tree.size == SIZE
        if (folder / "PRUNED").exists():
            assert names(folder) == ["00000000000000065536.seg", "00000000000000131072.seg"]
        assert [index for index, _, _ in again.read(SIZE - 3, SIZE)] == [SIZE - 3, SIZE - 2, SIZE - 1]
        again.close()
        assert verify_folder(folder, policy=POLICY).exit_code == 0
        shutil.rmtree(folder)
    assert 8 < k < 39
