"""Build routes: what each connection reads, as the sources want it: MQTT topics and OPC UA items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gateway.config.models.connections import Connection
from gateway.config.models.people import BatchAdapter
from gateway.config.models.profile import Route, SignalBlock, TimeBlock
from gateway.config.points import Point
from gateway.domain.plan import BatchRoute, MqttField, MqttPlan, MqttRoute, OpcuaItem, OpcuaPlan, TimeRule

SECOND_NS = 1_000_000_000

QUEUE_S = 600
QUEUE_MAX = 100_000


def mqtt_plans(
    found: Iterable[Point],
    connections: Mapping[str, Connection],
    adapters: Mapping[str, BatchAdapter],
    zone: str,
) -> tuple[MqttPlan, ...]:
    """Return the routes of each MQTT connection, in file order; a connection without devices still has its watch filters."""
    by_source: dict[str, dict[tuple[str, str], list[Point]]] = {}
    for point in found:
        if point.topic is not None and point.route is not None:
            routes = by_source.setdefault(point.entry.connection, {})
            routes.setdefault((point.device, point.block.route), []).append(point)
    return tuple(
        MqttPlan(
            source=name,
            routes=tuple(mqtt_route(group) for group in by_source.get(name, {}).values()),
            watch=tuple(connection.mqtt.watch),
            batches=tuple(
                _batch_route(id_, one, zone)
                for id_, one in adapters.items()
                if one.kind == "mqtt" and one.connection == name
            ),
        )
        for name, connection in connections.items()
        if connection.mqtt is not None
    )


def _batch_route(id_: str, adapter: BatchAdapter, zone: str) -> BatchRoute:
    assert adapter.topic is not None, "build follows check"
    return BatchRoute(
        adapter=id_,
        topic=adapter.topic,
        paths=dict(adapter.paths),
        states=dict(adapter.states),
        nodes=dict(adapter.nodes),
        reply=adapter.reply,
        zone=zone,
    )


def mqtt_route(group: list[Point]) -> MqttRoute:
    """Return one route with the signals of one device on it, at least one."""
    first = group[0]
    route = first.route
    assert route is not None, "grouped by route"
    assert first.topic is not None, "grouped by route"
    return MqttRoute(
        topic=first.topic,
        format=route.format,
        records=route.records,
        zip=tuple(route.zip or ()),
        time=time_rule(route.time),
        sequence=route.sequence,
        dedupe=tuple(route.dedupe),
        retained=route.retained,
        qos_expected=route.qos_expected,
        partial=route.partial,
        fields=tuple(_field(point, route) for point in group),
    )


def _field(point: Point, route: Route) -> MqttField:
    own = point.block.time
    return MqttField(
        signal=point.id,
        address=point.address,
        path=point.block.address,
        wire_type=point.block.type or "json",
        quality_path=point.block.quality.path,
        time=time_rule(own) if own is not None and own != route.time else None,
    )


def time_rule(block: TimeBlock | None) -> TimeRule | None:
    """Return where a message carries its time, None where it carries none."""
    if block is None or block.format == "none":
        return None
    return TimeRule(path=block.path, format=block.format, zone=block.zone, age_ns_max=int(block.age_s_max * SECOND_NS))


def opcua_plans(found: Iterable[Point], connections: Mapping[str, Connection]) -> tuple[OpcuaPlan, ...]:
    """Return the items of each OPC UA connection, in file order."""
    by_source: dict[str, list[Point]] = {}
    for point in found:
        if point.profile.model.opcua is not None:
            by_source.setdefault(point.entry.connection, []).append(point)
    return tuple(_opcua(name, group) for name in connections if (group := by_source.get(name)))


def _opcua(source: str, group: list[Point]) -> OpcuaPlan:
    bindings = [point.profile.model.opcua for point in group]
    return OpcuaPlan(
        source=source,
        items=tuple(_item(point) for point in group),
        publishing_ms=min(binding.publishing_ms for binding in bindings if binding is not None),
        history=any(binding is not None and binding.history == "raw" for binding in bindings),
    )


def _item(point: Point) -> OpcuaItem:
    acquire = point.block.acquire
    return OpcuaItem(
        signal=point.id,
        address=point.address,
        type=point.block.type,
        sampling_ms=acquire.sampling_ms,
        queue=queue_of(point.block),
        trigger=acquire.trigger,
        critical=point.block.use.criticality == "critical",
    )


def queue_of(block: SignalBlock) -> int:
    """Return the queue asked of an OPC UA server; default ten minutes."""
    if block.acquire.queue is not None:
        return block.acquire.queue
    return min(QUEUE_MAX, max(1, -(-QUEUE_S * 1000 // block.acquire.sampling_ms)))
