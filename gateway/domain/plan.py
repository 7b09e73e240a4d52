"""Plan: what one configuration, once understood, tells the line of data to do. Frozen; replaced whole, never edited.

Made by `gateway.config.build` from the files of `profiles.md`; read by sources, intake, evaluator and projectors.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

from msgspec import Struct


class Conversion(Struct, frozen=True):
    """Exact linear map ``recorded = wire * factor + offset`` between two units of one dimension."""

    factor: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)


class Correction(Struct, frozen=True):
    """Calibration correction: an offset, or rising [reading, true] pairs joined by straight lines."""

    offset: Decimal | None = None
    table: tuple[tuple[Decimal, Decimal], ...] = ()


class CalibrationEntry(Struct, frozen=True, kw_only=True):
    """One calibration entry of `plant.yaml`; dates are ISO days."""

    certificate: str
    certificate_sha256: str | None = None
    performed: str
    due: str
    laboratory: str
    as_found: str
    last_good: str | None = None
    uncertainty_value: Decimal | None = None
    uncertainty_k: int | None = None
    correction: Correction | None = None


class ValidWhen(Struct, frozen=True, kw_only=True):
    """A condition on another signal of the same sample; if it fails the value is bad, ``invalid_sample``."""

    signal: str
    equals: str | None = None
    low: Decimal | None = None
    high: Decimal | None = None


class SignalPlan(Struct, frozen=True, kw_only=True):
    """Everything one signal needs from wire to record. Durations in ns, ``id`` is ``DEVICE/signal``."""

    id: str
    device: str
    source: str
    address: str
    node: str
    room: str | None
    title: str
    profile: str
    profile_sha256: str
    measure: str
    type: str | None
    unit: str | None
    wire_unit: str | None = None
    decimals: int | None = None
    acquire: dict[str, Any]
    expected_ns: int
    stale_ns: int
    criticality: str
    relevance: str
    role: str | None = None
    record: str = "all"
    reduction: str = "none"
    sentinels: tuple[Decimal, ...] = ()
    instrument_range: tuple[Decimal, Decimal] | None = None
    plausible_range: tuple[Decimal, Decimal] | None = None
    rate_per_min: Decimal | None = None
    quality_map: dict[str, str] | None = None
    valid_when: tuple[ValidWhen, ...] = ()
    mask: int | None = None
    shift: int = 0
    enum: dict[str, str] | None = None
    scale: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)
    conversion: Conversion | None = None
    calibration: CalibrationEntry | None = None
    calibration_required: bool = False
    skew_ns_max: int = 5_000_000_000


class TimeRule(Struct, frozen=True, kw_only=True):
    """Where a message carries its time: a JMESPath, a format of `profiles.md`, a zone if the text has none.

    ``age_ns_max``: an older time says that the value waited in the device.
    """

    path: str | None
    format: str
    zone: str | None = None
    age_ns_max: int = 3_600_000_000_000


class MqttField(Struct, frozen=True, kw_only=True):
    """One signal in a payload: its plan address ``<topic>#<path>`` and the JMESPath inside one record."""

    signal: str
    address: str
    path: str
    wire_type: str
    quality_path: str | None = None
    time: TimeRule | None = None


class MqttRoute(Struct, frozen=True, kw_only=True):
    """One subscribed topic (no wildcard) and how its payload is cut into samples."""

    topic: str
    format: str = "json"
    records: str = "@"
    zip: tuple[str, ...] = ()
    time: TimeRule | None = None
    sequence: str | None = None
    dedupe: tuple[str, ...] = ()
    retained: str = "last_known"
    qos_expected: int = 1
    partial: bool = False
    fields: tuple[MqttField, ...] = ()


class BatchRoute(Struct, frozen=True, kw_only=True):
    """One topic on which the plant tells of batches: JMESPath by what it finds, batch events by state name.

    ``paths`` holds `BATCH_PATHS` and, under any other name, fields of the batch header. ``nodes``: plant nodes by wire name.
    ``zone`` reads times that carry no offset of their own. ``reply``: the topic of the answer after the commit.
    """

    adapter: str
    topic: str
    paths: dict[str, str]
    states: dict[str, str] = {}
    nodes: dict[str, str] = {}
    reply: str | None = None
    zone: str | None = None


BATCH_PATHS = ("batch_id", "event", "effective_time", "nodes", "client_key", "phase", "message_id")
"""Names of `BatchRoute.paths` that are no header field; the first two are mandatory."""


class MqttPlan(Struct, frozen=True, kw_only=True):
    """All routes of one MQTT connection; ``watch`` filters catch publishers nobody declared."""

    source: str
    routes: tuple[MqttRoute, ...]
    watch: tuple[str, ...] = ()
    batches: tuple[BatchRoute, ...] = ()


class OpcuaItem(Struct, frozen=True, kw_only=True):
    """One monitored item: address ``nsu=<uri>;s=…``, asked sampling and queue, OPC UA built-in type expected."""

    signal: str
    address: str
    type: str | None
    sampling_ms: int
    queue: int
    trigger: str = "timestamp"
    critical: bool = False


class OpcuaPlan(Struct, frozen=True, kw_only=True):
    """All items of one OPC UA connection."""

    source: str
    items: tuple[OpcuaItem, ...]
    publishing_ms: int = 1000
    history: bool = False


class Node(Struct, frozen=True, kw_only=True):
    """An ISA-95 level or a room."""

    id: str
    level: str
    name: str
    parent: str | None = None
    room: str | None = None
    alias: str | None = None
    mobile: bool = False
    exclusive: bool = False
    grade: str | None = None
    qualified_until: str | None = None


class Plan(Struct, frozen=True, kw_only=True):
    """One configuration epoch, decoded. ``config`` is the first 16 hex digits of ``config_sha256``."""

    config: str
    config_sha256: str
    change_set: str
    dev: bool
    site: str
    gateway: str
    zone: str
    signals: dict[str, SignalPlan]
    nodes: dict[str, Node]
    mqtt: tuple[MqttPlan, ...] = ()
    opcua: tuple[OpcuaPlan, ...] = ()
    witnessed: bool = False
    stamp_every_ns: int | None = None
    """Whether witnesses are configured, and how often a time stamp is asked for; None: never."""

    def by_address(self) -> dict[tuple[str, str], SignalPlan]:
        """Return the signals by (source, address): a sample's way to its profile."""
        return {(s.source, s.address): s for s in self.signals.values()}
