"""The paho client of one connection: MQTT 5 as `ingest.md` 4.1 sets it, on a buffered wire, never used twice."""

from __future__ import annotations

import json
import socket
import ssl
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from paho.mqtt.client import Client, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from gateway.adapters.mqtt.link import MqttLink
from gateway.adapters.mqtt.wire import Wire

RETAINED_ALWAYS: Final = 0
RETAINED_IF_NEW: Final = 1
"""Retain handling 1: the broker sends a retained message only with a new subscription."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class BufferedClient(Client):
    """paho's client on our `Wire`. It never reconnects, never acknowledges and keeps no queue of received messages.

    The socket is made here: paho's own way leaks it when the TLS handshake fails.
    """

    wire: Wire | None = None
    tls: ssl.SSLContext | None = None

    def _create_socket(self) -> Any:
        raw = socket.create_connection((self.host, self.port), timeout=self.connect_timeout)
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls is not None:
                raw = self.tls.wrap_socket(raw, server_hostname=self.host, do_handshake_on_connect=False)
                raw.do_handshake()
        except (OSError, ValueError):
            raw.close()
            raise
        self.wire = Wire(raw)
        return self.wire


def make_client(link: MqttLink, tls: ssl.SSLContext | None, will: tuple[str, bytes] | None) -> BufferedClient:
    """Return a client that is ready to connect; ``will`` is (topic, payload) of the state it leaves behind."""
    client = BufferedClient(
        CallbackAPIVersion.VERSION2,
        client_id=link.client_id,
        clean_session=None if link.v5 else False,
        protocol=MQTTv5 if link.v5 else MQTTv311,
        reconnect_on_failure=False,
        manual_ack=True,
    )
    client.connect_timeout = link.connect_timeout_s
    if link.user is not None:
        client.username_pw_set(link.user, link.password)
    client.tls = tls
    if will is not None:
        properties: Any = None
        if link.v5:
            properties = _properties(PacketTypes.WILLMESSAGE)
            properties.WillDelayInterval = link.will_delay_s
        client.will_set(will[0], will[1], qos=1, retain=True, properties=properties)
    return client


def connect(client: BufferedClient, link: MqttLink) -> None:
    """Connect, shake hands and queue CONNECT; blocks, so it runs in a worker thread. Raises `foreign.FOREIGN`."""
    if not link.v5:
        client.connect(link.host, link.port, link.keepalive_s)
        return
    properties = _properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = link.session_expiry_s
    properties.ReceiveMaximum = link.receive_max
    properties.TopicAliasMaximum = 0
    client.connect(link.host, link.port, link.keepalive_s, clean_start=False, properties=properties)


def subscribe(client: BufferedClient, link: MqttLink, topic: str, number: int) -> int:
    """Queue one SUBSCRIBE with its subscription id; return its message id.

    Readings at QoS 1, never 2. What the broker says of itself at QoS 0: it must not queue up while we are away.
    """
    own = topic.startswith("$")
    qos = 0 if own else 1
    if not link.v5:
        _, mid = client.subscribe(topic, qos=qos)
    else:
        handling = RETAINED_ALWAYS if own else RETAINED_IF_NEW
        options = SubscribeOptions(qos=qos, retainAsPublished=True, retainHandling=handling)
        properties = _properties(PacketTypes.SUBSCRIBE)
        properties.SubscriptionIdentifier = number
        _, mid = client.subscribe([(topic, options)], properties=properties)
    assert mid is not None, "paho gives every SUBSCRIBE a message id while its socket is open"
    return mid


def link_message(state: str, at_ns: int, epoch: int) -> bytes:
    """Return the payload of our link topic, ``{"state":…,"at":…,"epoch":…}``."""
    at = (_EPOCH + timedelta(microseconds=at_ns // 1000)).isoformat(timespec="milliseconds")
    return json.dumps({"state": state, "at": at.replace("+00:00", "Z"), "epoch": epoch}, separators=(",", ":")).encode()


def _properties(packet: int) -> Any:
    return Properties(packet)  # type: ignore[no-untyped-call]  # paho has no annotation there
