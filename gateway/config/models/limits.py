"""`limits/*.yaml`, format limits/1: limit sets (`profiles.md` 1, `excursions.md` 2, `deviations.md` 1)."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from gateway.config.models.types import (
    ClientKey,
    Flag,
    LowerId,
    Model,
    Number,
    Sha256,
    SignalRef,
    Text,
    Title,
    Unit,
    UpperId,
    choice,
    number,
    pattern,
    whole,
)

Evaluation = Literal["each", "mean", "rate", "flatline", "n_of_m", "cumulative", "degree_minutes", "mkt", "open"]
_EVALUATIONS = ("each", "mean", "rate", "flatline", "n_of_m", "cumulative", "degree_minutes", "mkt", "open")
_PHASE = pattern(r"[A-Za-z0-9_./#-]{1,128}", "a phase")


class Source(Model):
    """The document the limits come from."""

    document: Text
    """Document."""
    revision: Text
    """Its revision, as text."""
    sha256: Sha256 | None = None
    """Its hash."""


class SpecBlock(Model):
    """Specification: shown and linted, never judged."""

    low: Number | None = None
    """Lower end."""
    high: Number | None = None
    """Upper end."""


class SideBlock(Model):
    """Limits of one side."""

    alert: Number | None = None
    """Early warning."""
    action: Number | None = None
    """GMP limit."""
    critical: Number | None = None
    """Beyond action."""


class DeviationBlock(Model):
    """What a broken rule sends."""

    sink: LowerId
    """Receiver."""
    severity: Annotated[Literal["minor", "major", "critical"], choice("minor", "major", "critical")] = "major"
    """Severity proposed."""
    when: Annotated[Literal["always", "batch"], choice("always", "batch")] = "always"
    """batch: only while a batch is open there."""
    from_: Annotated[Literal["alert", "action"], choice("alert", "action")] = Field(default="action", alias="from")
    """Lowest level that raises one."""
    class_: Annotated[
        str | None,
        choice("environmental", "process", "equipment", "data_integrity", "calibration", "computer_system"),
    ] = Field(default=None, alias="class")
    """Event class; default by place and relevance."""
    group: Annotated[Literal["none", "equipment"], choice("none", "equipment")] = "none"
    """equipment: joins others of the same equipment within 300 s."""
    reopen_s: Annotated[int, whole(0, 86_400)] = 3600
    """The same condition within this time joins, s."""
    ended_hold_s: Annotated[int, whole(0, 86_400)] = 300
    """How long all must be back before it is told, s."""


class RuleBlock(Model):
    """One rule: what it watches, where the limits are, why, and what a broken one sends."""

    signals: Annotated[list[SignalRef], Field(min_length=1, max_length=200)]
    """Signals, DEVICE/signal."""
    phases: list[Annotated[str, _PHASE]] = Field(default_factory=list)
    """Phases; absent always."""
    when: dict[SignalRef, Text] = Field(default_factory=dict)
    """States of other signals; absent always."""
    unit: Unit | None = None
    """Unit of the limits, typed again on purpose."""
    spec: SpecBlock | None = None
    """Specification, for the linter and the page."""
    low: SideBlock | None = None
    """Limits below."""
    high: SideBlock | None = None
    """Limits above."""
    hysteresis: Annotated[Decimal, number("0")] = Decimal(0)
    """How far back inside a value must be to be back."""
    on_delay_s: Annotated[int, whole(0, 3600)] = 0
    """How long a breach must last, s."""
    off_delay_s: Annotated[int, whole(0, 3600)] = 0
    """How long it must be back, s."""
    delay_reason: Text | None = None
    """Why a delay is right; needed with a delay."""
    justification: Text | None = None
    """Why these limits are right."""
    ack_role: Annotated[str, choice("operator", "reviewer", "approver")] | None = None
    """Narrows who acknowledges."""
    shelve_max_h: Annotated[int, whole(0, 24)] = 0
    """Longest shelving, h."""
    evaluate: Annotated[Evaluation, choice(*_EVALUATIONS)] = "each"
    """How values are judged."""
    level: Annotated[str, choice("alert", "action", "critical")] | None = None
    """Level of rate, flatline and open; default action."""
    latching: Flag | None = None
    """The notice stays until reset; default true for critical."""
    assess: Flag = False
    """Acknowledging needs an assessment."""
    window_s: Annotated[int, whole(1, 2_678_400)] | None = None
    """Window of mean, rate, flatline, cumulative, degree_minutes, s."""
    rate_per_min: Annotated[Decimal, number("0")] | None = None
    """Limit of rate."""
    epsilon: Annotated[Decimal, number("0")] | None = None
    """Band of flatline."""
    n: int | None = None
    """How many of the last m, n_of_m."""
    m: int | None = None
    """Samples looked at, n_of_m."""
    max_age_s: Annotated[int, whole(1, 2_678_400)] | None = None
    """Older samples are forgotten, n_of_m, s."""
    budget_s: Annotated[int, whole(1, 31_536_000)] | None = None
    """Breach time allowed, cumulative, s."""
    budget: Annotated[Decimal, number("0")] | None = None
    """Degree-minutes allowed."""
    per: Annotated[Literal["batch"], choice("batch")] | None = None
    """A budget of the batch instead of a window."""
    warn: list[Annotated[Decimal, number("0", "1")]] = Field(default_factory=lambda: [Decimal("0.5"), Decimal("0.8")])
    """Shares of the budget that warn."""
    window_h: Annotated[int, whole(1, 8784)] | None = None
    """Window of mkt, h."""
    dh_kj_mol: Annotated[Decimal, number("10", "500")] = Decimal("83.144")
    """Activation energy of mkt, kJ/mol."""
    coverage_min_pct: Annotated[Decimal, number("0", "100")] = Decimal(95)
    """Known time below which mkt says nothing, percent."""
    buckets: Annotated[int, whole(1, 10_000)] = 720
    """Pieces of the mkt window."""
    open_max_s: Annotated[int, whole(1, 86_400)] | None = None
    """Longest opening, open, s."""
    door: SignalRef | None = None
    """Door that explains a breach."""
    door_cap_s: int | None = None
    """Longest extension by an open door, s."""
    door_recovery_s: Annotated[int, whole(0, 86_400)] | None = None
    """Recovery after closing, s."""
    door_reference: Text | None = None
    """Qualification of the recovery time."""
    suppress_when: dict[SignalRef, Text] = Field(default_factory=dict)
    """States in which the notice is suppressed by design."""
    with_batch: Flag = False
    """Suppressed even with a batch open."""
    unknown_counts: Flag = True
    """Unknown time counts as breach."""
    caused_by: list[SignalRef] = Field(default_factory=list)
    """Signals that explain this one: grouping."""
    deviation: DeviationBlock
    """What a broken rule sends."""


class BaselineBlock(Model):
    """Baseline of forecasts; advisory only (`excursions.md` 9)."""

    signal: SignalRef
    """Signal."""
    phase: Annotated[str, _PHASE] | None = None
    """Phase."""
    period: Annotated[list[Text], Field(min_length=2, max_length=2)]
    """From, to."""
    exclusions: list[list[Text]] = Field(default_factory=list[list[Text]])
    """Stretches left out."""
    subgroup_s: Annotated[int, whole(1, 86_400)] = 900
    """Length of a subgroup, s."""
    mu: Number
    """Mean."""
    phi: Number
    """Lag-1 autocorrelation."""
    sigma: Annotated[Decimal, number("0")]
    """Standard deviation of the residuals."""
    n: Annotated[int, whole(200)]
    """Subgroups."""
    hash: Sha256
    """Hash of the readings it was made from."""
    tau_s: Annotated[int, whole(1, 31_536_000)] | None = None
    """Time constant, s."""
    lead_s: Annotated[int, whole(1, 86_400)] = 3600
    """Horizon of the forecast, s."""


class LimitsFile(Model):
    """The whole file."""

    format: Annotated[Literal["limits/1"], choice("limits/1")]
    """Kind and version of the file."""
    id: UpperId
    """Id of the limit set."""
    version: Annotated[int, whole(1, 999_999)]
    """Version; raised by every change."""
    title: Title
    """What it is for."""
    source: Source
    """The document the limits come from."""
    client: ClientKey | None = None
    """Judged for this client alone."""
    rules: dict[LowerId, RuleBlock]
    """Rules, by id."""
    baselines: dict[LowerId, BaselineBlock] = Field(default_factory=dict)
    """Baselines of forecasts, by id."""
