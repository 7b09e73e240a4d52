"""Shapes of `data` in the events we post, members in wire order (`deviations.md` section 3).

These write; the pydantic models in `adapters/webhook/models.py` publish. A test holds both to the same names and order.
Times are texts already (`format_ms`); numbers are the recorded decimals, so an integer stays an integer.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType

Number = int | float


class Shape(Struct, frozen=True, kw_only=True):
    """Part of an event body."""


class Equipment(Shape, frozen=True, kw_only=True):
    """Equipment by id, or by alias in a client scope."""

    id: str
    qualified_until: str | None = None


class CalibrationState(Shape, frozen=True, kw_only=True):
    """State valid, due, expired, none or not_required; ``due`` an ISO day."""

    state: str
    due: str | None = None
    certificate: str | None = None


class SignalFacts(Shape, frozen=True, kw_only=True):
    """The signal that broke its limit; unit in UCUM, profile as `id@version`."""

    id: str
    quantity: str
    unit: str | None
    profile: str
    serial: str | None
    calibration: CalibrationState


class Spec(Shape, frozen=True, kw_only=True):
    """The specification apart from the limits."""

    low: Number | None = None
    high: Number | None = None


class Requirement(Shape, frozen=True, kw_only=True):
    """What was required; ``operator`` gt, lt, rate, flat, count or total; delays in seconds."""

    condition: str
    level: str
    operator: str
    value: Number | None
    unit: str | None
    hysteresis: Number
    on_delay_s: Number
    off_delay_s: Number
    spec: Spec | None
    document: str | None
    limits: str
    config_hash: str


class Budget(Shape, frozen=True, kw_only=True):
    """A time budget and what is used of it, seconds."""

    id: str
    used_s: Number
    budget_s: Number


class HourBefore(Shape, frozen=True, kw_only=True):
    """The hour before t0."""

    min: Number
    mean: Number
    max: Number


class Observed(Shape, frozen=True, kw_only=True):
    """What was observed within the interval; durations in seconds."""

    first: Any
    extreme: Any
    extreme_at: str | None
    last: Any
    duration_s: Number
    breach_s: Number
    unknown_s: Number
    readings_out: int
    crossings: int
    degree_minutes: Number | None = None
    mkt: Number | None = None
    budgets: list[Budget] = []
    hour_before: HourBefore | None = None


class ExcursionFacts(Shape, frozen=True, kw_only=True):
    """One excursion of the deviation, interval [t0, t1)."""

    id: str
    condition: str
    level: str
    t0: str
    t1: str | None = None


class BatchFacts(Shape, frozen=True, kw_only=True):
    """One batch whose membership overlaps [t0, t1); membership open, ended or withdrawn."""

    batch_id: str
    client: str
    product: str
    lot: str
    use: str
    phase: str | None
    membership: str
    overlap_s: Number


class More(Shape, frozen=True, kw_only=True):
    """Stands last in a list that was cut: how many more the bundle holds."""

    more: int


class DataQuality(Shape, frozen=True, kw_only=True):
    """How complete and sure the data is; completeness rounded down."""

    completeness_pct: Number
    gap_s: Number
    bad_s: Number
    uncertain_s: Number
    clock_error_ms: int | None
    doubts: list[str] = []


class Acknowledgement(Shape, frozen=True, kw_only=True):
    """Who acknowledged, by reference."""

    person: str
    role: str
    at: str
    reason: str
    comment: str | None = None


class Initiator(Shape, frozen=True, kw_only=True):
    """Which gateway, which build, who was on duty."""

    gateway: str
    build: str
    duty: str | None = None


class Correlation(Shape, frozen=True, kw_only=True):
    """How this deviation stands to others of its scope."""

    parent: str | None = None
    previous: str | None = None
    repeats_30d: int = 0


class Evidence(Shape, frozen=True, kw_only=True):
    """Where the evidence stands and the proof that the leaf is in the tree; hashes in base64."""

    origin: str
    first: int
    last: int
    leaf_index: int
    leaf_hash: str
    tree_size: int
    root_hash: str
    inclusion_proof: list[str]
    checkpoint: str
    key_id: str
    cosigned_by: list[str] = []
    timestamp_sha256: str | None = None
    bundle_url: str
    bundle_sha256: str
    bundle_bytes: int


class Links(Shape, frozen=True, kw_only=True):
    """Pages for people; sign-in needed."""

    deviation: str
    chart: str | None = None


class DeviationData(Shape, frozen=True, kw_only=True):
    """`data` of every deviation event: the whole state, not a delta."""

    deviation_id: str
    revision: int
    lifecycle: str
    state: str
    test: bool
    scope: str
    title: str
    description: str
    event_class: str
    severity_proposed: str
    severity_basis: list[str]
    occurred_at: str
    detected_at: str
    reported_at: str
    ended_at: str | None
    timezone: str
    site: str
    area: str | None
    room: str | None
    equipment: Equipment | None
    signal: SignalFacts | None
    requirement: Requirement | None
    observed: Observed
    excursions: list[ExcursionFacts | More]
    batches: list[BatchFacts | More]
    data_quality: DataQuality
    acknowledgement: Acknowledgement | None
    initiator: Initiator
    correlation: Correlation
    evidence: Evidence
    links: Links


class GapData(Shape, frozen=True, kw_only=True, rename={"from_": "from"}):
    """`data` of data_gap events: a gap that touches a batch."""

    gap_id: str
    signal: str | None
    from_: str
    to: str | None
    cause: str
    recovered: int | None
    batches: list[str]


class SystemData(Shape, frozen=True, kw_only=True):
    """`data` of system events: a condition of our own."""

    condition: str
    level: str
    since: str
    text: str
    remedy: str


class BatchSealedData(Shape, frozen=True, kw_only=True):
    """`data` of batch.sealed; root in hex, addendum its number or null."""

    batch: str
    count: int
    root: str
    tree_size: int
    verdict: str
    addendum: int | None = None


class PingData(Shape, frozen=True, kw_only=True):
    """`data` of ping: proves transport, no receipt."""

    sink: str


class Envelope(Shape, frozen=True, kw_only=True):
    """CloudEvents 1.0 attributes in wire order; ``data`` comes last."""

    specversion: str = "1.0"
    id: str
    source: str
    subject: str
    type: str
    time: str
    datacontenttype: str = "application/json"
    dataschema: str
    sequence: str
    data: DeviationData | GapData | SystemData | BatchSealedData | PingData | UnsetType = UNSET
