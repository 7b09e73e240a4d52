"""Questions to a broker for `gateway check`: does it let us in, does it give what we ask, may we read our topics.

We are there as ``<client_id>-check``, so that the live session is not taken over; nothing is published, nothing acknowledged, and no
session of ours is left behind: topics are asked for under one that ends with its connection.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace
from paho.mqtt.client import Client, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from gateway.adapters.mqtt.foreign import FOREIGN, LinkLost, link_lost
from gateway.adapters.mqtt.link import MqttLink, tls_context
from gateway.config.environment import Answer, EnvironmentCheck, Shared, reason
from gateway.domain.plan import MqttPlan

WAIT_S: Final = 4.5
"""For all of one conversation; there are two, and the check itself ends at 10 s."""
TURN_S: Final = 0.05
REFUSED: Final = 0x80
TOPICS_SHOWN: Final = 3
_NEXT_ACL: Final = "Next: let our client certificate's name, or user, read them (docs/guides/mosquitto.md)"


class Said(Struct):
    """What a broker said: its CONNACK properties by our names, and the answer to each topic (0, 1, 2, or from 0x80)."""

    revised: dict[str, int]
    granted: dict[str, int]


class _Probe(Client):
    """paho's client with a socket of our making: its own leaks when a handshake fails."""

    tls: ssl.SSLContext | None = None

    def _create_socket(self) -> Any:
        raw = socket.create_connection((self.host, self.port), timeout=self.connect_timeout)
        try:
            return raw if self.tls is None else self.tls.wrap_socket(raw, server_hostname=self.host)
        except (OSError, ValueError):
            raw.close()
            raise


def converse(link: MqttLink, topics: tuple[str, ...]) -> Said:
    """Connect, subscribe to ``topics``, leave; blocking. Raises `LinkLost` or `SourceRefused`.

    Without topics the session is asked for as the live one is, to see what the broker makes of it; no message can come to it.
    """
    ended = time.monotonic() + WAIT_S
    said, state, asked = Said({}, {}), {"refused": "", "greeted": False}, dict[int, str]()
    client = _client(link)

    def greeted(_client: Client, _data: Any, _flags: Any, reason: Any, properties: Any) -> None:
        state["greeted"], state["refused"] = True, f"{reason} ({reason.value:#04x})" if reason.is_failure else ""
        for name, key in (("SessionExpiryInterval", "session_expiry_s"), ("MaximumQoS", "qos_max")):
            if (value := getattr(properties, name, None)) is not None:
                said.revised[key] = value

    def answered(_client: Client, _data: Any, mid: int, reasons: Any, _properties: Any) -> None:
        said.granted[asked[mid]] = reasons[0].value

    client.on_connect, client.on_subscribe = greeted, answered
    try:
        _connect(client, link, keep=not topics)
        _turn(client, link, ended, lambda: bool(state["greeted"]))
        if state["refused"]:
            text = f"{link.endpoint} refused {link.client_id}: {state['refused']}"
            raise LinkLost(text, cause="connack", remedy="check certificate, user and what the broker allows them")
        for topic in topics:
            asked[_subscribe(client, link, topic)] = topic
        _turn(client, link, ended, lambda: len(said.granted) == len(topics))
    except FOREIGN as error:
        raise link_lost(link.endpoint, error) from error
    finally:
        _leave(client, link)
    return said


@dataclass(frozen=True)
class MqttCheck:
    """One question to one broker; ``judge`` makes the answer of what it said."""

    id: str
    target: str
    said: Shared[Said]
    judge: Callable[[Said], Answer]
    first: bool = False

    async def ask(self) -> Answer:
        """Take part in the conversation; a broker that is not reached is told of once."""
        try:
            return self.judge(await self.said.get())
        except LinkLost as lost:
            if not self.first:
                return Answer("skipped", "no connection")
            cause = lost.__cause__
            why = f"no connection: {reason(cause)}" if isinstance(cause, OSError) else lost.text
            return Answer("failed", f"{why}. Next: {lost.remedy}")


