"""Capture: what a device sent, and what its profile must make of it, line by line (`profiles.md` 2, PRO-01 to PRO-03).

Pure. OPC UA and replay lines become samples here; MQTT payloads are cut by the function the caller brings, which is the
adapter's own, so that a profile is judged by the code that runs.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from msgspec import Struct

from gateway.config.build import build_signal
from gateway.config.build_routes import mqtt_route
from gateway.config.findings import Finding, Place, finding
from gateway.config.models.plant import DeviceEntry
from gateway.config.points import Point, points
from gateway.config.project import PROFILES, ProfileAt, Project
from gateway.domain.decimals import double_of_bits, exact, single_of_bits
from gateway.domain.decode import Decoded, compile_decoder
from gateway.domain.plan import MqttRoute, SignalPlan, TimeRule
from gateway.domain.sample import Quality, Raw, Sample
from gateway.domain.together import together
from gateway.domain.wire_types import WIRE_TYPES

DEVICE = "CAPTURE"
_PARAMETER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")

CutMqtt = Callable[[MqttRoute, str, bytes, int], Sequence[Sample]]
"""(route, topic, payload, received ns) -> samples; raises ValueError with the reason for a payload that is quarantined."""

ReadTime = Callable[[TimeRule, str, int], int | None]
"""(rule, text, received ns) -> source time in ns."""


class Read(Struct, frozen=True):
    """One reading out of a capture: line from 1, signal name, what was decoded, its source time."""

    line: int
    signal: str
    decoded: Decoded
    source_ns: int | None
    raw: Raw


class Ignored(Struct, frozen=True):
    """A capture line that is no reading, and why."""

    line: int
    why: str


def read_capture(profile: ProfileAt, capture: bytes, cut: CutMqtt, read_time: ReadTime) -> Iterator[Read | Ignored]:
    """Yield what the profile makes of each line, through the real decoders."""
    for number, text in _lines(capture):
        line = json.loads(text)
        received = instant_ns(line["received"])
        params = captured_params(profile, line)
        found = device_points(profile, params)
        plans = {point.id: build_signal(point) for point in found}
        try:
            samples = _samples(profile, line, found, received, cut, read_time)
        except ValueError as error:
            yield Ignored(number, str(error))
            continue
        yield from _decoded(number, samples, plans)


def _lines(content: bytes) -> Iterator[tuple[int, str]]:
    for number, text in enumerate(content.decode("utf-8").splitlines(), 1):
        if text.strip():
            yield number, text


def _decoded(number: int, samples: Sequence[Sample], plans: Mapping[str, SignalPlan]) -> Iterator[Read]:
    """Decode the samples of one line, record by record, companions before the signals that hang on them."""
    by_address = {plan.address: plan for plan in plans.values()}
    for group in together(samples):
        known: dict[str, Decoded] = {}
        found = [(by_address[sample.address], sample) for sample in group]
        for plan, sample in sorted(found, key=lambda item: bool(item[0].valid_when)):
            known[plan.id] = compile_decoder(plan)(sample, known)
        for plan, sample in found:
            yield Read(number, plan.id.partition("/")[2], known[plan.id], sample.source_ns, sample.raw)


def device_points(profile: ProfileAt, params: Mapping[str, str]) -> list[Point]:
    """Return the signals of one device of this profile with these parameters."""
    entry = DeviceEntry(
        profile=profile.model.ref, connection="capture", node=DEVICE, serial="capture", params=dict(params)
    )
    project = Project(contents={}, profiles={profile.model.ref: profile})
    return list(points(project, {DEVICE: entry}))


def captured_params(profile: ProfileAt, line: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters that make the profile's topic or node the captured one; empty if none fits."""
    model = profile.model
    if "mqtt" in line and model.mqtt is not None:
        templates, captured = [route.topic for route in model.mqtt.routes.values()], str(line["mqtt"]["topic"])
    elif "opcua" in line and model.opcua is not None:
        templates, captured = [block.address for block in model.signals.values()], str(line["opcua"]["node"])
    else:
        return {}
    for template in templates:
        match = _pattern(template, model.params).fullmatch(captured)
        if match is not None:
            return match.groupdict()
    return {}


def _pattern(template: str, params: Mapping[str, str]) -> re.Pattern[str]:
    parts: list[str] = []
    at, seen = 0, set[str]()
    for match in _PARAMETER.finditer(template):
        parts.append(re.escape(template[at : match.start()]))
        name = match[1]
        parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>{params.get(name, '.+')})")
        seen.add(name)
        at = match.end()
    return re.compile("".join((*parts, re.escape(template[at:]))))


