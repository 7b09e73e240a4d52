"""Limit rules: order, bands, delays, units, overlaps, coverage (LIM-01 to LIM-08, UNT-01, UNT-03).

What single evaluations need stands in `evaluations.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import combinations, pairwise

from gateway.config.findings import Severity, finding
from gateway.config.models.limits import RuleBlock, SideBlock
from gateway.config.points import Point
from gateway.config.project import LimitsAt, Project
from gateway.config.rules.evaluations import check_evaluation
from gateway.config.rules.mapping import unknown_unit
from gateway.config.yaml_file import Path, dotted

_SAYS_NOTHING = frozenset(
    ("todo", "tbd", "tbc", "n/a", "na", "none", "-", "x", "xxx", "justification", "see above", "ok")
)
_WORDS_MIN = 8
_SLOWEST_S = 600
_PHI_MAX = Decimal("0.3")


class RuleAt:
    """One rule under check, with the place of its keys."""

    def __init__(self, project: Project, at: LimitsAt, name: str, rule: RuleBlock) -> None:
        self.project, self.at, self.name, self.rule = project, at, name, rule
        self.path: Path = ("rules", name)

    def add(
        self, id_: str, path: Path, message: str, *, severity: Severity = "error", suggestion: str | None = None
    ) -> None:
        """Add a finding at a key below the rule; at the rule's name where that key is not written."""
        whole = (*self.path, *path)
        file = self.at.file
        place = (file.values.get(whole) if path else None) or file.key_place(self.path)
        self.project.add(finding(id_, place, dotted(whole), message, severity=severity, suggestion=suggestion))


def check_limits(project: Project, found: list[Point]) -> None:
    """Run the family."""
    by_id = {point.id: point for point in found}
    rules = [RuleAt(project, at, name, rule) for at in project.limits for name, rule in at.model.rules.items()]
    for rule in rules:
        _order(rule)
        _reasons(rule)
        _band(rule)
        _unit(rule, by_id)
        _signals(rule, by_id)
        check_evaluation(rule, by_id)
    for one, other in combinations(rules, 2):
        _overlap(one, other)
    _coverage(project, found, rules)
    for at in project.limits:
        _baselines(project, at)


def _levels(rule: RuleBlock) -> Iterator[tuple[Path, Decimal]]:
    """Yield the limits that are set, upwards: spec, critical, action, alert, then alert, action, critical, spec."""
    low, high = rule.low or SideBlock(), rule.high or SideBlock()
    spec_low = rule.spec.low if rule.spec else None
    spec_high = rule.spec.high if rule.spec else None
    rows: tuple[tuple[Path, Decimal | None], ...] = (
        (("spec", "low"), spec_low),
        (("low", "critical"), low.critical),
        (("low", "action"), low.action),
        (("low", "alert"), low.alert),
        (("high", "alert"), high.alert),
        (("high", "action"), high.action),
        (("high", "critical"), high.critical),
        (("spec", "high"), spec_high),
    )
    return ((path, value) for path, value in rows if value is not None)


def _name(path: Path) -> str:
    return " ".join(str(part) for part in path)


def _order(at: RuleAt) -> None:
    for (a, x), (b, y) in pairwise(_levels(at.rule)):
        if x > y:
            at.add("LIM-01", a, f"{_name(a)} ({x}) must not be above {_name(b)} ({y})")


def _reasons(at: RuleAt) -> None:
    text = (at.rule.justification or "").strip()
    if len(text) < _WORDS_MIN or text.casefold().rstrip(".") in _SAYS_NOTHING:
        at.add("LIM-02", ("justification",), "justification missing or says nothing")
    if (at.rule.on_delay_s or at.rule.off_delay_s) and at.rule.delay_reason is None:
        key = "on_delay_s" if at.rule.on_delay_s else "off_delay_s"
        at.add("LIM-03", (key,), "a delay needs delay_reason")


def _band(at: RuleAt) -> None:
    """Innermost limits and their return bands leave room for a value that is back on both sides."""
    inner = [(path, value) for path, value in _levels(at.rule) if path[0] != "spec"]
    low = [item for item in inner if item[0][0] == "low"][-1:]
    high = [item for item in inner if item[0][0] == "high"][:1]
    if low and high and at.rule.hysteresis and low[0][1] + at.rule.hysteresis >= high[0][1] - at.rule.hysteresis:
        a, b = _name(low[0][0]), _name(high[0][0])
        at.add("LIM-04", ("hysteresis",), f"hysteresis {at.rule.hysteresis} leaves no band between {a} and {b}")


