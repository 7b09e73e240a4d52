"""Rulebook: which conditions judge which signal under one configuration, for a phase and the states of its `when` signals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec.structs import replace

from gateway.domain.anchor_conditions import timestamp_conditions, witness_conditions
from gateway.domain.data_conditions import signal_conditions, source_conditions
from gateway.domain.limits import Condition, LimitSet, Rule, rule_applies, rule_conditions
from gateway.domain.plan import Plan
from gateway.domain.signal_track import NEVER_NS, SignalWatch
from gateway.domain.system_conditions import system_watches
from gateway.ledger.records import Excursion

Phase = Callable[[str], str | None]
"""Node → phase path in force there, None when none is known."""


class Rulebook:
    """The rules of one configuration epoch; frozen once made."""

    def __init__(self, plan: Plan, limit_sets: Sequence[LimitSet]) -> None:
        self.plan = plan
        self._by_signal: dict[str, list[tuple[Rule, tuple[Condition, ...]]]] = {}
        self._rules: dict[tuple[str, str], dict[str, tuple[LimitSet, Rule]]] = {}
        self.state_signals: dict[str, set[str]] = {}
        self.phased: set[str] = set()
        for limit_set in limit_sets:
            for rule in limit_set.rules:
                self._take(limit_set, rule)

    def rule_of(self, condition: str, set_name: str | None, rule_name: str | None) -> tuple[LimitSet, Rule] | None:
        """Return the rule behind a condition of one limit set (``ID@VERSION``), None for data and system conditions.

        Phases and states choose between several rules of a set for one condition: ``rule_name`` says which it was.
        """
        rules = {} if set_name is None else self._rules.get((condition, set_name), {})
        return rules.get(rule_name or "", next(iter(rules.values()), None))

    def rule_behind(self, record: Excursion) -> tuple[LimitSet, Rule] | None:
        """Return the rule that an excursion record names, None if it names none of these."""
        name = record.facts.get("rule_name") if isinstance(record.facts, dict) else None
        return self.rule_of(record.condition, record.rule if isinstance(record.rule, str) else None, name)

    def watches(self, phase: Phase, states: Mapping[str, str | None]) -> Iterable[SignalWatch]:
        """Yield what to judge on each signal, on each source and on ourselves."""
        for signal in self.plan.signals:
            yield self.watch(signal, phase, states)
        for source in sorted({signal.source for signal in self.plan.signals.values()}):
            yield _flag_watch(source_conditions(source))
        if self.plan.witnessed:
            yield _flag_watch(witness_conditions())
        if self.plan.stamp_every_ns is not None:
            yield _flag_watch(timestamp_conditions(self.plan.stamp_every_ns))
        yield from system_watches()

    def watch(self, signal: str, phase: Phase, states: Mapping[str, str | None]) -> SignalWatch:
        """Return what to judge on one signal now."""
        plan = self.plan.signals[signal]
        chosen: dict[str, Condition] = {}
        for rule, made in self._by_signal.get(signal, ()):
            if rule_applies(rule, phase=phase(plan.node) if rule.phases else None, states=states):
                for condition in made:
                    rival = chosen.get(condition.id)
                    chosen[condition.id] = condition if rival is None else _strictest(rival, condition)
        data = signal_conditions(signal, expected_ns=plan.expected_ns, stale_ns=plan.stale_ns)
        return SignalWatch(signal=signal, stale_ns=plan.stale_ns, conditions=(*chosen.values(), *data))

    def _take(self, limit_set: LimitSet, rule: Rule) -> None:
        made: dict[str, list[Condition]] = {}
        for condition in rule_conditions(limit_set, rule):
            self._rules.setdefault((condition.id, limit_set.name), {})[rule.name] = (limit_set, rule)
            made.setdefault(condition.signal, []).append(condition)
        for signal in rule.signals:
            self._by_signal.setdefault(signal, []).append((rule, tuple(made.get(signal, ()))))
            if rule.phases:
                self.phased.add(signal)
            for state in rule.when:
                self.state_signals.setdefault(state, set()).add(signal)


def _flag_watch(conditions: tuple[Condition, ...]) -> SignalWatch:
    return SignalWatch(signal=conditions[0].signal, stale_ns=NEVER_NS, conditions=conditions)


def _strictest(one: Condition, other: Condition) -> Condition:
    """Return what judges where phase or state are unknown and two rules make one condition: a condition has one state.

    The tighter limit with the shorter on-delay and the longer off-delay: no candidate would have spoken earlier.
    """
    first, second = one.limit, other.limit
    assert first is not None, "a rule's condition has a limit"
    assert second is not None, "a rule's condition has a limit"
    tighter = other if (second < first if one.side == "high" else second > first) else one
    return replace(
        tighter,
        on_delay_ns=min(one.on_delay_ns, other.on_delay_ns),
        off_delay_ns=max(one.off_delay_ns, other.off_delay_ns),
    )
