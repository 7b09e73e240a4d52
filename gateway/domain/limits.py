"""Limit sets, rules and the conditions they make: one condition is one check of one signal, level and side.

The file form is `limits/1` of `profiles.md`; what the keys mean stands in `excursions.md` 2. Limits are exact decimals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Literal

from msgspec import Struct

Level = Literal["alert", "action", "critical"]
Side = Literal["low", "high"]
Evaluate = Literal["each", "no_data", "bad_quality", "flag"]
"""Evaluations built so far: ``each`` judges values; the others are data conditions with the same machine."""

LEVELS: tuple[Level, ...] = ("alert", "action", "critical")
SECOND_NS = 1_000_000_000


class Levels(Struct, frozen=True, kw_only=True):
    """Limits of one side, in the rule's unit; None where the rule sets none."""

    alert: Decimal | None = None
    action: Decimal | None = None
    critical: Decimal | None = None

    def of(self, level: Level) -> Decimal | None:
        """Return the limit of one level."""
        return {"alert": self.alert, "action": self.action, "critical": self.critical}[level]


class Spec(Struct, frozen=True, kw_only=True):
    """Specification beside the limits; shown and linted, never judged."""

    low: Decimal | None = None
    high: Decimal | None = None


class DeviationRule(Struct, frozen=True, kw_only=True, rename={"from_": "from", "class_": "class"}):
    """What a broken rule sends, where and how it joins (`deviations.md` 1)."""

    sink: str
    severity: Literal["minor", "major", "critical"] = "major"
    when: Literal["always", "batch"] = "always"
    from_: Literal["alert", "action"] = "action"
    class_: str | None = None
    group: Literal["none", "equipment"] = "none"
    reopen_s: int = 3600
    ended_hold_s: int = 300


class Rule(Struct, frozen=True, kw_only=True):
    """One rule of a limit set. ``phases`` and ``when`` empty mean always; delays in seconds of data time."""

    name: str
    signals: tuple[str, ...]
    unit: str
    justification: str
    deviation: DeviationRule
    spec: Spec = Spec()
    low: Levels = Levels()
    high: Levels = Levels()
    hysteresis: Decimal = Decimal(0)
    on_delay_s: int = 0
    off_delay_s: int = 0
    delay_reason: str | None = None
    phases: tuple[str, ...] = ()
    when: Mapping[str, str] = {}
    latching: bool | None = None
    assess: bool = False
    ack_role: str | None = None
    shelve_max_h: int = 0
    evaluate: Literal["each"] = "each"


class LimitSet(Struct, frozen=True, kw_only=True):
    """A versioned, approved set of rules; ``client`` makes its conditions visible to that client and the site alone."""

    id: str
    version: int
    title: str
    document: str
    revision: str
    rules: tuple[Rule, ...]
    client: str | None = None

    @property
    def name(self) -> str:
        """Return ``ID@VERSION``, as records name the rule in force."""
        return f"{self.id}@{self.version}"


class Condition(Struct, frozen=True, kw_only=True, rename={"class_": "class"}):
    """One check: ``FRZ-01/temp:high.action``. ``limit`` is None for data conditions; delays are ns of data time.

    ``rule`` names the limit set (``ID@VERSION``), ``rule_name`` the rule in it: phases and states choose between rules of one set.
    """

    id: str
    signal: str
    level: Level
    evaluate: Evaluate = "each"
    class_: Literal["process", "data", "system"] = "process"
    side: Side = "high"
    limit: Decimal | None = None
    hysteresis: Decimal = Decimal(0)
    on_delay_ns: int = 0
    off_delay_ns: int = 0
    rule: str | None = None
    rule_name: str | None = None
    test: bool = False

    @property
    def back(self) -> Decimal:
        """Return the value at which a breach is over: limit less hysteresis (high), limit plus hysteresis (low)."""
        assert self.limit is not None
        return self.limit - self.hysteresis if self.side == "high" else self.limit + self.hysteresis


def rule_conditions(limit_set: LimitSet, rule: Rule) -> Iterator[Condition]:
    """Yield the conditions of one rule, signal by signal, low side first, alert before action before critical."""
    tail = f"@{limit_set.id}" if limit_set.client else ""
    sides: tuple[tuple[Side, Levels], ...] = (("low", rule.low), ("high", rule.high))
    for signal in rule.signals:
        for side, levels in sides:
            for level in LEVELS:
                limit = levels.of(level)
                if limit is None:
                    continue
                yield Condition(
                    id=f"{signal}:{side}.{level}{tail}",
                    signal=signal,
                    level=level,
                    side=side,
                    limit=limit,
                    hysteresis=rule.hysteresis,
                    on_delay_ns=rule.on_delay_s * SECOND_NS,
                    off_delay_ns=rule.off_delay_s * SECOND_NS,
                    rule=limit_set.name,
                    rule_name=rule.name,
                    test=signal.endswith("~test"),
                )


def rule_applies(rule: Rule, *, phase: str | None, states: Mapping[str, str | None]) -> bool:
    """Say whether a rule is in force for a phase and the states of its ``when`` signals.

    ``phase`` None: no phase known; a state that is None or missing is unknown, and then every candidate rule is in force.
    """
    if rule.phases and phase is not None and phase not in rule.phases:
        return False
    return all(states.get(signal) in (wanted, None) for signal, wanted in rule.when.items())
