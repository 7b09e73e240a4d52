"""Build limits: limit sets as the evaluator wants them, from the files that people type."""

from __future__ import annotations

from gateway.config.models.limits import DeviationBlock, LimitsFile, RuleBlock, SideBlock
from gateway.domain.limits import DeviationRule, Levels, LimitSet, Rule, Spec

JUDGED = frozenset(("each",))
"""Evaluations the evaluator knows; a rule with another is an error, never silently unjudged."""


def build_limit_set(model: LimitsFile) -> LimitSet:
    """Return one limit set; its rules have been checked."""
    return LimitSet(
        id=model.id,
        version=model.version,
        title=model.title,
        document=model.source.document,
        revision=model.source.revision,
        client=model.client,
        rules=tuple(_rule(name, rule) for name, rule in model.rules.items()),
    )


def _rule(name: str, rule: RuleBlock) -> Rule:
    assert rule.evaluate in JUDGED, "the check refuses what is not judged"
    assert rule.unit is not None, "the check demands a unit"
    return Rule(
        name=name,
        signals=tuple(rule.signals),
        unit=rule.unit,
        justification=rule.justification or "",
        deviation=_deviation(rule.deviation),
        spec=Spec(low=rule.spec.low, high=rule.spec.high) if rule.spec else Spec(),
        low=_levels(rule.low),
        high=_levels(rule.high),
        hysteresis=rule.hysteresis,
        on_delay_s=rule.on_delay_s,
        off_delay_s=rule.off_delay_s,
        delay_reason=rule.delay_reason,
        phases=tuple(rule.phases),
        when=dict(rule.when),
        latching=rule.latching,
        assess=rule.assess,
        ack_role=rule.ack_role,
        shelve_max_h=rule.shelve_max_h,
    )


def _levels(block: SideBlock | None) -> Levels:
    return Levels() if block is None else Levels(alert=block.alert, action=block.action, critical=block.critical)


def _deviation(block: DeviationBlock) -> DeviationRule:
    return DeviationRule(
        sink=block.sink,
        severity=block.severity,
        when=block.when,
        from_=block.from_,
        class_=block.class_,
        group=block.group,
        reopen_s=block.reopen_s,
        ended_hold_s=block.ended_hold_s,
    )
