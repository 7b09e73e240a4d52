"""Answers of the REST API as pydantic models: what `openapi.json` tells, and what tests hold the real answers against."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)


class Problem(_Answer):
    """RFC 9457 `application/problem+json`."""

    type: str = Field(description="/problems/CODE, or about:blank")
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    remedy: str | None = Field(default=None, description="what to do next; absent where nothing is to be done")


class Head(_Answer):
    """The sealed tree as of which a list was made."""

    size: int
    root: str


class BatchEventAnswer(_Answer):
    """What one batch event did; its record is durable."""

    batch: str
    event: str
    effect: str = Field(description="applied, repeat, pending or conflict")
    effective_time: str
    state: str
    ledger_index: int
    remark: str | None = None


class BatchNode(_Answer):
    """One interval of a batch on a node; ``to`` null while open."""

    node: str
    use: str
    room: str | None
    from_: str = Field(alias="from")
    to: str | None
    withdrawn: bool


class BatchPhase(_Answer):
    """A phase from ``from`` until the next."""

    phase: str
    from_: str = Field(alias="from")


class BatchRow(_Answer):
    """One batch."""

    batch: str
    state: str
    client: str | None
    header: dict[str, str]
    from_: str | None = Field(alias="from")
    to: str | None
    revision: int
    nodes: list[BatchNode]
    phases: list[BatchPhase]


class ExcursionOfBatch(_Answer):
    """An excursion that meets a batch."""

    excursion: str
    condition: str
    level: str
    t0: str
    t1: str | None
    extreme: int | float | None
    ledger_index: int


class DeviationOfBatch(_Answer):
    """A deviation that names a batch; ``record_id`` is the QMS's."""

    deviation: str
    state: str
    revision: int
    excursions: list[str]
    record_id: str | None


class BatchAnswer(BatchRow):
    """One batch with what happened to it."""

    excursions: list[ExcursionOfBatch]
    deviations: list[DeviationOfBatch]
    pending: int
    conflicts: int


class BatchList(_Answer):
    """Batches, oldest first."""

    items: list[BatchRow]
    next: None
    as_of: Head


class ExcursionRow(ExcursionOfBatch):
    """One excursion with its deviations."""

    deviations: list[str]


class ExcursionAnswer(ExcursionRow):
    """One excursion in full."""

    crossings: int
    breach_s: float
    rule: str | None
    batches: list[str]
    newest_index: int


class ExcursionList(_Answer):
    """Excursions, oldest first."""

    items: list[ExcursionRow]
    next: None


class DeviationRow(_Answer):
    """The newest revision of one deviation; nothing here closes one."""

    deviation: str
    scope: str
    state: str
    event: str
    revision: int
    event_class: str
    severity: str
    severity_basis: list[str]
    excursions: list[str]
    batches: list[str]
    sinks: list[str]
    opened: str
    at: str
    test: bool
    record_id: str | None


class DeviationAnswer(DeviationRow):
    """One deviation with its excursions."""

    parts: list[ExcursionRow]


class DeviationList(_Answer):
    """Deviations, oldest first."""

    items: list[DeviationRow]
    next: None


class DeliveryRow(_Answer):
    """One event on its way to one sink."""

    id: str
    sink: str
    deviation: str
    revision: int
    state: str = Field(description="making, prepared, waiting, held, dead, transported or confirmed")
    tries: int
    raised: str
    age_s: int
    last_answer: str | None
    next_in_s: int | None
    record_id: str | None
    cause: str | None
    ledger_index: int


class DeliveryList(_Answer):
    """Deliveries in the order of the ledger."""

    items: list[DeliveryRow]
    next: None


class Attempt(_Answer):
    """One attempt and what was answered."""

    at: str
    address: str | None
    status: int | None
    duration_ms: int | None
    answer: str
    body: str | None
    verdict: str | None


class DeliveryWay(DeliveryRow):
    """One event's way to one sink."""

    prepared: str | None
    bytes: int | None
    sha256: str | None
    attempts: list[Attempt]


class DeliveryAnswer(_Answer):
    """One event with its way to each sink."""

    id: str
    deviation: str
    revision: int
    event: str | None
    at: str
    scope: str | None
    batches: list[str]
    ledger_index: int
    proof_ok: bool = Field(description="the record is in the tree that its frame's checkpoint seals")
    deliveries: list[DeliveryWay]


class Queued(_Answer):
    """A delivery that is due again, or would be."""

    id: str
    sink: str
    prepared: str | None = None


class ReplayAnswer(_Answer):
    """What a replay made due; sending follows by itself."""

    queued: list[Queued]
    sent: bool


class ReplayFailedAnswer(_Answer):
    """What a replay of many made due, or would; ``confirmed`` ones are left as they are."""

    queued: list[Queued]
    confirmed: int
    dry_run: bool


class KeyRotateAnswer(_Answer):
    """The key that entered, from which size it counts, and until when the one it replaces signs beside it."""

    purpose: str
    where: str
    dry_run: bool
    key: str | None = None
    from_size: int | None = None
    replaces: str | None = None
    overlap_s: int | None = None
    retires: str | None = None
    ledger_index: int | None = None


class KeyRevokeAnswer(_Answer):
    """The key that counts for no larger tree."""

    purpose: str
    key: str
    to_size: int
    dry_run: bool
    ledger_index: int | None = None


class HookTestAnswer(_Answer):
    """The request of a ping, secrets masked, and the answer if it was sent."""

    sink: str
    id: str
    sent: bool
    url: str
    headers: dict[str, str]
    body: str
    body_sha256: str
    status: int | None = None
    cause: str | None = None
    address: str | None = None
    certificate_sha256: str | None = None
    duration_ms: int | None = None
    stopped: bool | None = None


class PruneAnswer(_Answer):
    """Records that are gone, or would go: first and last; with a dry run the batches among them and what keeps the rest."""

    first: int
    last: int
    count: int
    record: int | None = None
    bytes: int | None = None
    batches: list[str] | None = None
    stays: str | None = None


class SignalRow(_Answer):
    """One signal of the running configuration."""

    signal: str
    title: str
    unit: str | None
    node: str
    room: str | None
    source: str


class SignalList(_Answer):
    """All signals."""

    items: list[SignalRow]
    next: None


class HealthAnswer(BaseModel):
    """What the gateway says of itself; later versions and optional parts add sections."""

    ready: bool
    reasons: list[str]
    conditions: list[str]
    status: str
    configuration: str
    development: bool
    ledger: Head
    clock: dict[str, Any]
    gaps_open: int
    samples: dict[str, int]
    readings: dict[str, int]
    quarantined: dict[str, int]
    refused: dict[str, str]


class BackupAnswer(_Answer):
    """How far the backup being made is, in bytes, and how the last one ended."""

    state: str = Field(description="none, running, done or failed")
    done: int
    total: int
    newest: str | None
    result: dict[str, Any] | None = None
