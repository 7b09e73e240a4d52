"""`profile.yaml`, format profile/1: a device as a declaration (`profiles.md` 2).

`defaults` are merged into each signal before the signal is checked, so `SignalBlock` is what a signal has after that.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from gateway.config.models.types import (
    Criticality,
    Flag,
    LowerId,
    Model,
    Number,
    ProfileId,
    Text,
    Title,
    Unit,
    choice,
    exactly_one,
    need,
    number,
    pattern,
    refuse,
    whole,
)

SignalType = Literal[
    "boolean",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float",
    "double",
    "string",
    "number",
    "integer",
]
_TYPES = (
    "boolean",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float",
    "double",
    "string",
    "number",
    "integer",
)
_FORMATS = r"iso8601|epoch_s|epoch_ms|epoch_us|epoch_ns|none|strptime:.{1,80}"
_QUALITIES = choice("good", "uncertain", "bad")


class Provenance(Model):
    """What the profile is made from."""

    public: list[Text] = Field(default_factory=list)
    """Parts from a maker's or a standard's text."""
    generic: list[Text] = Field(default_factory=list)
    """Parts that are ours."""


class UnitsBlock(Model):
    """Units of a number."""

    record: Unit
    """UCUM code that is recorded."""
    wire: Unit | None = None
    """UCUM code on the wire; default the recorded one."""
    check: Annotated[str, pattern(r"none|eu|.{1,200}", "none, eu or a path")] = "none"
    """What must agree with the wire unit: none, eu (EngineeringUnits, engUnit) or a JMESPath."""
    decimals: Annotated[int, whole(0, 9)] | None = None
    """Digits shown; limits compare the unrounded value."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"record": value} if isinstance(value, str) else value


class Deadband(Model):
    """A reduction at the source."""

    type: Annotated[Literal["absolute", "percent"], choice("absolute", "percent")]
    """Kind."""
    value: Annotated[Decimal, number("0")]
    """Size."""


class Acquire(Model):
    """How often readings are expected and asked for."""

    expected_s: Annotated[Decimal, number("0.1", "86400")]
    """Time between two readings, s."""
    stale_s: Annotated[Decimal, number("0.1", "172800")] | None = None
    """Age at which a value is unknown, s; default and, if critical, maximum 2 x expected_s."""
    sampling_ms: Annotated[int, whole(10, 3_600_000)] = 1000
    """Sampling asked of an OPC UA server, ms."""
    queue: Annotated[int, whole(1, 100_000)] | None = None
    """Queue asked of an OPC UA server; default 10 min."""
    trigger: Annotated[Literal["status", "value", "timestamp"], choice("status", "value", "timestamp")] = "timestamp"
    """What makes an OPC UA server report."""
    deadband: Deadband | None = None
    """A reduction at the source."""


class ValidWhenBlock(Model):
    """A condition on another signal of the same sample."""

    signal: LowerId
    """The other signal."""
    is_: str | int | bool | None = Field(default=None, alias="is")
    """Its recorded value."""
    min: Number | None = None
    """Least value, recorded unit."""
    max: Number | None = None
    """Greatest value, recorded unit."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.is_ is None and self.min is None and self.max is None:
            raise PydanticCustomError("SCH-02", "missing key 'is': the value it must have, or min and max")
        return self


class QualityBlock(Model):
    """What makes a value bad or uncertain."""

    map: dict[str, Annotated[Literal["good", "uncertain", "bad"], _QUALITIES]] | None = None
    """Native quality to ours."""
    path: Text | None = None
    """JMESPath to the native quality."""
    sentinels: list[Number] = Field(default_factory=list[Number])
    """Wire values that mean a fault: bad."""
    instrument_range: Annotated[list[Number], Field(min_length=2, max_length=2)] | None = None
    """Outside: bad, value kept; recorded unit."""
    plausible_range: Annotated[list[Number], Field(min_length=2, max_length=2)] | None = None
    """Outside: uncertain; recorded unit."""
    rate_per_min: Annotated[Decimal, number("0")] | None = None
    """Faster: uncertain; recorded unit per minute."""
    valid_when: list[ValidWhenBlock] = Field(default_factory=list[ValidWhenBlock])
    """Conditions on other signals of the same sample, else bad."""

    @field_validator("instrument_range", "plausible_range")
    @classmethod
    def _rising(cls, value: list[Decimal] | None) -> list[Decimal] | None:
        if value is not None and value[0] >= value[1]:
            raise refuse([], "a rising [low, high]")
        return value


class TimeBlock(Model):
    """Where a message carries its time, and how far it is believed."""

    path: Text | None = None
    """JMESPath to it, or the column."""
    format: Annotated[str, pattern(_FORMATS, "iso8601, epoch_s, _ms, _us, _ns, strptime:… or none")]
    """How it is written."""
    zone: Text | None = None
    """IANA zone, if the text has none."""
    skew_s_max: Annotated[Decimal, number("0.1", "3600")] = Decimal(5)
    """Difference to our clock up to which it is trusted, s."""
    age_s_max: Annotated[Decimal, number("1", "2592000")] = Decimal(3600)
    """Older: historical, from the device's buffer, s."""