def _samples(
    profile: ProfileAt, line: Mapping[str, Any], found: list[Point], received: int, cut: CutMqtt, read_time: ReadTime
) -> Sequence[Sample]:
    if "mqtt" in line:
        message = line["mqtt"]
        for name in profile.model.mqtt.routes if profile.model.mqtt else ():
            group = [point for point in found if point.block.route == name]
            if group and group[0].topic == message["topic"]:
                return cut(mqtt_route(group), message["topic"], message["payload"].encode(), received)
        raise ValueError("topic of no route")
    if "opcua" in line:
        return [opcua_sample(profile, line["opcua"], found, received)]
    if "replay" in line:
        return list(_replay(profile, line["replay"], found, received, read_time))
    raise ValueError("neither mqtt, opcua nor replay")


def opcua_sample(profile: ProfileAt, item: Mapping[str, Any], found: list[Point], received: int) -> Sample:
    """Return the sample of one captured OPC UA value: ``node, type, value, status, source, server``."""
    assert profile.model.opcua is not None, "called for an OPC UA profile"
    node = str(item["node"])
    address = node if node.startswith("nsu=") else f"nsu={profile.model.opcua.namespace};{node}"
    if address not in {point.address for point in found}:
        raise ValueError("node of no signal")
    return Sample(
        address=address,
        raw=raw_of(item.get("type"), item.get("value")),
        status=item.get("status", 0),
        source_ns=instant_ns(item["source"]) if item.get("source") else None,
        server_ns=instant_ns(item["server"]) if item.get("server") else None,
        received_ns=received,
        boot_ns=0,
    )


def _replay(
    profile: ProfileAt, row: Mapping[str, Any], found: list[Point], received: int, read_time: ReadTime
) -> Iterator[Sample]:
    assert profile.model.replay is not None, "called for a replay profile"
    time = profile.model.replay.time
    columns: Mapping[str, str] = row["columns"]
    rule = TimeRule(path=time.path, format=time.format, zone=time.zone)
    text = columns.get(time.path) if time.path is not None else None
    source = None if text is None else read_time(rule, text, received)
    for point in found:
        text = columns.get(point.address)
        raw = Raw("null", "") if text is None else Raw(WIRE_TYPES[point.block.type], _typed(point.block.type, text))
        reasons = ("absent",) if text is None else ()
        yield Sample(address=point.address, raw=raw, reasons=reasons, source_ns=source, received_ns=received, boot_ns=0)


def _typed(declared: str | None, text: str) -> bool | str:
    return text == "true" if declared == "boolean" else text


def raw_of(declared: str | None, value: Any) -> Raw:
    """Return the exact wire form of a captured value: float and double by their bits, integers and texts as written."""
    if declared is None or value is None:
        return Raw("null", "")
    wire = WIRE_TYPES[declared]
    if wire in {"f32", "f64"}:
        return Raw(wire, struct.pack(">f" if wire == "f32" else ">d", float(value)).hex())
    return Raw(wire, value if isinstance(value, bool) else str(value))


def raw_text(raw: Raw) -> str:
    """Return a wire value as `expected.jsonl` writes it: digits as typed, floats by their shortest decimal."""
    if raw.type == "f32":
        return repr(single_of_bits(str(raw.value)))
    if raw.type == "f64":
        return repr(double_of_bits(str(raw.value)))
    if isinstance(raw.value, bool):
        return "true" if raw.value else "false"
    return str(raw.value)


def instant_ns(text: str) -> int:
    """Return ``2026-11-22T07:25:00.290Z`` as ns since 1970."""
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is not a time such as 2026-11-22T07:25:00.290Z")
    whole = datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
    seconds = (whole - _EPOCH) // timedelta(seconds=1)
    return seconds * 1_000_000_000 + int((match[2] or "").ljust(9, "0"))