def mqtt_checks(plan: MqttPlan, link: MqttLink) -> Iterator[EnvironmentCheck]:
    """Yield the questions to the broker of a plan."""
    probe = replace(link, client_id=f"{link.client_id}-check", connect_timeout_s=WAIT_S)
    named = dict.fromkeys([*(one.topic for one in plan.routes), *(one.topic for one in plan.batches), *plan.watch])
    hello = Shared(lambda: asyncio.to_thread(converse, probe, ()))

    async def ask_topics() -> Said:
        await hello.get()  # two clients of one name would throw each other out
        return await asyncio.to_thread(converse, replace(probe, session_expiry_s=0), tuple(named))

    topics = Shared(ask_topics)
    who = f"{plan.source} as {probe.client_id}"
    yield MqttCheck("mqtt-connect", who, hello, lambda said: _connected(said, link), first=True)
    if link.v5:
        yield MqttCheck("mqtt-expiry", plan.source, hello, lambda said: _expiry(said, link))
    if named:
        yield MqttCheck("mqtt-acl", plan.source, topics, _granted)


def _connected(said: Said, link: MqttLink) -> Answer:
    if said.revised.get("qos_max", 1) == 0:
        return Answer("failed", "gives QoS 0 only: readings would be lost in silence. Next: allow QoS 1 at the broker")
    return Answer("ok", f"{link.endpoint}, MQTT {link.protocol}")


def _expiry(said: Said, link: MqttLink) -> Answer:
    given = said.revised.get("session_expiry_s", link.session_expiry_s)
    if given >= link.session_expiry_s:
        return Answer("ok", f"keeps our queue for {link.session_expiry_s // 86_400} days")
    text = f"keeps our queue for {given:,} s, asked {link.session_expiry_s:,} s"
    return Answer("warning", f"{text}. Next: raise its longest session expiry, or lower session_expiry_d")


def _granted(said: Said) -> Answer:
    refused = [f"{topic} ({code:#04x})" for topic, code in said.granted.items() if code >= REFUSED]
    if refused:
        more = f" and {len(refused) - TOPICS_SHOWN} more" if len(refused) > TOPICS_SHOWN else ""
        return Answer("failed", f"refuses {', '.join(refused[:TOPICS_SHOWN])}{more}. {_NEXT_ACL}")
    lower = [topic for topic, code in said.granted.items() if code == 0]
    if lower:
        return Answer("warning", f"gives QoS 0 for {', '.join(lower[:TOPICS_SHOWN])}. Next: allow QoS 1 there")
    return Answer("ok", f"QoS 1 granted for {len(said.granted)} topics")


def _client(link: MqttLink) -> _Probe:
    client = _Probe(
        CallbackAPIVersion.VERSION2,
        client_id=link.client_id,
        clean_session=None if link.v5 else True,
        protocol=MQTTv5 if link.v5 else MQTTv311,
        reconnect_on_failure=False,
        manual_ack=True,
    )
    client.connect_timeout, client.tls = link.connect_timeout_s, tls_context(link)
    if link.user is not None:
        client.username_pw_set(link.user, link.password)
    return client


def _connect(client: Client, link: MqttLink, *, keep: bool) -> None:
    if not link.v5:
        client.connect(link.host, link.port, link.keepalive_s)
        return
    properties = _properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = link.session_expiry_s if keep else 0
    client.connect(link.host, link.port, link.keepalive_s, clean_start=True, properties=properties)


def _subscribe(client: Client, link: MqttLink, topic: str) -> int:
    """Ask for one topic, for none of its retained messages; return the message id."""
    if link.v5:
        _, mid = client.subscribe([(topic, SubscribeOptions(qos=1, retainHandling=2))])
    else:
        _, mid = client.subscribe(topic, qos=1)
    assert mid is not None, "paho gives every SUBSCRIBE a message id while its socket is open"
    return mid


def _turn(client: Client, link: MqttLink, ended: float, done: Callable[[], bool]) -> None:
    """Turn paho's loop until done; raise `LinkLost` at the end of the time, or of the connection."""
    while not done():
        broken = client.loop(TURN_S) != 0
        if (broken and not done()) or time.monotonic() > ended:
            why = "ended the connection" if broken else f"did not answer within {WAIT_S:g} s"
            raise LinkLost(f"{link.endpoint} {why}", cause="timeout", remedy="look into the broker's log")


def _leave(client: Client, link: MqttLink) -> None:
    """Say good-bye and end our session, then close the socket whatever happened."""
    if client.is_connected():
        properties = _properties(PacketTypes.DISCONNECT) if link.v5 else None
        if properties is not None:
            properties.SessionExpiryInterval = 0
        client.disconnect(properties=properties)
    open_socket = client.socket()
    if open_socket is not None:
        open_socket.close()


def _properties(packet: int) -> Any:
    return Properties(packet)  # type: ignore[no-untyped-call]  # paho has no annotation there
