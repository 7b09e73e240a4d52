"""`influx replay` and `status` from files: equal counts, dead letters again, a changed target named."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gateway.adapters.cursor_file import CursorFile
from gateway.adapters.segment_store.store import SegmentStore
from gateway.cli.influx_replay import replay_dead, replay_range
from gateway.cli.influx_status import read_status
from gateway.domain.projection import Cursor, DeadLetter
from gateway.ledger.merkle import Tree
from gateway.ledger.records import format_record
from gateway.pipeline.influx_lines import LineWriter
from gateway.pipeline.influx_syntax import SignalTags
from gateway.ports import ProjectionAnswer
from tests.fakes.clock import StillClock
from tests.fakes.log import SEALER, plan
from tests.fakes.projection import CountedReadings, FakeTarget
from tests.integration.test_influx import ORIGIN, story

if TYPE_CHECKING:
    from gateway.ledger.records import Record


def tags(_signal: str, _config: str) -> SignalTags:
    return SignalTags("FRZ-01", "R 1", "Cel")


async def test_replay_writes_what_the_projector_wrote_and_makes_the_cursor_the_target_s(tmp_path: Path) -> None:
    records = story(120)
    write_ledger(tmp_path / "ledger", records)
    target, store = FakeTarget(), CursorFile(tmp_path, "main")
    done = await replay_range("main", target, store, tmp_path / "ledger", ORIGIN, "gw-01", tags)
    times = [(one.signal, one.source_ns) for one in records]
    live = LineWriter("gw-01", tags, CountedReadings(times), lambda _: 1).render(0, records)
    assert sorted(target.points.values()) == sorted(live.lines)
    assert done.line() == "main  ledger 120 entries, 120 lines written"
    assert store.load() == Cursor(origin=ORIGIN, next_index=120, target_fingerprint="f1")
    before = dict(target.points)
    part = await replay_range("main", target, store, tmp_path / "ledger", ORIGIN, "gw-01", tags, 33, 90)
    assert part.written == 57
    assert target.points == before


async def test_dead_letters_are_sent_again_and_those_refused_once_more_stay(tmp_path: Path) -> None:
    store, target = CursorFile(tmp_path, "main"), FakeTarget()
    letters = [DeadLetter(index=n, line=f"reading,signal=A value={n} {n}", status=400, body="no") for n in range(3)]
    store.bury(letters)
    target.judge = lambda lines: (
        ProjectionAnswer(verdict="refused", status=400, body="still no")
        if any(b"=1 " in one for one in lines)
        else None
    )
    done = await replay_dead("main", target, store)
    assert (done.written, done.refused) == (2, 1)
    assert [(letter.index, letter.body) for letter in store.dead_letters()] == [(1, "still no")]


def test_status_says_lag_dead_letters_and_a_changed_target(tmp_path: Path) -> None:
    write_ledger(tmp_path / "ledger", story(10))
    store = CursorFile(tmp_path, "main")
    assert (
        read_status("main", store, tmp_path / "ledger", ORIGIN, "f1").line() == "main  ledger 10, InfluxDB 0, 10 behind"
    )
    store.save(Cursor(origin=ORIGIN, next_index=10, target_fingerprint="f1"))
    found = read_status("main", store, tmp_path / "ledger", ORIGIN, "f1")
    assert not found.finding
    changed = read_status("main", store, tmp_path / "ledger", ORIGIN, "f2")
    assert changed.finding
    assert "fix: gateway influx replay main" in changed.line()


def write_ledger(folder: Path, records: list[Record]) -> None:
    """A real ledger folder with these records, ten a frame."""
    store = SegmentStore(folder, ORIGIN, StillClock(), vkeys=[SEALER.vkey], reserve_bytes=65_536)
    store.open()
    tree = Tree()
    for start in range(0, len(records), 10):
        made = plan(tree, [format_record(record) for record in records[start : start + 10]])
        store.commit(made.frames)
        tree = made.head
    store.close()
