"""A small plant on a real broker: devices that count, and our source on a fake inlet. Shared by the MQTT tests."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Any

import aiomqtt

from gateway.adapters.mqtt.link import MqttLink
from gateway.adapters.mqtt.source import MqttSource
from gateway.domain.plan import MqttField, MqttPlan, MqttRoute
from gateway.domain.repeat import TransportKey, format_transport_key, topic_of
from gateway.ports import Parcel, Resume
from tests.fakes.inlet import FakeInlet
from tests.fakes.running_clock import RunningClock
from tests.paths import ROOT

SOURCE = "plant"


def shipped_conf(folder: Path) -> str:
    """The shipped broker file without what needs certificates, for a loopback listener."""
    without = {
        "per_listener_settings", "listener", "cafile", "certfile", "keyfile", "tls_version", "allow_anonymous",
        "require_certificate", "use_identity_as_username", "acl_file", "persistence_location",
    }  # fmt: skip
    lines = (ROOT / "deploy" / "mosquitto.conf").read_text().splitlines()
    kept = [line for line in lines if line and not line.startswith("#") and line.split()[0] not in without]
    return "\n".join([*kept, f"persistence_location {folder}/"])


def plan(*topics: str, watch: Sequence[str] = (), **route: Any) -> MqttPlan:
    """One signal ``v`` on each topic."""
    fields = {t: (MqttField(signal=f"{t}/v", address=f"{t}#v", path="v", wire_type="number"),) for t in topics}
    routes = tuple(MqttRoute(topic=t, fields=fields[t], **route) for t in topics)
    return MqttPlan(source=SOURCE, routes=routes, watch=tuple(watch))


def link(port: int, **more: Any) -> MqttLink:
    return MqttLink(
        **({"host": "127.0.0.1", "port": port, "gateway": "gw-01", "client_id": "gw-01", "tls": False} | more)
    )


def source(port: int, made: MqttPlan, **more: Any) -> MqttSource:
    return MqttSource(made, link(port, **more), RunningClock(), lambda: 0.5)


@contextlib.asynccontextmanager
async def running(made: MqttSource, inlet: FakeInlet, *, connected: bool = True) -> AsyncIterator[asyncio.Task[None]]:
    """Run a source; at the end it is cancelled, as a power cut would end it: no farewell."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(made.run(inlet))
        if connected:
            await inlet.until_fact("link", "connected")
        try:
            yield task
        finally:
            task.cancel()


@contextlib.asynccontextmanager
async def publisher(port: int, client_id: str = "device", **more: Any) -> AsyncIterator[aiomqtt.Client]:
    async with aiomqtt.Client(
        "127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5, identifier=client_id, **more
    ) as client:
        yield client


async def publish(port: int, topic: str, values: Iterable[Any], *, qos: int = 1, retain: bool = False) -> None:
    """Publish ``{"v":value}`` for each value; at QoS 1 the broker has each before this returns."""
    async with publisher(port) as device:
        for value in values:
            await device.publish(topic, f'{{"v":{value}}}'.encode(), qos=qos, retain=retain)


def resume_of(parcels: Iterable[Parcel]) -> Resume:
    """What the ledger would tell a restarted source after these parcels were committed."""
    parcels = [parcel for parcel in parcels if parcel.source == SOURCE]
    if not parcels:
        return Resume()
    keys, times, gaps = [], {}, {}
    for parcel in parcels:
        for fact in parcel.facts:
            if fact.kind == "gap_opened":
                gaps[fact.key] = fact.cause
            elif fact.kind == "gap_closed":
                gaps.pop(fact.key, None)
        for sample in parcel.samples:
            if sample.source_ns is not None:
                times[sample.address] = sample.source_ns
        first = parcel.samples[0] if parcel.samples else None
        if first is not None and first.payload is not None and parcel.position:
            key = TransportKey(parcel.incarnation, parcel.position, first.payload.sha256, topic_of(first.address))
            keys.append(format_transport_key(key))
    last = parcels[-1]
    return Resume(
        incarnation=last.incarnation,
        epoch=last.epoch,
        position=last.position,
        source_ns=times,
        gaps_open=gaps,
        repeats=tuple(keys[-2000:]),
    )
