"""Compiled routes: what a plan says of one topic, as functions that are ready when the first message comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from gateway.adapters.mqtt.path import Getter, compile_path, plain_name
from gateway.adapters.mqtt.times import TimeReader, compile_time
from gateway.domain.plan import MqttField, MqttPlan, MqttRoute, TimeRule
from gateway.errors import SourceRefused

TOPIC_BYTES_MAX: Final = 1024

Codec: TypeAlias = Callable[[bytes], bytes]
"""Binary payload → JSON bytes; pure; raises ValueError for bytes it cannot read."""


@dataclass(frozen=True, slots=True)
class TimePath:
    """Where in a record a time stands, how it is read, and how old it may be before it tells of a device's buffer."""

    get: Getter
    read: TimeReader
    age_ns_max: int


@dataclass(frozen=True, slots=True)
class Field:
    """One signal of a payload: ``name`` is set where the path is one plain member name, ``plain`` for a payload of plain text.

    ``quality`` finds the device's own word for the quality of the value.
    """

    address: str
    name: str | None
    get: Getter
    wire_type: str
    time: TimePath | None
    plain: bool
    quality: Getter | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """One topic, compiled. ``whole`` is true when a payload is exactly one record.

    ``quick``: that record is a JSON object with all its fields as plain members under one time. ``keyed``: it names its repeats.
    """

    topic: str
    topic_bytes: bytes
    format: str
    codec: Codec | None
    whole: bool
    records: Getter
    zip: tuple[str, ...]
    time: TimePath | None
    sequence: Getter | None
    dedupe: tuple[Getter, ...]
    retained: str
    qos_expected: int
    partial: bool
    fields: tuple[Field, ...]
    quick: bool
    keyed: bool

    @property
    def addresses(self) -> tuple[str, ...]:
        """Plan addresses of all its signals."""
        return tuple(field.address for field in self.fields)


def compile_plan(plan: MqttPlan, codecs: Mapping[str, Codec] | None = None) -> dict[bytes, Route]:
    """Return the routes by topic bytes; raise `SourceRefused` for what this adapter cannot or may not run."""
    found: dict[bytes, Route] = {}
    for one in plan.routes:
        route = compile_route(one, codecs or {})
        if route.topic_bytes in found:
            raise SourceRefused(
                f"topic {one.topic!r} is read by two routes of {plan.source}",
                code="REF-06",
                remedy="give one device both signals",
            )
        found[route.topic_bytes] = route
    for watch in plan.watch:
        _check_filter(watch)
    return found


def compile_route(route: MqttRoute, codecs: Mapping[str, Codec]) -> Route:
    """Return one compiled route; raise `SourceRefused` with the rule that it breaks."""
    topic = route.topic.encode()
    if not topic or len(topic) > TOPIC_BYTES_MAX or set(route.topic) & {"+", "#", "\0"} or route.topic.startswith("$"):
        raise SourceRefused(
            f"topic {route.topic!r} cannot be recorded",
            remedy=f"name one topic without wildcard, 1 to {TOPIC_BYTES_MAX} bytes",
        )
    codec = codecs.get(route.format)
    if codec is None and route.format not in {"json", "text"}:
        raise SourceRefused(
            f"payload format {route.format!r} of {route.topic!r} is not known here", remedy="use json or text"
        )
    fields = tuple(_field(field, plain=route.format == "text") for field in route.fields)
    whole = route.records == "@" and not route.zip
    quick = route.format == "json" and codec is None and whole and not route.partial and bool(fields)
    return Route(
        topic=route.topic,
        topic_bytes=topic,
        format=route.format,
        codec=codec,
        whole=whole,
        records=compile_path(route.records),
        zip=route.zip,
        time=_time(route.time),
        sequence=compile_path(route.sequence) if route.sequence else None,
        dedupe=tuple(compile_path(path) for path in route.dedupe),
        retained=route.retained,
        qos_expected=route.qos_expected,
        partial=route.partial,
        fields=fields,
        quick=quick and all(one.name is not None and one.time is None and one.quality is None for one in fields),
        keyed=bool(route.sequence or route.dedupe),
    )


def _time(rule: TimeRule | None) -> TimePath | None:
    if rule is None or rule.path is None or rule.format == "none":
        return None
    return TimePath(compile_path(rule.path), compile_time(rule), rule.age_ns_max)


def _field(field: MqttField, *, plain: bool) -> Field:
    return Field(
        address=field.address,
        name=plain_name(field.path),
        get=compile_path(field.path),
        wire_type=field.wire_type,
        time=_time(field.time),
        plain=plain,
        quality=compile_path(field.quality_path) if field.quality_path else None,
    )


def _check_filter(watch: str) -> None:
    levels = watch.split("/")
    whole = all(level in {"+", "#"} or not set(level) & {"+", "#"} for level in levels)
    if not watch or levels[0] == "$share" or not whole or "#" in levels[:-1]:
        raise SourceRefused(
            f"watch filter {watch!r} is not allowed", remedy="use an MQTT filter without $share, # only at its end"
        )
