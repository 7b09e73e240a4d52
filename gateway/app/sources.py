"""Sources: connections of the configuration made into sources of the pipeline; secrets are resolved here."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

from gateway.app.site import Site
from gateway.config.models.connections import Mqtt, Opcua
from gateway.domain.plan import MqttPlan, OpcuaPlan
from gateway.ports import Source, SystemClock

if TYPE_CHECKING:
    from gateway.adapters.mqtt.link import MqttLink
    from gateway.adapters.opcua.link import OpcuaLink

_RANDOM = secrets.SystemRandom()
DAY_S = 86_400


def make_sources(site: Site, clock: SystemClock, restart_cause: str) -> dict[str, Source]:
    """Return the sources by connection id; adapters are imported only where they are used: each costs start time."""
    sources: dict[str, Source] = {}
    for mqtt_plan in site.plan.mqtt:
        block = site.settings.connections[mqtt_plan.source].mqtt
        assert block is not None, "the plan follows the connection"
        sources[mqtt_plan.source] = _mqtt(site, mqtt_plan, block, clock)
    for opcua_plan in site.plan.opcua:
        opcua = site.settings.connections[opcua_plan.source].opcua
        assert opcua is not None, "the plan follows the connection"
        sources[opcua_plan.source] = _opcua(site, opcua_plan, opcua, clock, restart_cause)
    return sources


def early_commits(site: Site) -> Mapping[str, int]:
    """Return for each MQTT source half its window: that many unacknowledged messages start a commit early."""
    return {
        plan.source: block.receive_max // 2
        for plan in site.plan.mqtt
        if (block := site.settings.connections[plan.source].mqtt) is not None
    }


def _mqtt(site: Site, plan: MqttPlan, block: Mqtt, clock: SystemClock) -> Source:
    from gateway.adapters.mqtt.source import MqttSource  # noqa: PLC0415 - paho only where MQTT is configured

    return MqttSource(plan, mqtt_link(site, block), clock, _RANDOM.random)


def mqtt_link(site: Site, block: Mqtt) -> MqttLink:
    """Return the link of an MQTT block."""
    from urllib.parse import urlsplit  # noqa: PLC0415 - beside its use

    from gateway.adapters.mqtt.link import MqttLink  # noqa: PLC0415 - paho only where MQTT is configured

    parts = urlsplit(block.url)
    tls = parts.scheme == "mqtts"
    return MqttLink(
        host=parts.hostname or "localhost",
        port=parts.port or (8883 if tls else 1883),
        gateway=site.plan.gateway,
        client_id=block.client_id or site.plan.gateway,
        tls=tls,
        ca=None if block.ca is None else str(site.path(block.ca)),
        certificate=None if block.certificate is None else str(site.path(block.certificate)),
        key=None if block.key is None else str(site.secret_file(block.key)),
        user=block.user,
        password=None if block.password is None else site.secret_text(block.password),
        protocol=str(block.protocol),
        session_expiry_s=block.session_expiry_d * DAY_S,
        receive_max=block.receive_max,
        keepalive_s=block.keepalive_s,
        payload_kb_max=block.payload_kb_max,
    )


def _opcua(site: Site, plan: OpcuaPlan, block: Opcua, clock: SystemClock, restart_cause: str) -> Source:
    from gateway.adapters.opcua.source import OpcuaSource  # noqa: PLC0415 - asyncua costs a second of start time

    return OpcuaSource(opcua_link(site, plan, block), plan, clock, draw=_RANDOM.random, restart_cause=restart_cause)


def opcua_link(site: Site, plan: OpcuaPlan, block: Opcua) -> OpcuaLink:
    """Return the link of an OPC UA block; our own certificate is `state/opcua/own.der`, the same after restarts."""
    from gateway.adapters.opcua.link import OpcuaLink  # noqa: PLC0415 - asyncua costs a second of start time

    own, key = site.state / "opcua" / "own.der", site.state / "opcua" / "own.key"
    return OpcuaLink(
        url=block.url,
        policy=block.policy,
        mode=block.mode,
        user=block.user,
        password=None if block.password is None else site.secret_text(block.password),
        user_certificate=None if block.user_certificate is None else site.path(block.user_certificate).read_bytes(),
        user_key=None if block.user_key is None else site.secret(block.user_key),
        own_certificate=own.read_bytes() if own.is_file() else None,
        own_key=key.read_bytes() if key.is_file() else None,
        application_uri=f"urn:{site.plan.site}:{site.plan.gateway}",
        server_certificate=None
        if block.server_certificate is None
        else site.path(block.server_certificate).read_bytes(),
        keepalive_s=block.keepalive_s,
        development=site.development,
        session_file=site.state / "opcua" / f"{plan.source}.session",
    )
