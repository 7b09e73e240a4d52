"""Build: from understood files to the frozen plan of the line of data. Called only where no error was found."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from typing import Any

from gateway.config.build_routes import SECOND_NS, mqtt_plans, opcua_plans, queue_of
from gateway.config.models.plant import CalibrationBlock, NodeEntry
from gateway.config.models.profile import SignalBlock, TimeBlock, ValidWhenBlock
from gateway.config.points import Point, points
from gateway.config.project import Project
from gateway.domain.plan import CalibrationEntry, Correction, Node, Plan, SignalPlan, ValidWhen
from gateway.domain.units import conversion
from gateway.domain.wire_types import enum_key

DEVELOPMENT_CHANGE_SET = "development"
_DEFAULT_TIME = TimeBlock(format="none")


def build_plan(project: Project, config_sha256: str, change_set: str | None = None) -> Plan:
    """Return the plan of one configuration epoch."""
    gateway, plant = project.gateway, project.plant
    assert gateway is not None, "build follows check"
    assert plant is not None, "build follows check"
    found = list(points(project))
    return Plan(
        config=config_sha256[:16],
        config_sha256=config_sha256,
        change_set=change_set or DEVELOPMENT_CHANGE_SET,
        dev=gateway.gateway.approval == "off",
        site=gateway.site.id,
        gateway=gateway.gateway.id,
        zone=gateway.site.timezone,
        signals={point.id: build_signal(point, plant.nodes) for point in found},
        nodes={id_: build_node(id_, entry) for id_, entry in plant.nodes.items()},
        mqtt=mqtt_plans(found, gateway.connections, gateway.batch.adapters, gateway.site.timezone),
        opcua=opcua_plans(found, gateway.connections),
        witnessed=bool(gateway.witnesses),
        stamp_every_ns=None if gateway.timestamping is None else gateway.timestamping.every_s * SECOND_NS,
    )


def build_node(id_: str, entry: NodeEntry) -> Node:
    """Return one node of the plant."""
    qualification = entry.qualification
    return Node(
        id=id_,
        level=entry.level,
        name=entry.name,
        parent=entry.in_,
        room=entry.room,
        alias=entry.alias,
        mobile=entry.mobile,
        exclusive=entry.exclusive,
        grade=entry.grade,
        qualified_until=qualification.expires_on if qualification else None,
    )


def build_signal(point: Point, nodes: dict[str, NodeEntry] | None = None) -> SignalPlan:
    """Return everything one signal needs from wire to record."""
    block, quality, mapping, units = point.block, point.block.quality, point.block.map, point.block.units
    time = block.time or (point.route.time if point.route else None) or _DEFAULT_TIME
    expected = block.acquire.expected_s
    wire_unit = None if units is None else units.wire or units.record
    return SignalPlan(
        id=point.id,
        device=point.device,
        source=point.entry.connection,
        address=point.address,
        node=point.node,
        room=room_of(point.node, nodes or {}),
        title=block.title,
        profile=point.profile.model.ref,
        profile_sha256=sha256(point.profile.file.content).hexdigest(),
        measure=block.kind,
        type=block.type,
        unit=point.unit,
        wire_unit=wire_unit,
        decimals=None if units is None else units.decimals,
        acquire=acquire_facts(point),
        expected_ns=nanoseconds(expected),
        stale_ns=nanoseconds(block.acquire.stale_s or 2 * expected),
        criticality=block.use.criticality,
        relevance=block.use.relevance,
        role=block.use.role,
        record=block.use.record,
        reduction=reduction(block),
        sentinels=tuple(quality.sentinels),
        instrument_range=_pair(quality.instrument_range),
        plausible_range=_pair(quality.plausible_range),
        rate_per_min=quality.rate_per_min,
        quality_map=dict(quality.map) if quality.map is not None else None,
        valid_when=conditions(point),
        mask=mapping.mask,
        shift=mapping.shift,
        enum=dict(mapping.enum) if mapping.enum is not None else None,
        scale=Fraction(mapping.scale) if mapping.scale is not None else Fraction(1),
        offset=Fraction(mapping.offset) if mapping.offset is not None else Fraction(0),
        conversion=None if units is None or wire_unit is None else conversion(wire_unit, units.record),
        calibration=build_calibration(point.calibration) if point.calibration else None,
        calibration_required=block.calibration_required,
        skew_ns_max=nanoseconds(time.skew_s_max),
    )


def nanoseconds(seconds: Decimal) -> int:
    """Return seconds as ns, exactly to the nanosecond."""
    return int(seconds * SECOND_NS)


def _pair(ends: list[Decimal] | None) -> tuple[Decimal, Decimal] | None:
    return None if ends is None else (ends[0], ends[1])


def room_of(node: str, nodes: dict[str, NodeEntry]) -> str | None:
    """Return the room of a node: its own, itself if it is one, or that of a node above it."""
    seen: set[str] = set()
    at: str | None = node
    while at is not None and at not in seen:
        seen.add(at)
        entry = nodes.get(at)
        if entry is None:
            return None
        if entry.level == "room":
            return at
        if entry.room is not None:
            return entry.room
        at = entry.in_
    return None


def acquire_facts(point: Point) -> dict[str, Any]:
    """Return what was asked of the source, as a `signal` record holds it: keys in byte order, scalars."""
    acquire, opcua = point.block.acquire, point.profile.model.opcua
    found: dict[str, Any] = {"expected_s": plain_number(acquire.expected_s)}
    if opcua is not None:
        found.update(publishing_ms=opcua.publishing_ms, queue=queue_of(point.block), sampling_ms=acquire.sampling_ms)
        if acquire.trigger != "timestamp":
            found["trigger"] = acquire.trigger
    if acquire.deadband is not None:
        found["deadband"] = f"{acquire.deadband.type} {acquire.deadband.value}"
    return dict(sorted(found.items()))


def plain_number(value: Decimal) -> int | float:
    """Return an integer where the decimal is one, else the double with its digits."""
    return int(value) if value == value.to_integral_value() else float(value)


def reduction(block: SignalBlock) -> str:
    """Return the declared reduction of a signal, ``none`` where every value is recorded."""
    if block.acquire.deadband is not None:
        return f"deadband {block.acquire.deadband.type} {block.acquire.deadband.value}"
    return "on_change" if block.use.record == "on_change" else "none"


def conditions(point: Point) -> tuple[ValidWhen, ...]:
    """Return the conditions of a signal: its own, and its route's unless the route's name it."""
    route = point.route
    own = list(point.block.quality.valid_when)
    if route is not None and point.name not in {condition.signal for condition in route.valid_when}:
        own = [*route.valid_when, *own]
    return tuple(_condition(point.device, condition) for condition in own)


def _condition(device: str, block: ValidWhenBlock) -> ValidWhen:
    equals = None if block.is_ is None else enum_key(block.is_)
    return ValidWhen(signal=f"{device}/{block.signal}", equals=equals, low=block.min, high=block.max)


def build_calibration(block: CalibrationBlock) -> CalibrationEntry:
    """Return one calibration entry."""
    correction = None
    if block.correction is not None:
        table = tuple((pair[0], pair[1]) for pair in block.correction.table or ())
        correction = Correction(offset=block.correction.offset, table=table)
    return CalibrationEntry(
        certificate=block.certificate,
        certificate_sha256=block.sha256,
        performed=block.performed,
        due=block.due,
        laboratory=block.laboratory,
        as_found=block.as_found,
        last_good=block.last_good,
        uncertainty_value=block.uncertainty.value if block.uncertainty else None,
        uncertainty_k=block.uncertainty.k if block.uncertainty else None,
        correction=correction,
    )
