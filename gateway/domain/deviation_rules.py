"""What raises a deviation, as which event class, with which proposed severity (`deviations.md` 1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from gateway.domain.limits import DeviationRule, Level, Side

Severity = Literal["minor", "major", "critical"]
RaisingRule = Literal["DR-1", "DR-2", "DR-3", "DR-4", "DR-5"]

SEVERITIES: tuple[Severity, ...] = ("minor", "major", "critical")
SUMMING = frozenset({"cumulative", "degree_minutes", "mkt", "n_of_m"})
DATA = frozenset({"no_data", "comm_lost", "bad_quality", "sensor_fault", "gap", "source_changed"})
COMPUTER = frozenset({"clock_unsynchronised", "clock_step", "source_clock", "config_drift", "key_unusable"})
LIMITS = frozenset({"each", "mean", "rate", "flatline", "open"})

MISSING_SHARE_MAX = 0.01
"""Share of a batch whose loss makes missing data major."""

REPEATS_STEP = 3
"""Excursions of one condition in 30 days that raise the proposed severity one step."""


class ExcursionView(Struct, frozen=True, kw_only=True, rename={"class_": "class"}):
    """An excursion as deviations see it. ``name``: the evaluation (``each``, ``no_data`` …) or system condition.

    ``group``: what one deviation serves as a whole when data is missing: the source. ``equipment``: the signal's node.
    """

    id: str
    condition: str
    name: str
    level: Level
    t0_ns: int
    signal: str | None = None
    side: Side | None = None
    equipment: str | None = None
    in_room: bool = False
    relevance: str = "none"
    critical: bool = False
    group: str | None = None
    parent: str | None = None
    test: bool = False


class BatchPresence(Struct, frozen=True):
    """A batch that was there, and whose it is."""

    batch: str
    client: str | None = None


class Surroundings(Struct, frozen=True, kw_only=True):
    """What stood around an excursion when it was raised.

    ``masked``: its notice is suppressed or out of service (shelving hides nothing from the QMS). ``missing_share``: largest
    share of a batch whose data is missing. ``required_sinks``: for data and system conditions, which have no rule.
    ``client_sinks``: clients with sinks of their own.
    """

    rule: DeviationRule | None = None
    batches: tuple[BatchPresence, ...] = ()
    masked: bool = False
    missing_share: float = 0.0
    repeats_30d: int = 0
    required_sinks: tuple[str, ...] = ()
    client_sinks: Mapping[str, tuple[str, ...]] = {}

    @property
    def sinks(self) -> tuple[str, ...]:
        """Return where the site's deviation goes."""
        return self.required_sinks if self.rule is None else (self.rule.sink,)


def raising_rule(excursion: ExcursionView, around: Surroundings) -> RaisingRule | None:
    """Return the rule by which an excursion raises a deviation, None if none does."""
    with_batch = bool(around.batches)
    if around.masked and not with_batch:
        return None
    if excursion.name in DATA:
        return "DR-3" if excursion.level != "alert" and (excursion.critical or with_batch) else None
    if excursion.name in COMPUTER or excursion.name in ("calibration_due", "ledger_integrity"):
        return _system_rule(excursion, with_batch=with_batch)
    rule = around.rule
    if rule is None or (rule.when == "batch" and not with_batch):
        return None
    if excursion.level == "alert":
        return "DR-5" if excursion.name in LIMITS and rule.from_ == "alert" else None
    return "DR-2" if excursion.name in SUMMING else "DR-1"


def event_class(rule: RaisingRule, excursion: ExcursionView, around: Surroundings) -> str:
    """Return the event class that is proposed to the QMS."""
    if rule == "DR-3":
        return "data_integrity"
    if rule == "DR-4":
        return "calibration" if excursion.name == "calibration_due" else "computer_system"
    if around.rule is not None and around.rule.class_ is not None:
        return around.rule.class_
    if excursion.in_room:
        return "environmental"
    return "process" if excursion.relevance in ("cpp", "cqa") else "equipment"


def propose_severity(
    rule: RaisingRule, excursion: ExcursionView, around: Surroundings
) -> tuple[Severity, tuple[str, ...]]:
    """Return the highest severity that applies, and the ids of the rules that give it (SEV-1 … SEV-5)."""
    proposed: list[tuple[int, str]] = []
    if around.rule is not None:
        proposed.append((SEVERITIES.index(around.rule.severity), "SEV-1"))
    if excursion.level == "critical" or excursion.name == "ledger_integrity":
        proposed.append((2, "SEV-2"))
    if rule == "DR-3":
        proposed.append((1 if around.missing_share > MISSING_SHARE_MAX else 0, "SEV-3"))
    if rule == "DR-4":
        proposed.append((1, "SEV-4"))
    highest = max(rank for rank, _ in proposed)
    basis = [name for rank, name in proposed if rank == highest]
    if around.repeats_30d >= REPEATS_STEP and highest < len(SEVERITIES) - 1:
        highest += 1
        basis.append("SEV-5")
    return SEVERITIES[highest], tuple(basis)


def _system_rule(excursion: ExcursionView, *, with_batch: bool) -> RaisingRule | None:
    if excursion.name == "ledger_integrity":
        return "DR-4"
    if excursion.level == "alert":
        return None
    return "DR-4" if with_batch or excursion.name == "calibration_due" else None
