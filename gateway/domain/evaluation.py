"""The evaluation of one condition: advance, integrate, compare, advance (`excursions.md` 3). Pure: state in, state out.

    advance(te)   the old value held to te: pending at least on_delay -> raise at t0 + on_delay
                                            back at least off_delay   -> clear at t1 + off_delay
    integrate     breach, unknown, excess x s over [previous te, te)
    compare       between limit and return value the answer stays
    advance(te)   again, for delays of 0

Unknown time starts no limit excursion and ends none (a running off-delay waits for the next value), stops no on-delay.
"""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import NamedTuple

from gateway.domain.band import Number, Verdict
from gateway.domain.check import Arrival, Check
from gateway.domain.condition_state import EXACT, ConditionState, Stage
from gateway.domain.excursion_event import ExcursionEvent
from gateway.domain.happening import EVENT_PAUSE_NS, add_short, describe, short_is_due, tell_short

Steps = list[ExcursionEvent]


class Held(NamedTuple):
    """The value in force from data time ``from_d``: known until ``known_d``, unknown after it because of ``cause``.

    ``shift_ns`` turns data time into effective time (effective = data + shift). ``arrived_d`` is when anything last
    arrived on the signal, ``stale_ns`` how long a value stays in force.
    """

    from_d: int
    known_d: int
    arrived_d: int
    stale_ns: int
    shift_ns: int
    value: Number | None
    cause: str


def step(check: Check, state: ConditionState, held: Held, arrival: Arrival) -> tuple[ConditionState, Steps]:
    """Fold one arrival into the state of one condition; the given state is left as it was."""
    verdict = check.verdict(arrival)
    in_time = check.condition.evaluate != "no_data" or arrival.d <= held.arrived_d + held.stale_ns
    if state.quiet and verdict is not Verdict.BREACH and in_time:
        return state, []
    state = copy.copy(state)
    state.doubt(arrival.time_doubts)
    events = _advance(check, state, held, arrival.d, arrival.index, None)
    if short_is_due(state, arrival.d):
        events.append(tell_short(check, state, d=arrival.d, index=arrival.index))
    state.doubt(arrival.doubts)
    events += _compare(check, state, arrival, verdict)
    after = Held(arrival.d, arrival.d, arrival.d, held.stale_ns, arrival.te_ns - arrival.d, arrival.value, held.cause)
    if verdict is Verdict.UNKNOWN:
        after = after._replace(known_d=arrival.d - 1)
    return state, events + _advance(check, state, after, arrival.d, arrival.index, None)


def advance(
    check: Check, state: ConditionState, held: Held, to_d: int, index: int, cause: str | None = None
) -> tuple[ConditionState, Steps]:
    """Let time pass to ``to_d`` without a reading; ``cause`` is ``timer`` when the clock decided."""
    state = copy.copy(state)
    return state, _advance(check, state, held, to_d, index, cause)


def due_d(check: Check, state: ConditionState, held: Held) -> int | None:
    """Return the data time at which something changes if nothing arrives, None if nothing will."""
    condition = check.condition
    if state.stage is Stage.PENDING:
        return state.t0_d + condition.on_delay_ns
    if state.stage is Stage.RETURNING:
        clear = _clear_d(check, state, held)
        silent = (
            condition.evaluate == "no_data" and held.arrived_d + held.stale_ns < state.t1_d + condition.off_delay_ns
        )
        return None if silent else clear
    if state.stage is Stage.IDLE and condition.evaluate == "no_data":
        return held.arrived_d + held.stale_ns + condition.on_delay_ns
    return None


def begin(state: ConditionState, *, d: int, te_ns: int, index: int) -> None:
    """Start a breach: the onset is here, whatever the delay."""
    state.stage = Stage.PENDING
    state.t0_d, state.t0_ns = d, te_ns
    state.crossings = 1
    state.first = state.last = index


def _advance(check: Check, state: ConditionState, held: Held, to_d: int, index: int, cause: str | None) -> Steps:
    events: Steps = []
    at = held.from_d
    condition = check.condition
    if condition.evaluate == "no_data" and to_d > (stale_d := held.arrived_d + held.stale_ns):
        _fall_silent(check, state, d=stale_d, te_ns=stale_d + held.shift_ns, index=index)
    if state.stage is Stage.PENDING and (due := state.t0_d + condition.on_delay_ns) <= to_d:
        # a rule that came into force late may find its delay already over: it speaks now, not in the past
        due = max(due, at)
        _integrate(check, state, held, at, due)
        at = due
        state.stage = Stage.ACTIVE
        state.raised_ns = due + held.shift_ns
        events.append(describe(check, state, "raised", index=index, at_d=due, cause=cause))
    elif state.stage is Stage.RETURNING and (clear := _clear_d(check, state, held)) is not None and clear <= to_d:
        cleared_ns = clear + held.shift_ns
        events.append(
            describe(check, state, "returned", index=index, at_d=clear, cause=cause, cleared_ns=cleared_ns),
        )
        state.rest()
    _integrate(check, state, held, at, to_d)
    return events


