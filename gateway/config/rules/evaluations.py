"""Evaluation rules: what each way of judging needs and forbids (LIM-20 to LIM-28, `excursions.md` 2 and 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.config.build_limits import JUDGED
from gateway.config.points import Point

if TYPE_CHECKING:
    from gateway.config.rules.limits import RuleAt

_CRITICAL_DELAY_S_MAX = 60
_M_MAX = 64
_DOOR_CAP_S_MAX = 3600
_NEEDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "each": (("low", "high"),),
    "mean": (("low", "high"), ("window_s",)),
    "rate": (("rate_per_min",),),
    "flatline": (("epsilon",),),
    "n_of_m": (("low", "high"), ("n",), ("m",), ("max_age_s",)),
    "cumulative": (("low", "high"), ("budget_s",), ("window_s", "per")),
    "degree_minutes": (("low", "high"), ("budget",), ("window_s", "per")),
    "mkt": (("high",), ("window_h",)),
    "open": (("open_max_s",),),
}
"""Evaluation -> groups of keys of which one must be there."""


def check_evaluation(at: RuleAt, by_id: dict[str, Point]) -> None:
    """Run the family on one rule."""
    rule = at.rule
    if rule.evaluate not in JUDGED:
        at.add(
            "SCH-03", ("evaluate",), f"'{rule.evaluate}' is not {', '.join(sorted(JUDGED))}: not judged by this version"
        )
    for group in _NEEDS[rule.evaluate]:
        if all(getattr(rule, key) is None for key in group):
            at.add("LIM-20", (), f"{at.name}: {rule.evaluate} needs {' or '.join(group)}")
    _delays(at)
    _door(at)
    if rule.evaluate == "n_of_m":
        _counts(at)
    if rule.evaluate == "mkt":
        _frozen(at)
    if rule.evaluate == "flatline":
        _reports_on_change(at, by_id)


def _counts(at: RuleAt) -> None:
    n, m = at.rule.n, at.rule.m
    if n is not None and m is not None and not 1 <= n <= m <= _M_MAX:
        at.add("LIM-24", ("n",), f"n {n} must be 1..m, m 1..64")


def _frozen(at: RuleAt) -> None:
    high = at.rule.high
    limits = () if high is None else (high.alert, high.action, high.critical)
    highest = max((limit for limit in limits if limit is not None), default=None)
    if highest is not None and highest < 0 and at.rule.unit == "Cel":
        at.add("LIM-21", ("evaluate",), f"mkt is not defined for frozen storage (high {highest} Cel)")


def _reports_on_change(at: RuleAt, by_id: dict[str, Point]) -> None:
    for index, signal in enumerate(at.rule.signals):
        point = by_id.get(signal)
        if point is not None and point.block.use.record == "on_change":
            message = f"flatline on {signal}: source reports on change, the rule would fire by design"
            at.add("LIM-27", ("signals", index), message, severity="warning")


def _delays(at: RuleAt) -> None:
    rule = at.rule
    sides = [side for side in (rule.low, rule.high) if side is not None]
    critical = any(side.critical is not None for side in sides) or rule.level == "critical"
    if critical and rule.on_delay_s > _CRITICAL_DELAY_S_MAX:
        at.add("LIM-22", ("on_delay_s",), f"critical on_delay_s {rule.on_delay_s} exceeds 60")
    if rule.assess and (rule.on_delay_s or rule.off_delay_s) and "CCS" not in (rule.delay_reason or ""):
        message = f"{at.name}: a delay on a critical pressure difference must name the CCS"
        at.add("LIM-28", ("delay_reason",), message)


def _door(at: RuleAt) -> None:
    rule = at.rule
    cap = rule.door_cap_s
    capped = cap is None or rule.on_delay_s <= cap <= _DOOR_CAP_S_MAX
    if not capped or (rule.door_recovery_s is not None and rule.door_reference is None):
        shown = "none" if cap is None else cap
        message = f"door_cap_s {shown} must lie between on_delay_s and 3600; door_recovery_s needs door_reference"
        at.add("LIM-23", ("door_cap_s",) if not capped else ("door_recovery_s",), message)
