"""Stamps as bundles get them: around their records, whole or not at all, the same at every asking; the bracket of a record."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from types import SimpleNamespace

import pytest

from gateway.adapters.index import IndexFollower, IndexQuery
from gateway.adapters.ledger_status import read_status
from gateway.adapters.segment_store import SegmentStore
from gateway.adapters.segment_store.bracket import bracket_of_record
from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.adapters.segment_store.single import lay_proof
from gateway.app.timestamps import StampFolder, stamp_figures, stamp_report
from gateway.errors import LedgerDoubt
from gateway.ledger.authority import Authority
from gateway.ledger.records import Anchor, format_record
from gateway.ledger.timestamp import make_request
from gateway.ledger.tlogproof import check_tlog_proof, parse_tlog_proof
from gateway.pipeline.stamped_heads import end_bundle
from gateway.pipeline.stamping import StampStanding
from tests.counterparts import tsa
from tests.fakes.clock import StillClock
from tests.fakes.log import NOON_NS, ORIGIN, plan, reading

STAMPED = (10, 21, 32, 43)


@dataclass
class Case:
    """Readings by tens, an anchor after each ten: anchors are the records 10, 21, 32, 43 and about the sizes 10, 21, 32, 43."""

    store: SegmentStore
    stamps: StampFolder
    times: dict[int, int]
    notes: dict[int, bytes]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tsa.Authority(tmp_path_factory.mktemp("tsa"), curve=True)


@pytest.fixture
def case(tmp_path, made):
    store = SegmentStore(tmp_path / "ledger", ORIGIN, StillClock(), check_place=lambda _: None, reserve_bytes=4096)
    tree = store.open().tree
    pem = made.ca.read_bytes()
    times, notes = {}, {}
    for ten in range(4):
        frames = plan(tree, [reading(10 * ten + n) for n in range(1, 11)])
        store.commit(frames.frames)
        size, note = frames.head.size, frames.frames[-1].note
        imprint = sha256(note)
        answer = made.reply(make_request(imprint.digest(), size))
        store.frozen.freeze(size, note)
        store.frozen.save_token(size, answer)
        notes[size], times[size] = note, Authority(pem).open(answer, imprint.digest()).gen_ns
        anchor = Anchor(
            at_ns=NOON_NS, boot_ns=1, clock=1, event="timestamped", size=size, root=frames.head.root().hex(),
            note_sha256=imprint.hexdigest(), token_sha256=sha256(answer).hexdigest(), gen_ns=times[size],
            facts={"authority_sha256": sha256(pem).hexdigest()},
        )  # fmt: skip
        sealed = plan(frames.head, [format_record(anchor)])
        store.commit(sealed.frames, [pem])
        tree = sealed.head
    follower = IndexFollower(tmp_path / "state" / "index.db", ORIGIN, store.reader)
    follower.open(tree.size)
    follower.follow(tree.size)
    query = IndexQuery(tmp_path / "state" / "index.db", store.layout)
    yield Case(store, StampFolder(store, SimpleNamespace(query=query)), times, notes)
    query.close()
    follower.close()
    store.close()


def test_us_02_a_proof_leads_to_the_oldest_stamped_note_over_its_record(case, made, tmp_path):
    case.store.layout.policy.write_text("quorum none\n")
    folder = LedgerFolder(case.store.layout.root)
    for index, size in ((0, 10), (9, 10), (11, 21), (20, 21), (25, 32)):
        laid = lay_proof(folder, index, tmp_path / str(index))
        assert (laid.size, laid.stamped) == (size, True)
        out = tmp_path / str(index)
        proof = parse_tlog_proof((out / f"{index}.tlog-proof").read_bytes())
        assert proof.note == case.notes[size]
        assert check_tlog_proof(proof, (out / f"{index}.entry").read_bytes()).size == size
        assert made.accepts(proof.note, (out / f"{index}.tsr").read_bytes())
        assert (out / "keys/tsa.pem").read_bytes() == made.ca.read_bytes()


def test_us_02_a_time_stamp_that_is_not_as_recorded_is_no_part_of_a_proof(case, tmp_path):
    case.store.layout.policy.write_text("quorum none\n")
    case.store.frozen.save_token(10, b"junk")
    folder = LedgerFolder(case.store.layout.root)
    assert lay_proof(folder, 3, tmp_path / "3").size == 21
    for size in STAMPED[1:]:
        case.store.frozen.save_token(size, b"junk")
    laid = lay_proof(folder, 3, tmp_path / "none")
    assert not laid.stamped
    assert laid.files == ("3.entry", "3.tlog-proof", "keys/policy")


def sizes(case, first, last, size=44):
    return [one.head.size for one in case.stamps.around(first, last, size)]


@pytest.mark.parametrize(
    ("first", "last", "size", "found"),
    [
        (0, 5, 44, [10]),
        (0, 43, 44, [10, 21, 32, 43]),
        (12, 15, 44, [10, 21]),
        (12, 25, 44, [10, 21, 32]),
        (33, 42, 44, [32, 43]),
        (33, 42, 43, [32]),
        (5, 8, 10, []),
    ],
)
def test_di_14_the_stamps_around_records_are_found_below_a_size(case, first, last, size, found):
    assert sizes(case, first, last, size) == found


def test_a_stamp_whose_files_are_not_as_recorded_is_left_out(case):
    path = case.store.frozen.path(21)
    path.chmod(0o640)
    path.write_bytes(case.notes[10])
    assert sizes(case, 0, 43) == [10, 32, 43]
    case.store.frozen.path(32).with_name("032.tsr").unlink()
    assert sizes(case, 0, 43) == [10, 43]


def test_the_newest_stamp_is_where_a_run_goes_on(case):
    [newest] = case.stamps.newest(44)
    assert newest.size == 43
    assert case.stamps.newest(10) == []


def test_di_14_a_bundle_ends_at_the_oldest_stamped_size_over_all_it_holds(case):
    stamps = case.stamps.around(12, 15, 44)
    entries = [(index, salt + content) for index, salt, content in case.store.read(12, 16)]
    end = end_bundle(entries, 44, b"newest", stamps, only_note=False)
    assert (end.size, end.note, end.token) == (21, case.notes[21], case.store.frozen.token(21))
    assert [one.size for one in end.brackets] == [10]
    assert [index for index, _ in end.entries] == [10, 12, 13, 14, 15]
    kept = end_bundle(entries, 44, b"newest", stamps, only_note=True)
    assert (kept.size, kept.note, kept.token) == (44, b"newest", None)
    assert [one.size for one in kept.brackets] == [10, 21]
    same = end_bundle(entries, 21, case.notes[21], stamps, only_note=True)
    assert same.token == case.store.frozen.token(21)
    none = end_bundle(entries, 44, b"newest", [], only_note=False)
    assert (none.entries, none.size, none.authority, none.brackets) == (entries, 44, None, ())


@pytest.mark.parametrize(("index", "after", "before"), [(5, None, 10), (10, None, 21), (11, 10, 21), (43, 32, None)])
def test_di_14_a_record_stands_between_two_stamps(case, index, after, before):
    found = bracket_of_record(LedgerFolder(case.store.layout.root), index)
    assert found == (case.times.get(after), case.times.get(before))


def test_the_status_of_a_folder_says_what_is_stamped(case):
    status = read_status(LedgerFolder(case.store.layout.root))
    assert status.stamped == 43
    assert status.line().endswith("time-stamped up to 43")


@pytest.mark.parametrize("alone", [True, False])
def test_health_tells_the_stretch_that_is_not_anchored(alone):
    standing = StampStanding(anchored=43, gen_ns=NOON_NS, problem="HTTP 503", failures=2, level="alert")
    stamping = SimpleNamespace(standing=standing, age_ns=1_900_000_000_000)
    told = stamp_report(stamping, 50)
    assert (told["anchored"], told["not_anchored"], told["age_s"], told["stale"]) == (43, 7, 1900, "alert")
    figures = {one.name: one.values[""] for one in stamp_figures(stamping, alone=alone)}
    assert figures["timestamp_age_seconds"] == 1900
    assert ("ledger_anchored_entries" in figures) == alone
    assert figures["ledger_stamped_entries"] == 43


def test_ac_03_a_start_refuses_a_ledger_that_is_not_the_one_that_was_stamped(case, tmp_path):
    """The whole folder but cp/ of another day: what an authority has stamped cannot be taken back."""

    def opened(layout):
        return SegmentStore(layout, ORIGIN, StillClock(), check_place=lambda _: None, reserve_bytes=4096)

    notes = {size: (case.notes[size], case.store.frozen.token(size)) for size in STAMPED}
    for how, pools in (
        ("rollback: ledger ends at 10", [range(1, 11)]),
        ("fork: size 43", [range(1, 44), range(44, 50)]),
    ):
        folder = tmp_path / how[:4]
        store = opened(folder)
        tree = store.open().tree
        for pool in pools:
            frames = plan(tree, [reading(n) for n in pool])
            store.commit(frames.frames)
            tree = frames.head
        for size, (note, token) in notes.items():
            store.frozen.freeze(size, note)
            store.frozen.save_token(size, token)
        store.close()
        with pytest.raises(LedgerDoubt, match=how) as refused:
            opened(folder).open()
        assert "time-stamped" in str(refused.value)
    case.store.close()
    again = opened(case.store.layout.root)
    assert again.open().tree.size == 44
    again.close()
