"""Late jobs: readings that came after newer ones are judged again with everything in its place (`excursions.md` 3).

A job starts when the gap that delayed the readings is closed, 60 s after the last late reading, or 15 min after the first.
What it finds is written as `late` and `revised` records; a `gateway evaluated` record settles it, so a restart repeats a job
that was cut short and no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

from msgspec import Struct

from gateway.domain.band import Verdict, is_number
from gateway.domain.check import Arrival
from gateway.domain.evaluator import Evaluator
from gateway.domain.excursion_event import ExcursionEvent
from gateway.domain.reading_view import ReadingView
from gateway.domain.reevaluation import reevaluate
from gateway.domain.signal_track import Instant, SignalTrack
from gateway.domain.track_state import LateReadings
from gateway.ledger.records import Gateway
from gateway.pipeline.excursion_book import ExcursionBook, Story
from gateway.pipeline.excursion_records import told_of

SECOND_NS: Final = 1_000_000_000
QUIET_NS: Final = 60 * SECOND_NS
LONGEST_NS: Final = 900 * SECOND_NS
BACK_NS_MAX: Final = 31 * 86_400 * SECOND_NS
STRETCHES_NS: Final = (900 * SECOND_NS, 14_400 * SECOND_NS, 86_400 * SECOND_NS, BACK_NS_MAX)
"""How far before the first late reading an idle point is looked for, one after the other."""

Readings = Callable[[str, int, int], Awaitable[Sequence[ReadingView]]]
"""(signal, from_ns, to_ns) → all committed readings of that stretch of effective time."""

SETTLED: Final = "late_settled"


class _Waiting(Struct):
    late: LateReadings
    first_ns: int
    changed_ns: int
    at_once: bool = False


class LateJobs:
    """Watches the evaluator's tracks; one job at a time."""

    def __init__(self, evaluator: Evaluator, book: ExcursionBook, readings: Readings) -> None:
        self._evaluator = evaluator
        self._book = book
        self._readings = readings
        self._waiting: dict[str, _Waiting] = {}
        self._settling: dict[str, int] = {}
        self._closed: set[str] = set()

    def gap_closed(self, signals: Iterable[str]) -> None:
        """Backfill of these signals is done: what came late before the next `due` waits no longer."""
        self._closed.update(signals)

    def due(self, now_ns: int) -> list[str]:
        """Return the signals whose late readings are to be judged now (monotonic ns)."""
        found: list[str] = []
        for signal in self._evaluator.signals():
            late = self._evaluator.track(signal).late
            if late is None or self._settling.get(signal, -1) >= late.last:
                self._waiting.pop(signal, None)
                continue
            waiting = self._waiting.setdefault(signal, _Waiting(late, now_ns, now_ns))
            if waiting.late.last != late.last:
                waiting.late, waiting.changed_ns = late, now_ns
            waiting.at_once |= signal in self._closed
            quiet, long = now_ns - waiting.changed_ns >= QUIET_NS, now_ns - waiting.first_ns >= LONGEST_NS
            if waiting.at_once or quiet or long:
                found.append(signal)
        self._closed.clear()
        return found

    async def judge(self, signal: str) -> tuple[tuple[ExcursionEvent, ...], int]:
        """Return what the late readings of a signal change, and the index through which they are judged now.

        The work is done in threads: a month of readings is a long turn. Nothing is folded meanwhile, the judge waits.
        Raises `Unavailable` where the index is behind: the job waits too, and nothing else for it.
        """
        track = self._evaluator.track(signal)
        late = track.late
        assert late is not None, "a job needs late readings"
        stories = [s for s in self._book.stories.values() if s.newest.signal == signal]
        start, readings = await self._from_idle(track, late, stories)
        told = [told_of(story.newest) for story in stories if _reaches(story, start.te_ns)]
        loop = asyncio.get_running_loop()
        events = await loop.run_in_executor(None, reevaluate, track.watch, start, readings, told)
        self._settling[signal] = late.last
        return events, late.last

    async def _from_idle(
        self, track: SignalTrack, late: LateReadings, stories: Sequence[Story]
    ) -> tuple[Instant, Sequence[ReadingView]]:
        """Find the last idle point before the first late reading: a value inside every band while nothing lasts."""
        newest_ns = max(track.last.te_ns, late.last_ns) + 1
        loop = asyncio.get_running_loop()
        readings: Sequence[ReadingView] = ()
        for stretch_ns in STRETCHES_NS:
            readings = await self._readings(track.watch.signal, late.first_ns - stretch_ns, newest_ns)
            found = await loop.run_in_executor(None, _idle_before, track, late.first_ns, readings, stories)
            if found is not None:
                return Instant(found.index, found.te_ns), [r for r in readings if r.te_ns >= found.te_ns]
        return Instant(late.first, late.first_ns - 1), [r for r in readings if r.te_ns >= late.first_ns]


def _idle_before(
    track: SignalTrack, before_ns: int, readings: Sequence[ReadingView], stories: Sequence[Story]
) -> ReadingView | None:
    earlier = sorted((r for r in readings if r.te_ns < before_ns), key=lambda r: (r.te_ns, r.index), reverse=True)
    return next((reading for reading in earlier if _is_idle(track, reading, stories)), None)


def _is_idle(track: SignalTrack, reading: ReadingView, stories: Sequence[Story]) -> bool:
    if reading.quality == "bad" or not is_number(reading.value):
        return False
    arrival = Arrival(d=reading.te_ns, te_ns=reading.te_ns, value=reading.value, index=reading.index)
    for check, _ in track.conditions():
        if check.condition.evaluate == "each" and check.verdict(arrival) is not Verdict.BACK:
            return False
    return not any(_lasts_at(story, reading.te_ns) for story in stories)


def settled_record(signal: str, through: int, head: dict[str, Any], gateway: str, run: int, config: str) -> Gateway:
    """Return the record that a job is done: `evaluated`, code ``late_settled``."""
    facts = {"index": through, "signal": signal}
    return Gateway(**head, event="evaluated", gateway=gateway, run=run, config=config, code=SETTLED, facts=facts)


def _reaches(story: Story, from_ns: int) -> bool:
    return story.t1_ns is None or story.t1_ns > from_ns


def _lasts_at(story: Story, at_ns: int) -> bool:
    cleared = story.newest.facts.get("cleared_ns") if isinstance(story.newest.facts, dict) else None
    end_ns = cleared if isinstance(cleared, int) else story.t1_ns
    return story.raised.t0_ns <= at_ns and (end_ns is None or at_ns < end_ns)