def _fall_silent(check: Check, state: ConditionState, *, d: int, te_ns: int, index: int) -> None:
    """A signal says nothing any more: missing data begins, or had not ended yet when it began again."""
    if state.stage is Stage.IDLE:
        begin(state, d=d, te_ns=te_ns, index=index)
    elif state.stage is Stage.RETURNING and d < state.t1_d + check.condition.off_delay_ns:
        state.stage = Stage.ACTIVE
        state.t1_d, state.t1_ns, state.ended_by = 0, None, None
        state.crossings += 1


def _clear_d(check: Check, state: ConditionState, held: Held) -> int | None:
    """Return when the off-delay is over: never inside unknown time, so it may wait for the next value."""
    clear = max(state.t1_d + check.condition.off_delay_ns, held.from_d)
    return clear if check.band is None or clear <= held.known_d else None


def _integrate(check: Check, state: ConditionState, held: Held, from_d: int, to_d: int) -> None:
    """Add what [from_d, to_d) held: breach and excess while strictly beyond, unknown after the value ran out."""
    if state.stage is Stage.IDLE or to_d <= from_d:
        return
    if check.band is None:
        if state.stage is not Stage.RETURNING:
            state.breach_ns += max(0, to_d - max(from_d, state.t0_d))
        return
    known = max(0, min(to_d, held.known_d) - from_d)
    unknown = to_d - from_d - known
    if known and held.value is not None:
        beyond = check.band.excess(held.value)
        if beyond > 0:
            state.breach_ns += known
            state.excess = EXACT.add(state.excess, EXACT.multiply(beyond, Decimal(known)))
    if unknown:
        if state.stage is Stage.RETURNING:
            state.unknown_back_ns += unknown
        else:
            state.unknown_ns += unknown
        state.doubt((held.cause,))


def _compare(check: Check, state: ConditionState, arrival: Arrival, verdict: Verdict) -> Steps:
    events: Steps = []
    if verdict is Verdict.BREACH:
        events += _to_breached(check, state, arrival)
        _note_extreme(check, state, arrival)
    elif verdict is Verdict.BACK:
        events += _to_back(check, state, arrival)
    if state.stage in (Stage.PENDING, Stage.ACTIVE):
        state.last = max(state.last, arrival.index)
    state.doubt(arrival.doubts)
    return events


def _to_breached(check: Check, state: ConditionState, arrival: Arrival) -> Steps:
    if state.stage is Stage.IDLE:
        begin(state, d=arrival.d, te_ns=arrival.te_ns, index=arrival.index)
        return []
    if state.stage is not Stage.RETURNING:
        return []
    state.stage = Stage.ACTIVE
    state.t1_d, state.t1_ns, state.ended_by = 0, None, None
    state.unknown_ns += state.unknown_back_ns
    state.unknown_back_ns = 0
    state.crossings += 1
    if state.crossing_d is not None and arrival.d - state.crossing_d < EVENT_PAUSE_NS:
        return []
    state.crossing_d = arrival.d
    return [describe(check, state, "crossing", index=arrival.index, at_d=arrival.d)]


def _to_back(check: Check, state: ConditionState, arrival: Arrival) -> Steps:
    # an in-order reading may arrive after silence was told: an interval never ends before it began
    d, te_ns = max(arrival.d, state.t0_d), arrival.te_ns
    if arrival.d < state.t0_d:
        te_ns = state.t0_ns
    if state.stage is Stage.ACTIVE:
        state.stage = Stage.RETURNING
        state.t1_d, state.t1_ns, state.ended_by = d, te_ns, arrival.ended_by
        return []
    if state.stage is not Stage.PENDING:
        return []
    if check.band is None:  # missing data is told by gaps and by its own alert level, not as a short breach
        state.rest()
        return []
    add_short(check, state, d=d, te_ns=te_ns)
    state.rest()
    return [tell_short(check, state, d=d, index=arrival.index)] if short_is_due(state, d) else []


def _note_extreme(check: Check, state: ConditionState, arrival: Arrival) -> None:
    if check.further(arrival.value, state.extreme):
        state.extreme, state.extreme_ns = arrival.value, arrival.te_ns
