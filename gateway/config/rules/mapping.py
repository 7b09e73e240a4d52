"""Mapping rules of a profile: paths, enums, what applies to which type, units, times, reductions.

MAP-01 to MAP-04, UNT-01, UNT-02, TIM-01, TIM-02, RED-01, PRO-04, and the keys that one kind of signal needs (SCH-02).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.config.findings import Severity, finding
from gateway.config.models.profile import Route, SignalBlock, TimeBlock
from gateway.config.nearest import did_you_mean, nearest
from gateway.config.payload_path import path_problem
from gateway.config.project import ProfileAt, Project
from gateway.config.rules.parameters import check_profile_parameters
from gateway.config.yaml_file import Path, dotted
from gateway.domain.units import ALIASES, UNITS
from gateway.domain.wire_types import INTEGERS, NUMBERS

_BINARY_TYPES = frozenset(
    ("boolean", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float", "double", "string")
)
_TEXT_TYPES = frozenset(("number", "integer", "boolean", "string"))
_ADDRESS_STARTS = ("s=", "i=", "g=", "b=", "nsu=", "path:/")


class _At:
    """One profile under check: adds findings at paths of its file."""

    def __init__(self, project: Project, profile: ProfileAt) -> None:
        self.project, self.profile, self.file = project, profile, profile.file

    def add(self, id_: str, path: Path, message: str, *, warning: bool = False, suggestion: str | None = None) -> None:
        """Add a finding at the value, where defaults were merged at theirs, for a missing key at its block."""
        at = path
        if at not in self.file.values and at[:1] == ("signals",) and ("defaults", *at[2:]) in self.file.values:
            at = ("defaults", *at[2:])
        place = self.file.place(at) if at in self.file.values else self.file.key_place(_above(self.file.values, at))
        severity: Severity = "warning" if warning else "error"
        self.project.add(finding(id_, place, dotted(path), message, severity=severity, suggestion=suggestion))


def _above(values: Mapping[Path, object], path: Path) -> Path:
    return next((path[:length] for length in range(len(path), 0, -1) if path[:length] in values), ())


def check_profile(project: Project, profile: ProfileAt) -> None:
    """Run the family on one profile."""
    at = _At(project, profile)
    check_profile_parameters(project, profile.file, profile.model)
    for name, route in profile.model.mqtt.routes.items() if profile.model.mqtt else ():
        _route(at, name, route)
    for name, block in profile.model.signals.items():
        path: Path = ("signals", name)
        _kind(at, path, block)
        _mapping(at, path, block)
        _quality(at, path, block)
        _reduction(at, path, block)
        _units(at, path, block)
        _address(at, path, block)
        _staleness(at, path, block)


def unknown_unit(unit: str) -> tuple[str, str | None] | None:
    """Return message and suggestion if ``unit`` is no code of the list."""
    if unit in UNITS:
        return None
    near = ALIASES.get(unit) or nearest(unit, UNITS)
    return f"unknown unit '{unit}'{did_you_mean(near)}", near


def _kind(at: _At, path: Path, block: SignalBlock) -> None:
    """Type, units and enum that the kind needs or refuses."""
    _type(at, path, block)
    if block.kind in {"analog", "counter"}:
        if block.type is not None and block.type not in NUMBERS:
            at.add("MAP-04", (*path, "kind"), f"kind {block.kind} does not apply to type {block.type}")
        if block.units is None:
            at.add("SCH-02", (*path, "units"), "missing key 'units': unit that is recorded")
    elif block.units is not None:
        at.add("MAP-04", (*path, "units"), f"units does not apply to kind {block.kind}")
    if block.kind == "state" and block.type != "string" and block.map.enum is None:
        at.add("SCH-02", (*path, "map", "enum"), "missing key 'enum': names of the states")
    if block.kind == "text" and block.type not in {None, "string"}:
        at.add("MAP-04", (*path, "kind"), f"kind text does not apply to type {block.type}")


def _type(at: _At, path: Path, block: SignalBlock) -> None:
    binding = at.profile.model.binding
    allowed = _BINARY_TYPES if binding in {"opcua", "sparkplug"} else _TEXT_TYPES
    if block.kind == "event":
        if block.type is not None:
            at.add("MAP-04", (*path, "type"), "type does not apply to kind event")
    elif block.type is None:
        at.add("SCH-02", (*path, "type"), "missing key 'type': type on the wire")
    elif block.type not in allowed:
        expected = ", ".join(sorted(allowed))
        at.add("SCH-03", (*path, "type"), f"'{block.type}' is not {expected} ({binding})")


def _mapping(at: _At, path: Path, block: SignalBlock) -> None:
    mapping, declared = block.map, block.type
    integer, numeric = declared in INTEGERS, declared in NUMBERS
    for key, used, fits in (
        ("mask", mapping.mask is not None, integer),
        ("shift", mapping.shift != 0, integer),
        ("enum", mapping.enum is not None, integer or declared in {"boolean", "string"}),
        ("scale", mapping.scale is not None, numeric and mapping.enum is None),
        ("offset", mapping.offset is not None, numeric and mapping.enum is None),
    ):
        if used and not fits:
            at.add("MAP-04", (*path, "map", key), f"{key} does not apply to type {declared}")
    first: dict[str, str] = {}
    for wire, state in (mapping.enum or {}).items():
        if state in first:
            message = f"enum maps {first[state]} and {wire} to '{state}'"
            at.add("MAP-03", (*path, "map", "enum", wire), message)
        first.setdefault(state, wire)
        if declared == "boolean" and wire not in {"true", "false"}:
            at.add("SCH-03", (*path, "map", "enum", wire), f"'{wire}' is not true or false")
        if integer and not wire.removeprefix("-").isdigit():
            at.add("SCH-03", (*path, "map", "enum", wire), f"'{wire}' is not a whole number")


def _quality(at: _At, path: Path, block: SignalBlock) -> None:
    quality = block.quality
    numeric = block.type in NUMBERS
    ranged = numeric and block.map.enum is None
    for key, used, fits in (
        ("sentinels", bool(quality.sentinels), numeric),
        ("instrument_range", quality.instrument_range is not None, ranged),
        ("plausible_range", quality.plausible_range is not None, ranged),
        ("rate_per_min", quality.rate_per_min is not None, ranged),
    ):
        if used and not fits:
            at.add("MAP-04", (*path, "quality", key), f"{key} does not apply to type {block.type}")
    if quality.path is not None:
        _json_path(at, (*path, "quality", "path"), quality.path)
    _conditions(at, (*path, "quality", "valid_when"), [condition.signal for condition in quality.valid_when])


def _conditions(at: _At, path: Path, signals: list[str]) -> None:
    """Conditions look at signals of this profile that hang on no condition themselves."""
    for index, signal in enumerate(signals):
        block = at.profile.model.signals.get(signal)
        if block is None:
            near = nearest(signal, at.profile.model.signals)
            at.add("REF-01", (*path, index, "signal"), f"no signal '{signal}'{did_you_mean(near)}", suggestion=near)
        elif block.quality.valid_when:
            at.add("SCH-03", (*path, index, "signal"), f"'{signal}' is not a signal without valid_when of its own")


def _reduction(at: _At, path: Path, block: SignalBlock) -> None:
    acquire, use = block.acquire, block.use
    name = path[-1]
    for key, used in (
        (("acquire", "deadband"), acquire.deadband is not None),
        (("use", "record"), use.record == "on_change"),
    ):
        if not used:
            continue
        if block.kind == "analog" and use.criticality == "critical":
            at.add("RED-01", (*path, *key), f"reduction of {name} is refused: critical")
        elif use.reason is None:
            at.add("RED-01", (*path, *key), f"reduction of {name} needs a reason")


def _units(at: _At, path: Path, block: SignalBlock) -> None:
    if block.units is None:
        return
    short = (*path, "units", "record") not in at.file.values
    known = True
    for key, unit in (("record", block.units.record), ("wire", block.units.wire)):
        problem = unknown_unit(unit) if unit is not None else None
        if problem is not None:
            known = False
            at.add("UNT-01", (*path, "units") if short else (*path, "units", key), problem[0], suggestion=problem[1])
    if known and block.units.wire is not None:
        a, b = UNITS[block.units.wire], UNITS[block.units.record]
        if a.dimension != b.dimension:
            message = f"cannot convert {a.code} ({a.dimension}) to {b.code} ({b.dimension})"
            at.add("UNT-02", (*path, "units", "wire"), message)
    if block.units.check not in {"none", "eu"}:
        _json_path(at, (*path, "units", "check"), block.units.check)


def _address(at: _At, path: Path, block: SignalBlock) -> None:
    model = at.profile.model
    if model.opcua is not None:
        if block.address.startswith("ns="):
            at.add(
                "SCH-03", (*path, "address"), f"'{block.address}' is not s=, i=, g=, b=, nsu= or path:/ (ns= changes)"
            )
        elif not block.address.startswith(_ADDRESS_STARTS):
            at.add("SCH-03", (*path, "address"), f"'{block.address}' is not s=, i=, g=, b=, nsu= or path:/")
    if model.mqtt is None:
        return
    route = model.mqtt.routes.get(block.route)
    if route is None:
        near = nearest(block.route, model.mqtt.routes)
        at.add("REF-01", (*path, "route"), f"no route '{block.route}'{did_you_mean(near)}", suggestion=near)
        return
    if route.format == "json" or "@" in route.format:
        _json_path(at, (*path, "address"), block.address)
    if block.time is not None:
        _time(at, (*path, "time"), block.time)
    elif route.time is None or route.time.format == "none":
        at.add("TIM-02", path, "no source time: received time only", warning=True)
    if route.qos_expected == 0 and block.use.criticality == "critical":
        at.add("PRO-04", path, "QoS 0 on a critical signal", warning=True)


def _staleness(at: _At, path: Path, block: SignalBlock) -> None:
    stale, expected = block.acquire.stale_s, block.acquire.expected_s
    if stale is not None and block.use.criticality == "critical" and stale > 2 * expected:
        at.add(
            "SCH-03",
            (*path, "acquire", "stale_s"),
            f"{stale} is not at most {2 * expected}, twice expected_s (critical)",
        )


def _route(at: _At, name: str, route: Route) -> None:
    path: Path = ("mqtt", "routes", name)
    if set(route.topic) & {"+", "#"}:
        at.add("SCH-03", (*path, "topic"), f"'{route.topic}' is not a topic without wildcard")
    for where, text in _route_paths(path, route):
        _json_path(at, where, text)
    if route.time is not None:
        _time(at, (*path, "time"), route.time)
    _conditions(at, (*path, "valid_when"), [condition.signal for condition in route.valid_when])


def _route_paths(path: Path, route: Route) -> Iterator[tuple[Path, str]]:
    yield (*path, "records"), route.records
    if route.sequence is not None:
        yield (*path, "sequence"), route.sequence
    for key in ("zip", "dedupe"):
        for index, text in enumerate(getattr(route, key) or ()):
            yield (*path, key, index), text


def _time(at: _At, path: Path, block: TimeBlock) -> None:
    if block.path is not None:
        _json_path(at, (*path, "path"), block.path)
    elif block.format != "none":
        at.add("SCH-02", (*path, "path"), "missing key 'path': where the time is")
    zoned = "%z" in block.format or "%Z" in block.format
    if block.format.startswith("strptime:") and not zoned and block.zone is None:
        at.add("TIM-01", (*path, "format"), "time text has no zone: add zone")


def _json_path(at: _At, path: Path, text: str) -> None:
    problem = path_problem(text)
    if problem is not None:
        at.add(problem.id, path, problem.message)
