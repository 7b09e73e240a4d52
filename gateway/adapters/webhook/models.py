"""The published webhook contract: pydantic models from which the JSON Schemas in `docs/formats/events/` are made.

Closed where we write (`extra="forbid"` in `check_body`), open as published: a new optional field keeps version 1, so
receivers must ignore what they do not know. Field names and order are those of `deviations.md` section 3.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeGuard, cast

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Time = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]
Day = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\d$")]
Hex256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Hash = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{43}=$")]
EventId = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9:_-]+$", max_length=120)]
Number = int | float
Value = int | float | str | bool | list[Any] | None


class Part(BaseModel, frozen=True):
    """Part of a body; strict, so that a text is never taken for a number."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Equipment(Part, frozen=True):
    """Equipment by id, in a client scope by alias."""

    id: str
    qualified_until: Day | None


class Calibration(Part, frozen=True):
    """Calibration state of the signal when the limit was broken."""

    state: str
    due: Day | None
    certificate: str | None


class Signal(Part, frozen=True):
    """The signal that broke its limit; unit in UCUM, profile as `id@version`."""

    id: str
    quantity: str
    unit: str | None
    profile: str
    serial: str | None
    calibration: Calibration


class Spec(Part, frozen=True):
    """The specification, apart from the limits."""

    low: Number | None
    high: Number | None


class Requirement(Part, frozen=True):
    """What was required."""

    condition: str
    level: str
    operator: Literal["gt", "lt", "rate", "flat", "count", "total"]
    value: Number | None
    unit: str | None
    hysteresis: Number
    on_delay_s: Number
    off_delay_s: Number
    spec: Spec | None
    document: str | None
    limits: str
    config_hash: Hex256


class Budget(Part, frozen=True):
    """A time budget and what is used of it."""

    id: str
    used_s: Number
    budget_s: Number


class HourBefore(Part, frozen=True):
    """The hour before t0."""

    min: Number
    mean: Number
    max: Number


class Observed(Part, frozen=True):
    """What was observed; durations in seconds."""

    first: Value
    extreme: Value
    extreme_at: Time | None
    last: Value
    duration_s: Number
    breach_s: Number
    unknown_s: Number
    readings_out: int
    crossings: int
    degree_minutes: Number | None
    mkt: Number | None
    budgets: list[Budget]
    hour_before: HourBefore | None


class Excursion(Part, frozen=True):
    """One excursion, interval [t0, t1) in effective time."""

    id: Annotated[str, StringConstraints(pattern=r"^EXC-[A-Z2-7]{8}$")]
    condition: str
    level: str
    t0: Time
    t1: Time | None


class Batch(Part, frozen=True):
    """One manufacturing batch whose membership overlaps the excursion."""

    batch_id: str
    client: str
    product: str
    lot: str
    use: Literal["process", "room", "storage"]
    phase: str | None
    membership: Literal["open", "ended", "withdrawn"]
    overlap_s: Number


class More(Part, frozen=True):
    """Last element of a list that was cut; the whole list stands in the bundle."""

    more: Annotated[int, Field(ge=1)]


class DataQuality(Part, frozen=True):
    """How complete and sure the data is."""

    completeness_pct: Annotated[Number, Field(ge=0, le=100)]
    gap_s: Number
    bad_s: Number
    uncertain_s: Number
    clock_error_ms: int | None
    doubts: list[str]


class Acknowledgement(Part, frozen=True):
    """Who acknowledged the notice, by reference."""

    person: str
    role: str
    at: Time
    reason: str
    comment: str | None


class Initiator(Part, frozen=True):
    """Which gateway and build raised it, and who was on duty."""

    gateway: str
    build: str
    duty: str | None


class Correlation(Part, frozen=True):
    """How it stands to other deviations of its scope."""

    parent: str | None
    previous: str | None
    repeats_30d: int


class Evidence(Part, frozen=True):
    """Ledger range, RFC 6962 inclusion proof and C2SP checkpoint of the deviation's leaf; the bundle by its hash."""

    origin: str
    first: int
    last: int
    leaf_index: int
    leaf_hash: Hash
    tree_size: int
    root_hash: Hash
    inclusion_proof: list[Hash]
    checkpoint: str
    key_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}$")]
    cosigned_by: list[str]
    timestamp_sha256: Hex256 | None
    bundle_url: str
    bundle_sha256: Hex256
    bundle_bytes: int


class Links(Part, frozen=True):
    """Pages for people; sign-in needed."""

    deviation: str
    chart: str | None


