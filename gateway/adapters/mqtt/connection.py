"""One connection to the broker, from CONNECT to its loss: receive, keep alive, subscribe, acknowledge. Never used again."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct
from paho.mqtt.client import Client

from gateway.adapters.mqtt.client import BufferedClient, connect, link_message, make_client, subscribe
from gateway.adapters.mqtt.foreign import FOREIGN, LinkLost, link_lost
from gateway.adapters.mqtt.inbound import Inbound
from gateway.adapters.mqtt.link import MqttLink
from gateway.adapters.mqtt.publish import Arrival, MalformedPublish
from gateway.adapters.mqtt.window import Repeats, Window
from gateway.adapters.mqtt.wire import Wire
from gateway.ports import SystemClock

TAKEN_OVER: Final = 0x8E
UNREAD_BYTES_MAX: Final = 8_388_608
"""Received bytes that may wait for room among the held messages before we stop listening.

Mosquitto sends on whatever Receive Maximum says. A socket that is not read closes the TCP window, and opening it again costs
probes a fifth of a second apart: the whole rate fell to a fifth.
"""
ANSWER_S: Final = 30.0
"""Longest wait for CONNACK and for the SUBACKs."""

_PINGREQ: Final = b"\xc0\x00"
_DISCONNECT: Final = b"\xe0\x00"
_SECOND: Final = 1_000_000_000


class Greeting(Struct, frozen=True, kw_only=True):
    """What CONNACK said: whether the broker still knew us, and where it gave less than we asked."""

    session_present: bool
    findings: tuple[str, ...] = ()
    revised: dict[str, int | str] = {}


class Connection:
    """Owns a client and its wire. All methods run on the loop; ``arrivals`` is what has been received and not yet cut.

    ``paused``: as many messages are held as may be, more may wait uncut. ``lost`` says why the connection has ended, None while it lives. ``wake`` is set for arrivals and for the loss.
    """

    def __init__(self, link: MqttLink, tls: ssl.SSLContext | None, clock: SystemClock, repeats: Repeats) -> None:
        self._link = link
        self._tls = tls
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._inbound = Inbound(v5=link.v5, serve=self._serve)
        self._topic: str | None = None
        self._client: BufferedClient | None = None
        self._wire: Wire | None = None
        self._greeted: asyncio.Future[Greeting] = self._loop.create_future()
        self._subacks: dict[int, int] = {}
        self._asked: dict[int, str] = {}
        self._asked_ns = 0
        self._timer: asyncio.TimerHandle | None = None
        self._acking = False
        self._keepalive_ns = link.keepalive_s * _SECOND
        self._said_ns = self._pinged_ns = 0
        self._stopped = False
        self.paused = False
        self.held_max = 2 * link.receive_max
        self.heard_ns = clock.now().monotonic_ns
        self.arrivals: deque[Arrival] = deque()
        self.window = Window(
            repeats, self._acknowledge_soon, lambda: self.drop("discarded", "the ledger did not keep a message")
        )
        self.wake = asyncio.Event()
        self.lost: LinkLost | None = None

    async def open(self, source: str, epoch: int) -> Greeting:
        """Connect and wait for CONNACK; raise `LinkLost`. Cancelled: the socket is dropped."""
        link = self._link
        self._topic = f"gateway/{link.gateway}/link/{source}" if link.link_topic else None
        will = (self._topic, link_message("offline", self._clock.now().wall_ns, epoch)) if self._topic else None
        client = self._client = make_client(link, self._tls, will)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        dialling = self._loop.run_in_executor(None, connect, client, link)
        try:
            await asyncio.shield(dialling)
        except FOREIGN as error:
            raise link_lost(link.endpoint, error) from error
        except asyncio.CancelledError:
            dialling.add_done_callback(lambda done: _abandon(done, client))
            raise
        wire = self._wire = client.wire
        assert wire is not None, "connect returns with a socket"
        wire.on_bytes = self._take
        wire.on_lost = lambda why: self.drop("connection", why)
        self.heard_ns = self._said_ns = self._clock.now().monotonic_ns
        wire.attach(self._loop)
        self._timer = self._loop.call_later(1.0, self._tick)
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._greeted
        except TimeoutError:
            self.drop("timeout", f"no CONNACK within {ANSWER_S:.0f} s")
            assert self.lost is not None
            raise self.lost from None

    def subscribe(self, topics: Mapping[str, int]) -> None:
        """Subscribe each topic under its number; `granted` has the answers once they are all there.

        Nobody may wait for them without reading on: the broker sends what it had queued for us in front of its SUBACKs.
        """
        client, wire = self._parts()
        for topic, number in topics.items():
            self._asked[subscribe(client, self._link, topic, number)] = topic
        self._asked_ns = self._clock.now().monotonic_ns
        wire.flush()

    def granted(self) -> dict[str, int] | None:
        """Return what was granted for each topic asked, once: 0, 1, or a code from 0x80. None: not all answers are there."""
        if not self._asked or not self._subacks.keys() >= self._asked.keys():
            return None
        found = {topic: self._subacks.pop(mid) for mid, topic in self._asked.items()}
        self._asked.clear()
        return found

    def unsubscribe(self, topic: str) -> None:
        """Give back a subscription of an older configuration."""
        client, wire = self._parts()
        client.unsubscribe(topic)
        wire.flush()

    def announce(self, state: str, epoch: int) -> None:
        """Publish our state, retained, at QoS 1."""
        if self._topic is None or self.lost is not None:
            return
        client, wire = self._parts()
        client.publish(self._topic, link_message(state, self._clock.now().wall_ns, epoch), qos=1, retain=True)
        wire.flush()

    def publish(self, topic: str, payload: bytes) -> bool:
        """Publish at QoS 1; False while the broker does not know us: it is for the next connection then."""
        if self.lost is not None or not self._greeted.done():
            return False
        client, wire = self._parts()
        client.publish(topic, payload, qos=1)
        wire.flush()
        return True

    def relieve(self) -> None:
        """Cut on after a pause, once half of what may be held is free again; listen again once there is room to."""
        if not self.paused or self._stopped or self.lost is not None or self.held > self.held_max // 2:
            return
        self._drain()
        if self._inbound.size <= UNREAD_BYTES_MAX // 2 and self._wire is not None:
            self._wire.resume()

    @property
    def held(self) -> int:
        """Messages received and not yet acknowledged."""
        return len(self.arrivals) + len(self.window)

    def stop_reading(self) -> None:
        """Read nothing more from the wire, for good; acknowledgements still leave."""
        self._stopped = self.paused = True
        if self._wire is not None:
            self._wire.pause()

    def bid_farewell(self, epoch: int) -> None:
        """Say offline and DISCONNECT (the session stays) as far as the kernel takes it now, then drop the socket."""
        if self._wire is not None and self.lost is None:
            self._acknowledge()
            self.announce("offline", epoch)
            self._wire.send(_DISCONNECT)
            self._wire.flush()
        self.drop("stopped", "the gateway stops")

    def drop(self, cause: str, why: str) -> None:
        """End the connection for the reason ``cause``, a code of link events; see `end`."""
        self.end(LinkLost(f"connection to {self._link.endpoint} ended: {why}", cause=cause))

    def end(self, lost: LinkLost) -> None:
        """End the connection: nothing is said to the broker, nothing of it is acknowledged any more."""
        if self.lost is not None:
            return
        self.lost = lost
        self.window.current = False
        if self._timer is not None:
            self._timer.cancel()
        if self._wire is not None:
            self._wire.close()
        if not self._greeted.done():
            self._greeted.set_exception(self.lost)
            self._greeted.exception()  # seen: nobody waits for it after a cancel
        self.wake.set()

    # from the wire

    def _take(self, data: bytes) -> None:
        moment = self._clock.now()
        self.heard_ns = moment.monotonic_ns
        if self._inbound.feed(data, moment) and not self.paused:
            self._drain()
        if self.paused and self._inbound.size > UNREAD_BYTES_MAX and self._wire is not None:
            self._wire.pause()

    def _drain(self) -> None:
        try:
            self.paused = not self._inbound.drain(self.arrivals, self.held_max - self.held)
        except MalformedPublish as error:
            self.drop("protocol", f"the broker sent a packet that MQTT forbids: {error}")
        if self.arrivals:
            self.wake.set()

    def _serve(self, packet: bytes) -> bool:
        """Let paho read one packet that is no PUBLISH; its answers leave at once. False: the connection has ended."""
        client, wire = self._parts()
        wire.serve(packet)
        client.loop_read()
        if client.want_write():
            client.loop_write()
        wire.flush()
        return self.lost is None

    def _acknowledge_soon(self) -> None:
        """One write for all that one commit settles: it happens after the settling calls of this turn of the loop."""
        if not self._acking and self.lost is None:
            self._acking = True
            self._loop.call_soon(self._acknowledge)

    def _acknowledge(self) -> None:
        self._acking = False
        acks = self.window.take_acks()
        if self._wire is None or self.lost is not None:
            return
        if acks:
            self._wire.send(acks)
            self._said_ns = self._clock.now().monotonic_ns
            self._wire.flush()
        self.relieve()

    def _tick(self) -> None:
        """Each second: a ping in time, and the end of a link that has been silent for two keep-alives."""
        if self.lost is not None or self._wire is None:
            return
        now = self._clock.now().monotonic_ns
        if self.paused:
            self.heard_ns = self._asked_ns = now  # we do not listen: silence is ours
            self.relieve()
        early = self._keepalive_ns * 3 // 4
        if now - self.heard_ns >= 2 * self._keepalive_ns:
            self.drop("keepalive", f"silent for {2 * self._keepalive_ns // _SECOND} s")
            return
        if self._asked and now - self._asked_ns >= ANSWER_S * _SECOND:
            self.drop("timeout", f"no SUBACK within {ANSWER_S:.0f} s")
            return
        if now - self._pinged_ns >= early and (now - self._said_ns >= early or now - self.heard_ns >= early):
            self._pinged_ns = self._said_ns = now
            self._wire.send(_PINGREQ)
            self._wire.flush()
        self._timer = self._loop.call_later(1.0, self._tick)

    # from paho

    def _on_connect(self, _client: Client, _userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if self._greeted.done():
            return
        if reason.is_failure:
            self.drop("connack", f"the broker refused us: {reason} ({reason.value:#04x})")
            return
        findings, revised = self._findings(properties)
        self._greeted.set_result(
            Greeting(session_present=bool(flags.session_present), findings=findings, revised=revised)
        )

    def _findings(self, properties: Any) -> tuple[tuple[str, ...], dict[str, int | str]]:
        """Return where CONNACK gives less than we asked."""
        findings: list[str] = []
        revised: dict[str, int | str] = {}
        for name, key in (
            ("SessionExpiryInterval", "session_expiry_s"),
            ("MaximumQoS", "qos_max"),
            ("AssignedClientIdentifier", "client_id"),
            ("ServerKeepAlive", "keepalive_s"),
        ):
            value = getattr(properties, name, None)
            if value is not None:
                revised[key] = value
        expiry, keepalive = revised.get("session_expiry_s"), revised.get("keepalive_s")
        if isinstance(expiry, int) and expiry < self._link.session_expiry_s:
            findings.append("session_expiry_shorter")
        if revised.get("qos_max") == 0:
            findings.append("qos_0_only")
        if "client_id" in revised:
            findings.append("client_id_assigned")
        if isinstance(keepalive, int) and keepalive > 0:
            self._keepalive_ns = keepalive * _SECOND
        return tuple(findings), revised

    def _on_subscribe(self, _client: Client, _userdata: Any, mid: int, reasons: Any, _properties: Any) -> None:
        self._subacks[mid] = reasons[0].value
        self.wake.set()

    def _on_disconnect(self, _client: Client, _userdata: Any, flags: Any, reason: Any, _properties: Any) -> None:
        if flags.is_disconnect_packet_from_server and reason is not None and reason.value == TAKEN_OVER:
            self.drop("client_id_in_use", "another client took our client id (0x8E)")
        else:
            self.drop("disconnected", f"{reason}")

    def _parts(self) -> tuple[BufferedClient, Wire]:
        assert self._client is not None
        assert self._wire is not None
        return self._client, self._wire


def _abandon(done: asyncio.Future[None], client: BufferedClient) -> None:
    """Close a socket whose connect outlived the wish for it."""
    if not done.cancelled():
        done.exception()
    if client.wire is not None:
        client.wire.close()
