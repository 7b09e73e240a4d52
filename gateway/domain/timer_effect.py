"""What our own timer's record changes when it comes back through the ledger (`excursions.md` 3, timers, rebuild)."""

from __future__ import annotations

import copy

from msgspec import Struct

from gateway.domain.check import Check
from gateway.domain.condition_state import ConditionState, Stage
from gateway.domain.evaluation import Held, Steps, begin
from gateway.domain.excursion_event import EventKey, ExcursionEvent, Happening, event_key
from gateway.domain.signal_track import SignalTrack

TIMER = "timer"


class WrittenEvent(Struct, frozen=True, kw_only=True, rename={"class_": "class"}):
    """What the fold needs of one of our own `excursion` records. ``cause`` ``timer``: silence decided it."""

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
    happenings: tuple[Happening, ...] = ("returned", "revised")
    ended_ns = max(record.t0_ns, track.last.te_ns)
    return [
        ExcursionEvent(
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
            supported=False if event == "revised" else None,
            test=record.test,
        )
        for event in happenings
    ]
