"""What a change of rules does to one condition: it comes into force, goes on under another rule, or ends (`excursions.md` 3).

A limit change acts forward only; at the change the value in force is compared anew.
"""

from __future__ import annotations

from gateway.domain.check import Arrival, Check
from gateway.domain.condition_state import ConditionState, Stage
from gateway.domain.evaluation import Held, Steps, step
from gateway.domain.happening import add_short, describe, tell_short


def enter(check: Check, held: Held, arrival: Arrival) -> tuple[ConditionState, Steps]:
    """A condition comes into force: only a limit has something to compare, and only a known value."""
    if check.band is None or arrival.value is None:
        return ConditionState(), []
    return step(check, ConditionState(), held, arrival)


def carry_over(
    check: Check, old: tuple[Check, ConditionState], held: Held, arrival: Arrival
) -> tuple[ConditionState, Steps]:
    """The condition goes on under another rule: a running excursion says so, and the value in force is compared anew."""
    was, state = old
    events: Steps = []
    if was.condition == check.condition:
        return state, events
    if state.stage in (Stage.ACTIVE, Stage.RETURNING) and was.condition.rule != check.condition.rule:
        events.append(describe(check, state, "rule_changed", index=arrival.index, at_d=arrival.d))
    if check.band is None or arrival.value is None:
        return state, events
    state, told = step(check, state, held, arrival)
    return state, events + told


def end(check: Check, state: ConditionState, arrival: Arrival) -> Steps:
    """A condition is no longer in force: what it holds ends here, at once."""
    if state.stage is Stage.PENDING and check.band is not None:
        add_short(check, state, d=arrival.d, te_ns=arrival.te_ns)
    if state.stage in (Stage.ACTIVE, Stage.RETURNING):
        if state.t1_ns is None:
            state.t1_d, state.t1_ns, state.ended_by = arrival.d, arrival.te_ns, arrival.ended_by
        return [
            describe(check, state, "returned", index=arrival.index, at_d=arrival.d, cleared_ns=arrival.te_ns),
        ]
    if state.short is not None:
        return [tell_short(check, state, d=arrival.d, index=arrival.index)]
    return []