class MapBlock(Model):
    """From the wire's number or word to the recorded one."""

    mask: Annotated[int, whole(1)] | None = None
    """Bits kept, integers."""
    shift: Annotated[int, whole(0, 63)] = 0
    """Bits shifted right after the mask."""
    enum: dict[str, Annotated[str, pattern(r"[a-z][a-z0-9_-]{0,47}", "a state id")]] | None = None
    """Wire value to state; unlisted is bad."""
    scale: Number | None = None
    """Factor, wire unit."""
    offset: Number | None = None
    """Added after scale, wire unit."""

    @field_validator("scale")
    @classmethod
    def _not_zero(cls, value: Decimal | None) -> Decimal | None:
        if value == 0:
            raise refuse(0, "a number other than 0")
        return value


class CalibrationRule(Model):
    """Whether readings need a calibration behind them."""

    required: Flag | None = None
    """Default true for critical analog."""
    warn_d: list[Annotated[int, whole(0, 3650)]] = Field(default_factory=lambda: [90, 30, 0])
    """Days before the end at which notices are given."""


class Use(Model):
    """What the signal is for."""

    criticality: Criticality
    """How much depends on it."""
    relevance: Annotated[
        Literal["cpp", "cqa", "environment", "utility", "none"],
        choice("cpp", "cqa", "environment", "utility", "none"),
    ]
    """What it bears on."""
    role: (
        Annotated[Literal["door", "phase", "machine", "alarm"], choice("door", "phase", "machine", "alarm")] | None
    ) = None
    """A special part it plays."""
    record: Annotated[Literal["all", "on_change"], choice("all", "on_change")] = "all"
    """on_change: equal values are not recorded; refused for critical analog."""
    reason: Text | None = None
    """Why a reduction is right; needed for deadband or on_change."""


class SignalBlock(Model):
    """One signal, defaults merged."""

    title: Title
    """Name for people."""
    kind: Annotated[
        Literal["analog", "state", "counter", "event", "text"], choice("analog", "state", "counter", "event", "text")
    ]
    """What it is."""
    type: Annotated[SignalType, choice(*_TYPES)] | None = None
    """Type on the wire; none for event."""
    address: Text
    """Where it is: node id, JMESPath, metric name, column."""
    route: LowerId = "main"
    """MQTT route."""
    quantity: Title | None = None
    """What is measured; default the dimension of its unit."""
    units: UnitsBlock | None = None
    """Units of analog and counter."""
    acquire: Acquire
    """How often."""
    quality: QualityBlock = QualityBlock()
    """What makes a value bad or uncertain."""
    time: TimeBlock | None = None
    """Its own time; default the route's."""
    map: MapBlock = MapBlock()
    """From wire to record."""
    calibration: CalibrationRule = CalibrationRule()
    """Whether readings need a calibration."""
    use: Use
    """What it is for."""

    @property
    def calibration_required(self) -> bool:
        """Return whether a reading without calibration is flagged."""
        if self.calibration.required is not None:
            return self.calibration.required
        return self.kind == "analog" and self.use.criticality == "critical"