def check_capture(profile: ProfileAt, files: Mapping[str, bytes], cut: CutMqtt, read_time: ReadTime) -> list[Finding]:
    """Return what is wrong with a profile's captures: missing files, other readings, signals or sentinels never shown."""
    folder = f"{PROFILES}/{profile.folder}"
    capture, expected = (files.get(f"{folder}/{name}") for name in ("capture.jsonl", "expected.jsonl"))
    found: list[Finding] = []
    for name, content in (("capture.jsonl", capture), ("expected.jsonl", expected)):
        if content is None:
            found.append(finding("PRO-01", Place(f"{folder}/{name}"), "", f"no {name}"))
    if capture is None or expected is None:
        return found
    reads = list(read_capture(profile, capture, cut, read_time))
    found.extend(_compare(f"{folder}/expected.jsonl", profile, reads, expected))
    found.extend(_complete(f"{folder}/capture.jsonl", profile, reads))
    return found


def _compare(name: str, profile: ProfileAt, reads: list[Read | Ignored], expected: bytes) -> Iterator[Finding]:
    """PRO-02: every reading is expected, every expectation is met."""
    wanted: dict[tuple[int, str], tuple[int, dict[str, Any]]] = {}
    for number, text in _lines(expected):
        line = json.loads(text, parse_float=Decimal)
        wanted[int(line["from"]), str(line.get("signal", ""))] = (number, line)
    for read in reads:
        signal = read.signal if isinstance(read, Read) else ""
        number, line = wanted.pop((read.line, signal), (1, {}))
        got = {"ignored": read.why} if isinstance(read, Ignored) else shown_reading(profile, read)
        problem = _difference(line, got)
        if problem is not None:
            yield _pro_02(name, number, read.line, signal, *problem)
    for (line_number, signal), (number, line) in wanted.items():
        yield _pro_02(name, number, line_number, signal, _words(line), "nothing")


def _pro_02(name: str, number: int, line: int, signal: str, expected: str, got: str) -> Finding:
    what = f"capture line {line}, {signal}" if signal else f"capture line {line}"
    return finding("PRO-02", Place(name, number), "", f"{what}: expected {expected}, got {got}")


def shown_reading(profile: ProfileAt, read: Read) -> dict[str, Any]:
    """Return a reading as a line of `expected.jsonl` has it."""
    block = profile.model.signals[read.signal]
    found: dict[str, Any] = {"value": read.decoded.value}
    if read.decoded.raw is not None:
        found["raw"] = raw_text(read.decoded.raw)
    if block.units is not None:
        found["unit"] = block.units.record
    found["quality"] = str(read.decoded.quality)
    if read.decoded.reasons:
        found["reason"] = list(read.decoded.reasons)
    if read.source_ns is not None:
        found["source_time"] = format_instant(read.source_ns)
    return found


def format_instant(ns: int) -> str:
    """Return ns since 1970 as UTC text with as many digits as it needs."""
    seconds, rest = divmod(ns, 1_000_000_000)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{f'{rest:09d}'.rstrip('0')}Z" if rest else f"{text}Z"


def _difference(expected: Mapping[str, Any], got: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return (expected, got) in words where they differ; numbers are compared as numbers."""
    if not expected:
        return "nothing", _words(got)
    for key in ("ignored", "value", "raw", "unit", "quality", "reason", "source_time"):
        if not _same(expected.get(key), got.get(key)):
            if key in {"value", "unit"}:
                return _words(expected), _words(got)
            return f"{key} {expected.get(key)}", f"{key} {got.get(key)}"
    return None


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, bool) or isinstance(b, bool) or not isinstance(a, int | Decimal) or not isinstance(b, int | float):
        return bool(a == b)
    return Fraction(a) == exact(b)


def _words(line: Mapping[str, Any]) -> str:
    value = "null" if line.get("value") is None else str(line["value"])
    return f"{value} {line['unit']}" if "unit" in line else str(line.get("ignored", value))


def _complete(name: str, profile: ProfileAt, reads: list[Read | Ignored]) -> Iterator[Finding]:
    """PRO-03: a good reading of every signal, and every sentinel, are in the capture."""
    shown = [read for read in reads if isinstance(read, Read)]
    for signal, block in profile.model.signals.items():
        mine = [read for read in shown if read.signal == signal]
        if not any(read.decoded.quality is Quality.GOOD for read in mine):
            yield finding("PRO-03", Place(name), "", f"no good reading of {signal}")
        seen = {_number(raw_text(read.raw)) for read in mine if "sentinel" in read.decoded.reasons}
        for sentinel in block.quality.sentinels:
            if Fraction(sentinel) not in seen:
                yield finding("PRO-03", Place(name), "", f"sentinel {sentinel} not in the capture")


def _number(text: str) -> Fraction | None:
    try:
        return Fraction(text)
    except ValueError:
        return None
