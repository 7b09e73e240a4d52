"""Telling what happened: events of one breach, and short breaches gathered to one event a minute."""

from __future__ import annotations

import copy
from decimal import Decimal

from gateway.domain.check import Check
from gateway.domain.condition_state import EXACT, ConditionState, ShortBreaches
from gateway.domain.excursion_event import ExcursionEvent, Happening
from gateway.domain.limits import SECOND_NS

MINUTE_NS = 60 * SECOND_NS
EVENT_PAUSE_NS = MINUTE_NS
"""Crossings and short breaches are written at most once a minute, with their count."""


def describe(
    check: Check,
    state: ConditionState,
    event: Happening,
    *,
    index: int,
    at_d: int,
    cause: str | None = None,
    cleared_ns: int | None = None,
) -> ExcursionEvent:
    """Return an event of the breach that ``state`` holds, as it stands at data time ``at_d``."""
    condition = check.condition
    end_d = state.t1_d if state.t1_ns is not None else at_d
    return ExcursionEvent(
        event=event,
        condition=condition.id,
        signal=condition.signal,
        class_=condition.class_,
        level=condition.level,
        rule=condition.rule,
        rule_name=condition.rule_name,
        t0_ns=state.t0_ns,
        decided=index,
        raised_ns=state.raised_ns,
        t1_ns=state.t1_ns,
        cleared_ns=cleared_ns,
        extreme=state.extreme,
        extreme_ns=state.extreme_ns,
        breach_ns=state.breach_ns,
        unknown_ns=state.unknown_ns,
        duration_ns=end_d - state.t0_d,
        crossings=state.crossings,
        degree_minutes=degree_minutes(check, state.excess),
        first=state.first,
        last=state.last,
        doubts=state.doubts,
        cause=cause,
        ended_by=state.ended_by,
        test=condition.test,
    )


def degree_minutes(check: Check, excess: Decimal) -> float | None:
    """Return excess x minutes at 4 decimals, None for a condition that compares nothing."""
    return None if check.band is None else float(round(EXACT.divide(excess, Decimal(MINUTE_NS)), 4))


def short_is_due(state: ConditionState, d: int) -> bool:
    """Say whether short breaches wait and may be told again."""
    return state.short is not None and (state.short_d is None or d - state.short_d >= EVENT_PAUSE_NS)


def add_short(check: Check, state: ConditionState, *, d: int, te_ns: int) -> None:
    """Add the breach that just ended before its on-delay to those that are to be told."""
    waiting = state.short
    if waiting is None:
        waiting = ShortBreaches(t0_ns=state.t0_ns, t1_ns=te_ns, first=state.first, last=state.last)
    short = copy.copy(waiting)
    short.t1_ns, short.last = te_ns, state.last
    short.count += 1
    short.breach_ns += state.breach_ns
    short.unknown_ns += state.unknown_ns
    short.duration_ns += d - state.t0_d
    short.excess = EXACT.add(short.excess, state.excess)
    short.doubts = tuple(sorted({*short.doubts, *state.doubts}))
    if check.further(state.extreme, short.extreme):
        short.extreme, short.extreme_ns = state.extreme, state.extreme_ns
    state.short = short


def tell_short(check: Check, state: ConditionState, *, d: int, index: int) -> ExcursionEvent:
    """Return the event of the short breaches that waited, and forget them."""
    short = state.short
    assert short is not None, "told only when short_is_due"
    state.short, state.short_d = None, d
    condition = check.condition
    return ExcursionEvent(
        event="short_breach",
        condition=condition.id,
        signal=condition.signal,
        class_=condition.class_,
        level=condition.level,
        rule=condition.rule,
        rule_name=condition.rule_name,
        t0_ns=short.t0_ns,
        decided=index,
        t1_ns=short.t1_ns,
        extreme=short.extreme,
        extreme_ns=short.extreme_ns,
        breach_ns=short.breach_ns,
        unknown_ns=short.unknown_ns,
        duration_ns=short.duration_ns,
        crossings=short.count,
        count=short.count,
        degree_minutes=degree_minutes(check, short.excess),
        first=short.first,
        last=short.last,
        doubts=short.doubts,
        test=condition.test,
    )
