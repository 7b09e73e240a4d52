"""Projector on virtual time: nothing lost whatever the target answers, cursor after confirmation, stops and dead letters."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.projection import Cursor
from gateway.pipeline.influx_lines import LineWriter
from gateway.pipeline.influx_syntax import SignalTags
from gateway.pipeline.line_sender import BYTES_MAX, LINES_MAX, LineSender
from gateway.pipeline.projector import Projector
from gateway.ports import ProjectionAnswer
from tests.fakes.journal import FakeJournal
from tests.fakes.projection import CountedReadings, FakeTarget, MemoryStore
from tests.fakes.virtual_time import VirtualTime
from tests.pipeline.test_influx_lines import T0, reading

if TYPE_CHECKING:
    from collections.abc import Sequence

ORIGIN = "acme.example/basel/gw-01"


class Bench:
    """A projector between a fake journal and a fake target; `restart()` is a kill and a new process."""

    def __init__(self, count: int = 0, target: FakeTarget | None = None) -> None:
        self.time = VirtualTime()
        self.target = target or FakeTarget()
        self.store = MemoryStore()
        self.journal = FakeJournal(readings(count))
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        times = [(one.signal, one.source_ns) for one in self.journal.records]
        writer = LineWriter("gw-01", lambda _s, _c: SignalTags("FRZ", None, "Cel"), CountedReadings(times), lambda _: 1)
        parts = (self.store, self.time.clock, lambda: 0.5, self.time.sleep, direct)
        self.sender = LineSender("main", self.target, *parts)
        self.projector = Projector(
            "main", ORIGIN, self.target, writer, self.journal, self.store, self.sender, self.time.sleep, direct
        )
        self.task = asyncio.get_running_loop().create_task(self.projector.run())

    async def kill(self) -> None:
        assert self.task is not None
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    async def restart(self) -> None:
        await self.kill()
        self.start()

    def next_index(self) -> int:
        return 0 if self.store.cursor is None else self.store.cursor.next_index


async def direct(function, *arguments) -> None:
    function(*arguments)


def readings(count: int, start: int = 0) -> list:
    return [reading(source_ns=T0 + n * 1_000_000, n=n + 1, value=float(n)) for n in range(start, start + count)]


async def test_what_is_committed_arrives_within_a_second_and_small_commits_travel_together() -> None:
    bench = Bench()
    bench.start()
    for n in range(10):
        bench.journal.append(readings(1, n))
        await bench.time.run(0.05)
    await bench.time.run(1)
    assert len(bench.target.points) == 10
    assert len(bench.target.requests) <= 2
    assert bench.next_index() == 10
    await bench.kill()


async def test_requests_are_at_most_5000_lines_and_1_mb() -> None:
    bench = Bench(12_001)
    bench.start()
    await bench.time.run(5)
    assert max(bench.target.requests) == LINES_MAX
    assert len(bench.target.points) == 12_001
    long = Bench()
    long.journal.records = [reading(source_ns=T0 + n, value="x" * 60_000) for n in range(50)]
    long.start()
    await long.time.run(5)
    assert max(long.target.requests) == BYTES_MAX // 60_200
    assert len(long.target.points) == 50
    await bench.kill()
    await long.kill()


async def test_di_19_target_down_then_up_loses_nothing_and_the_cursor_waits() -> None:
    bench = Bench(100)
    bench.target.fail("retry", 503, times=5)
    bench.target.fail("retry", None, happened=True, times=2)
    bench.start()
    await bench.time.run(2)
    assert bench.next_index() == 0
    bench.journal.append(readings(50, 100))
    await bench.time.run(600)
    assert len(bench.target.points) == 150
    assert bench.next_index() == 150
    assert bench.projector.report().failing_since_ns is None
    await bench.kill()


async def test_retry_after_is_obeyed_and_backoff_is_jittered_up_to_5_minutes() -> None:
    bench = Bench(1)
    bench.target.fail("retry", 429, retry_after_s=120.0)
    bench.target.fail("retry", 503, times=30)
    bench.start()
    await bench.time.run(100)
    assert len(bench.target.requests) == 1
    await bench.time.run(25)
    assert len(bench.target.requests) >= 3
    before = len(bench.target.requests)
    await bench.time.run(1_200)
    await bench.time.run(1_500)
    assert len(bench.target.requests) - before < 25, "half of 300 s between later attempts"
    await bench.kill()


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_refused_access_stops_with_a_remedy_and_keeps_the_cursor(status: int) -> None:
    bench = Bench(10)
    bench.target.fail("stop", status, body="unauthorized")
    bench.start()
    await bench.time.run(10)
    report = bench.projector.report()
    assert f"sink main answered {status}" in report.attention
    assert ("token" if status != 404 else "bucket") in report.attention
    assert bench.next_index() == 0
    assert bench.task is not None
    assert bench.task.done()
    bench.start()
    await bench.time.run(10)
    assert len(bench.target.points) == 10
    await bench.kill()


async def test_413_halves_and_stays_small_for_an_hour() -> None:
    bench = Bench(400)
    bench.target.judge = lambda lines: ProjectionAnswer(verdict="too_large", status=413) if len(lines) > 100 else None
    bench.start()
    await bench.time.run(10)
    assert len(bench.target.points) == 400
    bench.target.requests.clear()
    bench.journal.append(readings(300, 400))
    await bench.time.run(10)
    assert max(bench.target.requests) <= 100
    bench.target.judge = lambda _: None
    await bench.time.run(3_700)
    bench.journal.append(readings(300, 700))
    await bench.time.run(10)
    assert bench.target.requests[-1] == 300
    assert bench.store.letters == []
    await bench.kill()


def poison(bad: set[int], *, named: bool):
    """A target that refuses a request with bad values in it, naming the lines or not."""

    def judge(lines: Sequence[bytes]) -> ProjectionAnswer | None:
        at = tuple(n for n, line in enumerate(lines) if int(line.split(b"value=")[1].split(b".")[0]) in bad)
        if not at:
            return None
        return ProjectionAnswer(verdict="refused", status=400, body="b" * 2_000, bad_lines=at if named else ())

    return judge


@pytest.mark.parametrize("named", [True, False])
async def test_refused_lines_become_dead_letters_and_only_those(*, named: bool) -> None:
    bench = Bench(200)
    bench.target.judge = poison({7, 150, 151}, named=named)
    bench.start()
    await bench.time.run(5)
    assert [letter.index for letter in bench.store.letters] == [7, 150, 151]
    assert all(len(letter.body) == 1_024 and letter.status == 400 for letter in bench.store.letters)
    assert len(bench.target.points) == 197
    assert bench.next_index() == 200
    assert bench.projector.report().dead == 3
    await bench.kill()


async def test_another_target_than_the_cursor_says_stops_before_anything_is_written() -> None:
    bench = Bench(5)
    bench.store.cursor = Cursor(origin=ORIGIN, next_index=3, target_fingerprint="other")
    bench.start()
    await bench.time.run(5)
    assert bench.target.requests == []
    assert "gateway influx replay main" in bench.projector.report().attention


async def test_a_lost_cursor_begins_at_0_and_changes_nothing_there() -> None:
    bench = Bench(50)
    bench.start()
    await bench.time.run(5)
    before = dict(bench.target.points)
    bench.store.cursor = None
    await bench.restart()
    await bench.time.run(5)
    assert bench.target.points == before
    assert bench.next_index() == 50
    await bench.kill()


@settings(deadline=None, max_examples=30)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["retry", "too_large", "lost", "kill", "more"]),
            st.integers(1, 3),
        ),
        max_size=8,
    )
)
async def test_whatever_the_target_answers_and_whenever_we_are_killed_every_line_arrives(
    steps: list[tuple[str, int]],
) -> None:
    bench = Bench(20)
    total = 20
    bench.start()
    for step, times in steps:
        if step == "kill":
            await bench.restart()
        elif step == "more":
            bench.journal.append(readings(5, total))
            total += 5
        elif step == "lost":
            bench.target.fail("retry", None, happened=True, times=times)
        else:
            bench.target.fail(step, 503 if step == "retry" else 413, times=times)
        await bench.time.run(0.7)
    await bench.time.run(10_000)
    if bench.store.letters:
        assert all(letter.status == 413 for letter in bench.store.letters), "only a single line too large is buried"
    assert len(bench.target.points) + len(bench.store.letters) >= total
    assert bench.next_index() == total
    await bench.kill()


async def test_run_again_after_a_fault_begins_at_the_cursor_and_doubles_nothing() -> None:
    bench = Bench(50)
    bench.target.fail("retry", None, happened=True, times=2)
    bench.start()
    await bench.time.run(1.2)
    assert bench.next_index() == 0
    await bench.kill()
    bench.task = asyncio.get_running_loop().create_task(bench.projector.run())
    await bench.time.run(60)
    assert len(bench.target.points) == 50
    assert bench.next_index() == 50
    await bench.kill()


async def test_the_end_of_the_journal_ends_the_run_after_the_last_line() -> None:
    bench = Bench(30)
    bench.start()
    bench.journal.end()
    await bench.time.run(1)
    assert bench.task is not None
    assert bench.task.done()
    assert len(bench.target.points) == 30
    assert bench.next_index() == 30
