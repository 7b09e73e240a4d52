"""What our own record changes when it comes back through the ledger: a timer's, or a late excursion that still lasts.

(`excursions.md` 3: timers, rebuild, late readings.)
"""

from __future__ import annotations

import copy
from decimal import Decimal

from msgspec import Struct

from gateway.domain.check import Check
from gateway.domain.condition_state import ConditionState, Stage
from gateway.domain.evaluation import Held, Steps, begin
from gateway.domain.excursion_event import EventKey, ExcursionEvent, Happening, event_key
from gateway.domain.happening import MINUTE_NS
from gateway.domain.signal_track import SignalTrack

TIMER = "timer"


class WrittenEvent(Struct, frozen=True, kw_only=True, rename={"class_": "class"}):
    """What the fold needs of one of our own `excursion` records. ``cause`` ``timer``: silence decided it.

    From ``t1_ns`` on: where a late excursion stands, for the live state that takes it up; times and sums in ns.
    """

    index: int
    signal: str
    condition: str
    event: str
    t0_ns: int
    decided: int
    class_: str
    level: str
    rule: str | None = None
    test: bool = False
    raised_ns: int | None = None
    cause: str | None = None
    t1_ns: int | None = None
    breach_ns: int = 0
    unknown_ns: int = 0
    crossings: int = 1
    degree_minutes: float | None = None
    extreme: float | None = None
    extreme_ns: int | None = None
    first: int | None = None

    @property
    def key(self) -> EventKey:
        """Return the key under which the event is written once."""
        return event_key(self.condition, self.t0_ns, self.event, self.decided)


def take_effect(track: SignalTrack, record: WrittenEvent) -> Steps:
    """Apply what silence decided, unless a reading that was still on its way has overtaken it.

    An overtaken raise stands in the ledger and is not withdrawn: it is returned and marked as unsupported, people decide.
    """
    for check, state in track.conditions():
        if check.condition.id == record.condition:
            changed = copy.copy(state)
            if record.event == "returned":
                _clear(track, changed, record)
            elif not _raise(check, track.held(), changed, record):
                return _overtaken(track, record)
            track.put(record.condition, changed)
            return []
    return [] if record.event == "returned" else _overtaken(track, record)  # its rule went out of force meanwhile


def adopt(track: SignalTrack, record: WrittenEvent) -> Steps:
    """Let the live state go on with a late excursion that still lasts, so that its return is told like any other.

    Where the live state holds an excursion of its own meanwhile, the late one ends where that began.
    """
    for check, state in track.conditions():
        if check.condition.id != record.condition:
            continue
        if state.stage in (Stage.ACTIVE, Stage.RETURNING):
            return [] if state.t0_ns == record.t0_ns else [_ended(track, record, state.t0_ns, "returned")]
        changed = copy.copy(state)
        begin(
            changed,
            d=record.t0_ns - track.held().shift_ns,
            te_ns=record.t0_ns,
            index=record.decided if record.first is None else record.first,
        )
        changed.stage, changed.raised_ns = Stage.ACTIVE, record.raised_ns
        changed.breach_ns, changed.unknown_ns, changed.crossings = record.breach_ns, record.unknown_ns, record.crossings
        changed.extreme, changed.extreme_ns = record.extreme, record.extreme_ns
        changed.excess = Decimal(repr(record.degree_minutes or 0.0)) * MINUTE_NS
        changed.doubt(("late",))
        track.put(record.condition, changed)
        return []
    return [_ended(track, record, max(record.t0_ns, track.last.te_ns), "returned")]  # its rule went out of force


def _raise(check: Check, held: Held, state: ConditionState, record: WrittenEvent) -> bool:
    """Make the breach an excursion; return False when there is no such breach any more."""
    stale_d = held.arrived_d + held.stale_ns
    if state.stage is Stage.IDLE and check.condition.evaluate == "no_data" and stale_d + held.shift_ns == record.t0_ns:
        begin(state, d=stale_d, te_ns=record.t0_ns, index=record.decided)
    if state.stage is Stage.IDLE or state.t0_ns != record.t0_ns:
        return False
    if state.stage is Stage.PENDING:
        state.stage, state.raised_ns = Stage.ACTIVE, record.raised_ns
    return True


def _clear(track: SignalTrack, state: ConditionState, record: WrittenEvent) -> None:
    """End the excursion; if the limit broke again meanwhile, that is the onset of the next one."""
    if state.stage is Stage.IDLE or state.t0_ns != record.t0_ns:
        return
    broken_again = state.stage is Stage.ACTIVE
    held = track.held()
    state.rest()
    if broken_again:
        begin(state, d=track.last_d, te_ns=track.last.te_ns, index=track.last.index)
        state.extreme, state.extreme_ns = held.value, track.last.te_ns


def _overtaken(track: SignalTrack, record: WrittenEvent) -> Steps:
    ended_ns = max(record.t0_ns, track.last.te_ns)
    return [_ended(track, record, ended_ns, "returned"), _ended(track, record, ended_ns, "revised", supported=False)]


def _ended(
    track: SignalTrack, record: WrittenEvent, ended_ns: int, event: Happening, *, supported: bool | None = None
) -> ExcursionEvent:
    return ExcursionEvent(
        event=event,
        condition=record.condition,
        signal=record.signal,
        class_=record.class_,
        level=record.level,
        rule=record.rule,
        t0_ns=record.t0_ns,
        decided=record.index,
        raised_ns=record.raised_ns,
        t1_ns=ended_ns,
        cleared_ns=ended_ns,
        first=track.last.index,
        last=track.last.index,
        doubts=("late",),
        supported=supported,
        test=record.test,
    )
