"""Re-evaluation of late readings: the same fold over a stretch with everything in its place (`excursions.md` 3).

Readings older than the signal's newest never change the live state. The job runs from the last idle point before them
over all readings in order of effective time, and tells the difference: a new ``late`` excursion, ``revised`` bounds and
sums, or ``revised`` with ``supported`` False. Nothing is withdrawn; people decide.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from gateway.domain.check import Check
from gateway.domain.condition_state import ConditionState, Stage
from gateway.domain.excursion_event import ExcursionEvent
from gateway.domain.happening import describe
from gateway.domain.reading_view import ReadingView
from gateway.domain.signal_track import Instant, SignalTrack, SignalWatch

LATE = "late"


class Told(Struct, frozen=True, kw_only=True):
    """An excursion as records tell it so far; ``t1_ns`` None while it lasts. ``onset_ns``: as last revised."""

    condition: str
    t0_ns: int
    raised_ns: int
    t1_ns: int | None
    breach_ns: int
    unknown_ns: int
    onset_ns: int | None = None


def reevaluate(
    watch: SignalWatch, start: Instant, readings: Iterable[ReadingView], told: Iterable[Told]
) -> tuple[ExcursionEvent, ...]:
    """Return ``late`` and ``revised`` events for one signal.

    ``start``: an idle point before the first late reading; ``readings``: every reading of the signal from there on, in any
    order; ``told``: the excursions that records tell for that stretch. Only limits are judged again: what data was missing
    live, was missing live.
    """
    limits = tuple(condition for condition in watch.conditions if condition.evaluate == "each")
    track = SignalTrack(msgspec.structs.replace(watch, conditions=limits), start)
    found: list[ExcursionEvent] = []
    through = start.at
    for reading in sorted(readings, key=lambda r: (r.te_ns, r.index)):
        through = max(through, reading.index)
        placed = msgspec.structs.replace(reading, basis="source")
        if not track.passes(placed):
            found += [event for event in track.take(placed) if event.event == "returned"]
    found += [
        describe(check, state, "returned", index=through, at_d=track.last_d)
        for check, state in track.conditions()
        if state.stage in (Stage.ACTIVE, Stage.RETURNING)
    ]
    return _differences(found, list(told), through, {c.id: Check.of(c) for c in limits})


def _differences(
    found: list[ExcursionEvent], told: list[Told], through: int, checks: dict[str, Check]
) -> tuple[ExcursionEvent, ...]:
    events: list[ExcursionEvent] = []
    left = list(told)
    for event in found:
        match = next((t for t in left if t.condition == event.condition and _overlap(event, t)), None)
        doubts = tuple(sorted({*event.doubts, LATE}))
        if match is None:
            events.append(msgspec.structs.replace(event, event="late", decided=through, doubts=doubts))
            continue
        left.remove(match)
        onset_ns = match.t0_ns if match.onset_ns is None else match.onset_ns
        if _bounds(event) != (onset_ns, match.t1_ns, match.breach_ns, match.unknown_ns):
            events.append(
                msgspec.structs.replace(
                    event,
                    event="revised",
                    decided=through,
                    doubts=doubts,
                    t0_ns=match.t0_ns,
                    onset_ns=event.t0_ns,
                    raised_ns=match.raised_ns,
                ),
            )
    events += [_unsupported(t, checks[t.condition], through) for t in left if t.condition in checks]
    return tuple(events)


def _overlap(event: ExcursionEvent, told: Told) -> bool:
    ends = told.t1_ns is None or event.t0_ns <= told.t1_ns
    return ends and (event.t1_ns is None or told.t0_ns <= event.t1_ns)


def _bounds(event: ExcursionEvent) -> tuple[int, int | None, int, int]:
    return event.t0_ns, event.t1_ns, event.breach_ns, event.unknown_ns


def _unsupported(told: Told, check: Check, through: int) -> ExcursionEvent:
    state = ConditionState(t0_ns=told.t0_ns, t1_ns=told.t1_ns, raised_ns=told.raised_ns, doubts=(LATE,))
    event = describe(check, state, "revised", index=through, at_d=0)
    return msgspec.structs.replace(event, supported=False, duration_ns=0)