class OpcuaBinding(Model):
    """An OPC UA server's address space."""

    namespace: Text
    """Namespace URI of plain addresses."""
    publishing_ms: Annotated[int, whole(50, 5000)] = 1000
    """Publishing interval asked, ms."""
    history: Annotated[Literal["none", "raw"], choice("none", "raw")] = "none"
    """Whether the server keeps history."""
    fingerprint: Flag = True
    """Names, types, units, ranges must stay what was approved."""


class Route(Model):
    """One topic and how its payload is read."""

    topic: Text
    """Topic without wildcard."""
    format: Annotated[
        str, pattern(r"json|senml|text|pubsub-json|[a-z0-9_-]+@[0-9]+", "json, senml, text, pubsub-json or NAME@V")
    ] = "json"
    """Form of the payload."""
    records: Text = "@"
    """JMESPath to the record or the list of records."""
    zip: list[Text] | None = None
    """Paths of parallel arrays."""
    time: TimeBlock | None = None
    """Time of each record."""
    sequence: Text | None = None
    """JMESPath to the device's counter."""
    dedupe: list[Text] = Field(default_factory=list)
    """Paths that name a message once."""
    retained: Annotated[Literal["last_known", "refuse"], choice("last_known", "refuse")] = "last_known"
    """What a retained message is."""
    qos_expected: Annotated[int, choice(0, 1)] = 1
    """QoS the publisher uses."""
    partial: Flag = False
    """true: a missing field is skipped; false: bad, absent."""
    valid_when: list[ValidWhenBlock] = Field(default_factory=list[ValidWhenBlock])
    """Conditions for all signals they do not name."""


class MqttBinding(Model):
    """Topics of an MQTT publisher."""

    routes: Annotated[dict[LowerId, Route], Field(min_length=1)]
    """Topics by id."""


class SparkplugBinding(Model):
    """A Sparkplug B edge node."""

    group: Text
    """Group id."""
    node: Text
    """Edge node id."""
    device: Text | None = None
    """Device id."""
    primary_host: Flag = True
    """We are its primary host."""


class ReplayBinding(Model):
    """A recorded file."""

    time: TimeBlock
    """Time of a row."""


class ProfileFile(Model):
    """The whole file, defaults merged."""

    format: Annotated[Literal["profile/1"], choice("profile/1")]
    """Kind and version of the file."""
    id: ProfileId
    """vendor/model, the folder it lies in."""
    version: Annotated[int, whole(1, 999_999)]
    """Version; raised by every change."""
    title: Title
    """What it is."""
    change: Text | None = None
    """What changed; needed from version 2 on."""
    provenance: Provenance | None = None
    """What it is made from."""
    params: dict[Annotated[str, pattern(r"[a-z][a-z0-9_]{0,31}", "a parameter name")], Text] = Field(
        default_factory=dict
    )
    """Parameters and their patterns, anchored."""
    opcua: OpcuaBinding | None = None
    """Binding to an OPC UA server."""
    mqtt: MqttBinding | None = None
    """Binding to MQTT topics."""
    sparkplug: SparkplugBinding | None = None
    """Binding to a Sparkplug B node."""
    replay: ReplayBinding | None = None
    """Binding to a file."""
    defaults: dict[str, Any] = Field(default_factory=dict)
    """Keys of a signal that all signals share; the signal wins."""
    signals: Annotated[dict[LowerId, SignalBlock], Field(min_length=1, max_length=500)]
    """Signals, by id."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        exactly_one(self, "opcua", "mqtt", "sparkplug", "replay")
        if self.version > 1:
            need(self, "change", why="version 2 and later say what changed")
        return self

    @property
    def binding(self) -> Literal["opcua", "mqtt", "sparkplug", "replay"]:
        """Return which of the four it is."""
        return "opcua" if self.opcua else "mqtt" if self.mqtt else "sparkplug" if self.sparkplug else "replay"

    @property
    def ref(self) -> str:
        """Return ``id@version``."""
        return f"{self.id}@{self.version}"