class DeviationData(Part, frozen=True):
    """The whole state of a deviation at one revision; receivers keep the highest sequence."""

    deviation_id: str
    revision: Annotated[int, Field(ge=1)]
    lifecycle: Literal["opened", "updated", "acknowledged", "annotated", "condition_ended", "superseded", "retracted"]
    state: Literal["open", "returned", "superseded", "retracted"]
    test: bool
    scope: str
    title: Annotated[str, StringConstraints(max_length=120)]
    description: Annotated[str, StringConstraints(max_length=1000)]
    event_class: str
    severity_proposed: Literal["minor", "major", "critical"]
    severity_basis: list[str]
    occurred_at: Time
    detected_at: Time
    reported_at: Time
    ended_at: Time | None
    timezone: str
    site: str
    area: str | None
    room: str | None
    equipment: Equipment | None
    signal: Signal | None
    requirement: Requirement | None
    observed: Observed
    excursions: list[Excursion | More]
    batches: list[Batch | More]
    data_quality: DataQuality
    acknowledgement: Acknowledgement | None
    initiator: Initiator
    correlation: Correlation
    evidence: Evidence
    links: Links


class GapData(Part, frozen=True):
    """A gap that touches a batch."""

    gap_id: str
    signal: str | None
    from_: Annotated[Time, Field(alias="from")]
    to: Time | None
    cause: str
    recovered: int | None
    batches: list[str]


class SystemData(Part, frozen=True):
    """A condition of the gateway itself."""

    condition: str
    level: str
    since: Time
    text: str
    remedy: str


class BatchSealedData(Part, frozen=True):
    """A batch whose review was signed and whose records were sealed."""

    batch: str
    count: int
    root: Hex256
    tree_size: int
    verdict: str
    addendum: int | None


class PingData(Part, frozen=True):
    """Proves transport, no receipt."""

    sink: str


class Event(Part, frozen=True):
    """CloudEvents 1.0 attributes in wire order."""

    specversion: Literal["1.0"]
    id: EventId
    source: Annotated[str, StringConstraints(pattern=r"^urn:gw:[^:]+:[^:]+$")]
    subject: str
    type: str
    time: Time
    datacontenttype: Literal["application/json"]
    dataschema: str
    sequence: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*$")]


class DeviationEvent(Event, frozen=True):
    """`gxp.gateway.deviation.*.v1`."""

    type: Annotated[
        str,
        StringConstraints(
            pattern=r"^gxp\.gateway\.deviation\.(opened|updated|acknowledged|annotated|condition_ended|superseded|retracted)\.v1$"
        ),
    ]
    dataschema: Literal["urn:gxp:gateway:schema:deviation:v1"]
    data: DeviationData


class GapEvent(Event, frozen=True):
    """`gxp.gateway.data_gap.*.v1`."""

    type: Literal["gxp.gateway.data_gap.opened.v1", "gxp.gateway.data_gap.closed.v1"]
    dataschema: Literal["urn:gxp:gateway:schema:data_gap:v1"]
    data: GapData


class SystemEvent(Event, frozen=True):
    """`gxp.gateway.system.*.v1`."""

    type: Literal["gxp.gateway.system.raised.v1", "gxp.gateway.system.cleared.v1"]
    dataschema: Literal["urn:gxp:gateway:schema:system:v1"]
    data: SystemData


class BatchEvent(Event, frozen=True):
    """`gxp.gateway.batch.sealed.v1`."""

    type: Literal["gxp.gateway.batch.sealed.v1"]
    dataschema: Literal["urn:gxp:gateway:schema:batch:v1"]
    data: BatchSealedData


class PingEvent(Event, frozen=True):
    """`gxp.gateway.ping.v1`."""

    type: Literal["gxp.gateway.ping.v1"]
    dataschema: Literal["urn:gxp:gateway:schema:ping:v1"]
    data: PingData


EVENTS: Final[dict[str, type[Event]]] = {
    "deviation": DeviationEvent,
    "data_gap": GapEvent,
    "system": SystemEvent,
    "batch": BatchEvent,
    "ping": PingEvent,
}
"""Name of a schema → its model; the name stands in `dataschema` and in the schema's file name."""


def check_body(content: bytes) -> Event:
    """Return the event of a structured body, nothing unknown allowed; raise `pydantic.ValidationError` otherwise."""
    return _model_of(content).model_validate_json(content)


def event_schema(name: str) -> dict[str, Any]:
    """Return the published JSON Schema (2020-12) of one kind of event: open, with its URN as `$id`."""
    schema = EVENTS[name].model_json_schema(by_alias=True)
    _open(schema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:gxp:gateway:schema:{name}:v1",
        **schema,
    }


class _Type(BaseModel):
    type: str


def _model_of(content: bytes) -> type[Event]:
    word = _Type.model_validate_json(content).type.removeprefix("gxp.gateway.").split(".")[0]
    return EVENTS.get(word, Event)


def _is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _open(schema: Any) -> None:
    """Allow unknown members everywhere and drop generated titles; a property of that name is no text and stays."""
    if isinstance(schema, dict):
        parts = cast("dict[str, Any]", schema)
        if parts.get("additionalProperties") is False:
            parts["additionalProperties"] = True
        if isinstance(parts.get("title"), str):
            del parts["title"]
        for part in parts.values():
            _open(part)
    elif _is_list(schema):
        for part in schema:
            _open(part)
