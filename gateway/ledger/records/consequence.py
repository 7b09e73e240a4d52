"""Records of consequence: batch, excursion, deviation, delivery (`ledger.md` section 1)."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from gateway.ledger.records.head import Content, Facts, Head, ObjectRef


class BatchNode(Struct, frozen=True, kw_only=True):
    """Membership ``[from_ns, to_ns)`` of a batch on a node; open while ``to_ns`` is absent."""

    node: str
    use: Literal["process", "room", "storage"]
    room: str | UnsetType = UNSET
    from_ns: int
    to_ns: int | UnsetType = UNSET
    pre_roll_s: int
    post_roll_s: int


class BatchSeal(Struct, frozen=True, kw_only=True):
    """What the sealed batch record carries (`records-and-review.md` section 5, batch seal)."""

    count: int
    first: int
    last: int
    root: str
    size: int
    rules: str
    keep_until: str
    addendum: int | UnsetType = UNSET


class Batch(Head, frozen=True, kw_only=True):
    """One batch event; ``effect`` says what it changed (`records-and-review.md` section 1)."""

    kind: Literal["batch"] = "batch"
    event: str
    batch: str
    revision: int
    effect: Literal["applied", "repeat", "pending", "conflict"] | UnsetType = UNSET
    effective_ns: int | UnsetType = UNSET
    adapter: str | UnsetType = UNSET
    event_key: str | UnsetType = UNSET
    client: str | UnsetType = UNSET
    phase: str | UnsetType = UNSET
    nodes: list[BatchNode] | UnsetType = UNSET
    header: Facts | UnsetType = UNSET
    old: Facts | UnsetType = UNSET
    new: Facts | UnsetType = UNSET
    evidence: Content | UnsetType = UNSET
    seal: BatchSeal | UnsetType = UNSET
    person: str | UnsetType = UNSET
    role: str | UnsetType = UNSET
    reason_code: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    facts: Facts | UnsetType = UNSET


class Excursion(Head, frozen=True, kw_only=True, rename={"class_": "class"}):
    """A limit broken over an interval, or a notice event on it; names no batch and no client (`excursions.md` 3)."""

    kind: Literal["excursion"] = "excursion"
    event: str
    excursion: str
    condition: str
    signal: str | UnsetType = UNSET
    class_: str
    level: str
    rule: str | UnsetType = UNSET
    config: str
    cause: str | UnsetType = UNSET
    t0_ns: int
    raised_ns: int | UnsetType = UNSET
    detected_ns: int
    t1_ns: int | UnsetType = UNSET
    extreme: Any = UNSET
    extreme_ns: int | UnsetType = UNSET
    breach_ns: int
    unknown_ns: int
    crossings: int
    degree_minutes: float | UnsetType = UNSET
    first: int | UnsetType = UNSET
    last: int | UnsetType = UNSET
    decided: int
    doubts: list[str] | UnsetType = UNSET
    parent: str | UnsetType = UNSET
    person: str | UnsetType = UNSET
    role: str | UnsetType = UNSET
    reason_code: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    until_ns: int | UnsetType = UNSET
    facts: Facts | UnsetType = UNSET


class Deviation(Head, frozen=True, kw_only=True):
    """One revision of a deviation in one scope, written in the frame of its excursion (`deviations.md`)."""

    kind: Literal["deviation"] = "deviation"
    event: str
    deviation: str
    revision: int
    scope: str
    state: Literal["open", "returned", "superseded", "retracted"]
    excursions: list[str]
    severity: Literal["minor", "major", "critical"]
    severity_basis: list[str]
    batches: list[str]
    sinks: list[str]
    parent: str | UnsetType = UNSET
    person: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    facts: Facts | UnsetType = UNSET


class Delivery(Head, frozen=True, kw_only=True):
    """One step of one delivery; the outbox is the fold of these and the deviation records."""

    kind: Literal["delivery"] = "delivery"
    event: Literal[
        "prepared",
        "attempt",
        "transported",
        "receipt",
        "dead",
        "held",
        "enabled",
        "replay",
        "overdue",
        "inbound",
    ]
    delivery: str
    object: ObjectRef
    sink: str
    attempt: int | UnsetType = UNSET
    sha256: str | UnsetType = UNSET
    content: Content | UnsetType = UNSET
    http_status: int | UnsetType = UNSET
    answer: Content | UnsetType = UNSET
    address: str | UnsetType = UNSET
    certificate_sha256: str | UnsetType = UNSET
    duration_ms: int | UnsetType = UNSET
    verdict: str | UnsetType = UNSET
    next_ns: int | UnsetType = UNSET
    external_id: str | UnsetType = UNSET
    how: str | UnsetType = UNSET
    cause: str | UnsetType = UNSET
    person: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    facts: Facts | UnsetType = UNSET