def _unit(at: RuleAt, by_id: dict[str, Point]) -> None:
    unit = at.rule.unit
    if unit is None:
        if at.rule.evaluate != "open":
            at.add("SCH-02", ("unit",), "missing key 'unit': unit of the limits, typed again on purpose")
        return
    problem = unknown_unit(unit)
    if problem is not None:
        at.add("UNT-01", ("unit",), problem[0], suggestion=problem[1])
        return
    for signal in at.rule.signals:
        point = by_id.get(signal)
        if point is not None and point.unit != unit:
            at.add("UNT-03", ("unit",), f"limit in {unit}, {signal} recorded in {point.unit or 'no unit'}")


def _signals(at: RuleAt, by_id: dict[str, Point]) -> None:
    for index, signal in enumerate(at.rule.signals):
        point = by_id.get(signal)
        if point is None:
            continue
        _in_instrument_range(at, point)
        expected = point.block.acquire.expected_s
        if expected > _SLOWEST_S:
            at.add(
                "LIM-08", ("signals", index), f"one reading per {expected} s: fewer than 6 an hour", severity="warning"
            )
        elif at.rule.on_delay_s and expected > at.rule.on_delay_s:
            at.add(
                "LIM-08",
                ("signals", index),
                f"one reading per {expected} s: slower than on_delay_s",
                severity="warning",
            )


def _in_instrument_range(at: RuleAt, point: Point) -> None:
    ends = point.block.quality.instrument_range
    if ends is None or at.rule.evaluate not in {"each", "mean", "n_of_m", "cumulative", "degree_minutes", "mkt"}:
        return
    for path, value in _levels(at.rule):
        if path[0] != "spec" and not ends[0] <= value <= ends[1]:
            at.add("LIM-05", path, f"{value} is outside the instrument range")


def _overlap(one: RuleAt, other: RuleAt) -> None:
    """One rule per signal, evaluation, level and side at a time; sets of different clients do not meet."""
    if one.at.model.client != other.at.model.client or one.rule.evaluate != other.rule.evaluate:
        return
    phases = _common_phases(one.rule, other.rule)
    excluded = any(other.rule.when.get(signal, state) != state for signal, state in one.rule.when.items())
    if phases is None or excluded:
        return
    levels = _set_levels(one.rule) & _set_levels(other.rule)
    for signal in dict.fromkeys(one.rule.signals):
        for side, level in sorted(levels) if signal in other.rule.signals else ():
            a, b = f"{one.at.model.id}.{one.name}", f"{other.at.model.id}.{other.name}"
            what = f"{side} {level}".strip()
            message = f"{a} and {b} both set {what} of {one.rule.evaluate} for {signal} in {phases}"
            other.add("LIM-06", (side, level) if side else (), message)


def _set_levels(rule: RuleBlock) -> set[tuple[str, str]]:
    if rule.evaluate in {"rate", "flatline", "open"}:
        return {("", rule.level or "action")}
    return {(str(path[0]), str(path[1])) for path, _value in _levels(rule) if path[0] != "spec"}


def _common_phases(one: RuleBlock, other: RuleBlock) -> str | None:
    """Return the phases in which both apply, in words; None if there is none."""
    if not one.phases and not other.phases:
        return "every phase"
    if not one.phases or not other.phases:
        return ", ".join(one.phases or other.phases)
    return ", ".join(phase for phase in one.phases if phase in other.phases) or None


def _baselines(project: Project, at: LimitsAt) -> None:
    """Raw charts of a signal that hangs on its last value mislead (LIM-26)."""
    for name, baseline in at.model.baselines.items():
        if abs(baseline.phi) > _PHI_MAX:
            path: Path = ("baselines", name, "phi")
            message = f"baseline of {baseline.signal} has phi {baseline.phi}: use residuals"
            project.add(finding("LIM-26", at.file.place(path), dotted(path), message, severity="warning"))


def _coverage(project: Project, found: list[Point], rules: list[RuleAt]) -> None:
    limited = {signal for rule in rules for signal in rule.rule.signals}
    file = project.files.get("config/plant.yaml")
    for point in found:
        if point.block.use.criticality == "critical" and point.id not in limited and file is not None:
            message = f"critical signal {point.id} has no limits"
            place = file.key_place(point.plant_path)
            project.add(finding("LIM-07", place, dotted(point.plant_path), message, severity="warning"))
