"""Questions of `gateway check` to the servers a configuration names: sources, sinks, time stamping, witnesses.

All are asked at once, as ``<client_id>-check`` where there are names; nothing is written, posted or stamped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.adapters.system_clock import OsClock
from gateway.app.sinks import qms_rule, qms_tls
from gateway.app.site import Site
from gateway.app.sources import mqtt_link, opcua_link
from gateway.config.environment import Answer, EnvironmentCheck
from gateway.config.load import Loaded
from gateway.domain.plan import MqttPlan, OpcuaPlan
from gateway.errors import GatewayError

if TYPE_CHECKING:
    from ssl import SSLContext

    from gateway.adapters.webhook.address_check import AddressRule


@dataclass(frozen=True)
class Refusal:
    """A question that cannot be asked: what stands in its way is the answer."""

    id: str
    target: str
    error: GatewayError | OSError

    async def ask(self) -> Answer:
        """Raise what stands in the way."""
        raise self.error


def network_checks(site: Site, loaded: Loaded, folder: Path, wall_s: float) -> Iterator[EnvironmentCheck]:
    """Yield the questions; a server whose own files cannot be used is one failed answer, and the others are asked."""
    for mqtt_plan in site.plan.mqtt:
        try:
            yield from _mqtt(site, mqtt_plan)
        except (GatewayError, OSError) as error:
            yield Refusal("mqtt-connect", mqtt_plan.source, error)
    for opcua_plan in site.plan.opcua:
        try:
            yield from _opcua(site, opcua_plan)
        except (GatewayError, OSError) as error:
            yield Refusal("opcua-session", opcua_plan.source, error)
    yield from _sinks(site, wall_s)
    if site.settings.witnesses:
        from gateway.adapters.witness.check import witness_checks  # noqa: PLC0415 - aiohttp only where a witness is

        yield from witness_checks(loaded, folder)


def _mqtt(site: Site, plan: MqttPlan) -> Iterator[EnvironmentCheck]:
    from gateway.adapters.mqtt.check import mqtt_checks  # noqa: PLC0415 - paho only where MQTT is configured

    block = site.settings.connections[plan.source].mqtt
    assert block is not None, "the plan follows the connection"
    yield from mqtt_checks(plan, mqtt_link(site, block))


def _opcua(site: Site, plan: OpcuaPlan) -> Iterator[EnvironmentCheck]:
    from gateway.adapters.opcua.check import opcua_checks  # noqa: PLC0415 - asyncua costs a second of start time

    block = site.settings.connections[plan.source].opcua
    assert block is not None, "the plan follows the connection"
    name = f"{site.plan.gateway}-check"
    yield from opcua_checks(plan, opcua_link(site, plan, block), name=name, wall_ns=OsClock().now().wall_ns)


def _sinks(site: Site, wall_s: float) -> Iterator[EnvironmentCheck]:
    from gateway.adapters.reach import reach_checks  # noqa: PLC0415 - beside its use

    for name, sink in site.settings.sinks.items():
        if sink.qms is not None:
            rule = qms_rule(site, sink.qms)
            try:
                rule.check_url(sink.qms.url, approval=not site.development)
            except GatewayError as error:
                yield Refusal("sink-reach", name, error)
                continue
            tls = partial(qms_tls, site, sink.qms)
            yield from reach_checks("sink-reach", name, sink.qms.url, tls, wall_s, partial(_allowed, rule))
        if sink.influxdb is not None:
            tls = partial(_tls, site, sink.influxdb.ca)
            yield from reach_checks("sink-reach", name, sink.influxdb.url, tls, wall_s)
    stamping = site.settings.timestamping
    if stamping is not None:
        tls = partial(_tls, site, stamping.ca, more=True)
        yield from reach_checks("tsa", "timestamping", stamping.url, tls, wall_s)


async def _allowed(rule: AddressRule, host: str, port: int) -> None:
    """Raise `Refused` where a host resolves to an address outside ``allow_networks``."""
    from aiohttp import ThreadedResolver  # noqa: PLC0415 - aiohttp only where a sink needs it

    from gateway.adapters.webhook.address_check import CheckedResolver  # noqa: PLC0415 - as above

    await CheckedResolver(rule, ThreadedResolver()).resolve(host, port)


def _tls(site: Site, ca: str | None, *, more: bool = False) -> SSLContext:
    """Return a context over ``ca`` alone, or (``more``) over it beside the operating system's authorities."""
    from gateway.adapters.webhook.sender import make_tls  # noqa: PLC0415 - aiohttp only where a sink needs it

    if ca is None or not more:
        return make_tls(None if ca is None else site.path(ca))
    context = make_tls()
    context.load_verify_locations(cafile=site.path(ca))
    return context
