"""The MQTT source: connect, resume, read, offer, acknowledge after the commit, and try again for as long as it runs."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.adapters.mqtt import broker_watch
from gateway.adapters.mqtt.batch_topic import compile_batch
from gateway.adapters.mqtt.connection import Connection, Greeting
from gateway.adapters.mqtt.foreign import LinkLost
from gateway.adapters.mqtt.intake import MessageIntake
from gateway.adapters.mqtt.link import MqttLink, tls_context
from gateway.adapters.mqtt.link_gaps import LinkGaps, is_refused
from gateway.adapters.mqtt.publish import Arrival
from gateway.adapters.mqtt.route import Codec, compile_plan
from gateway.adapters.mqtt.window import Repeats
from gateway.domain.plan import MqttPlan
from gateway.ports import Fact, Inlet, SystemClock

PAUSE_S_MIN: Final = 0.5
PAUSE_S_MAX: Final = 30.0
JITTER: Final = 0.2
SILENT_S: Final = 10.0
REFUSED_AGAIN_S: Final = 60.0
REPEATS_WINDOWS: Final = 4
"""Committed messages remembered, in windows: after a reconnect a broker may send a window again and one more."""
REPLIES_MAX: Final = 1_000
"""Answers to the plant that wait for a connection; the oldest are given up, for the same key gets its answer again."""
TURN: Final = 100
"""Messages taken together, between two moments in which other tasks may run."""
TURN_BYTES: Final = 32_768
"""Payload after which a turn ends all the same: a message may hold thousands of readings."""

_SECOND: Final = 1_000_000_000


class MqttSource:
    """One MQTT connection as a `gateway.ports.Source`.

    Raises `SourceRefused` when the plan or the TLS files cannot be used. ``draw`` returns a fresh number in [0, 1) for the
    jitter of pauses. An orderly stop is `quiesce`, then cancel: offline, DISCONNECT; a cancel alone drops the socket.
    """

    def __init__(
        self,
        plan: MqttPlan,
        link: MqttLink,
        clock: SystemClock,
        draw: Callable[[], float],
        *,
        codecs: Mapping[str, Codec] | None = None,
    ) -> None:
        self._plan = plan
        self._link = link
        self._clock = clock
        self._draw = draw
        self._routes = compile_plan(plan, codecs)
        self._tls = tls_context(link)
        self._numbers = {route.topic: number for number, route in enumerate(self._routes.values(), 1)}
        if link.v5:
            self._numbers |= {watch: len(self._routes) + number for number, watch in enumerate(plan.watch, 1)}
        self._batches = {one.topic.encode(): compile_batch(one) for one in plan.batches}
        for one in plan.batches:
            self._numbers.setdefault(one.topic, len(self._numbers) + 1)
        self._replies: deque[tuple[str, bytes]] = deque(maxlen=REPLIES_MAX)
        self._asked = self._numbers | {topic: len(self._numbers) + n for n, topic in enumerate(broker_watch.TOPICS, 1)}
        self._connection: Connection | None = None
        self._counts: Counter[str] = Counter()
        self._quiet = False
        self._told = ""
        self._connected = False
        self._refused: dict[str, int] = {}

    @property
    def counts(self) -> Mapping[str, int]:
        """Messages, repeats, overlap copies and quarantined messages since the start, for telemetry."""
        return self._counts

    def quiesce(self) -> None:
        """Read no more from the wire; what was offered still settles and is acknowledged."""
        self._quiet = True
        if self._connection is not None:
            self._connection.stop_reading()
            self._connection.wake.set()

    async def run(self, inlet: Inlet) -> None:
        """Read until cancelled."""
        resume = inlet.resume(self._plan.source)
        self._repeats = Repeats(REPEATS_WINDOWS * self._link.receive_max, resume.repeats, resume.incarnation)
        self._gaps = LinkGaps(self._routes.values(), resume.gaps_open)
        self._messages = MessageIntake(
            self._plan,
            self._routes,
            resume,
            self._repeats,
            self._gaps,
            self._counts,
            self._link.payload_kb_max * 1024,
            self._batches,
            self._reply,
        )
        self._first, self._known = True, resume.incarnation > 0
        self._subscribed: set[str] = set()
        self._silent_from = self._clock.now().monotonic_ns
        pause_s = PAUSE_S_MIN
        try:
            while True:
                if self._quiet:
                    await asyncio.Event().wait()
                began = self._clock.now().monotonic_ns
                lost = await self._one_connection(inlet)
                lived = self._clock.now().monotonic_ns - began > SILENT_S * _SECOND
                pause_s = PAUSE_S_MIN if lived else pause_s
                taken = lost.cause == "client_id_in_use"
                await self._rest(PAUSE_S_MAX if taken else pause_s * (1 + JITTER * (2 * self._draw() - 1)), inlet)
                pause_s = min(pause_s * 2, PAUSE_S_MAX)
        finally:
            self._end()

    def _end(self) -> None:
        if self._connection is not None:
            if self._quiet:
                self._connection.bid_farewell(self._messages.epoch)
            else:
                self._connection.drop("cancelled", "the source was cancelled")

    async def _one_connection(self, inlet: Inlet) -> LinkLost:
        """Run one connection from its first packet to its loss; return why it ended."""
        connection = self._connection = Connection(self._link, self._tls, self._clock, self._repeats)
        opened = False
        try:
            greeting = await connection.open(self._plan.source, self._messages.epoch + 1)
            opened = True
            await self._begin(inlet, connection, greeting)
            await self._serve(inlet, connection, greeting)
        except LinkLost as error:
            connection.end(error)
        lost = connection.lost
        assert lost is not None, "a connection ends for a reason"
        await self._leftovers(inlet, connection)
        if opened:
            self._silent_from = connection.heard_ns
        await self._tell_loss(inlet, lost, opened=opened)
        return lost

    async def _begin(self, inlet: Inlet, connection: Connection, greeting: Greeting) -> None:
        """Take a new epoch, subscribe, and say in the stream what this connection proves or has lost."""
        messages = self._messages
        messages.epoch += 1
        if not greeting.session_present:
            self._repeats.forget()
            self._subscribed.clear()
        if not greeting.session_present or not messages.incarnation:
            messages.incarnation += 1
        facts = self._gaps.returned(
            session_present=greeting.session_present, known_before=self._known, first=self._first
        )
        self._first, self._known, self._connected, self._told = False, True, False, ""
        if facts:
            await inlet.offer(messages.notice(tuple(facts)))
        messages.fresh = {topic for topic in (*self._routes, *self._batches) if topic.decode() not in self._subscribed}
        messages.retain_is_old = not self._link.v5
        connection.subscribe(self._asked)
        connection.announce("online", messages.epoch)
        self._send_replies()

    def _reply(self, topic: str, told: dict[str, Any]) -> None:
        """Answer the plant after the commit; while no broker hears us the newest answers wait."""
        self._replies.append((topic, json.dumps(told, separators=(",", ":")).encode()))
        self._send_replies()

    def _send_replies(self) -> None:
        while self._replies and self._connection is not None and self._connection.publish(*self._replies[0]):
            self._replies.popleft()

    async def _hear_answers(self, inlet: Inlet, connection: Connection, greeting: Greeting) -> None:
        """Say in the stream what the broker granted, once all its answers are there."""
        codes = connection.granted()
        if codes is None:
            return
        facts = self._judge(codes)
        if not self._connected:
            self._connected = True
            facts.append(Fact(kind="link", cause="connected", detail=self._link_detail(greeting, codes)))
        if facts:
            await inlet.offer(self._messages.notice(tuple(facts)))

    def _judge(self, codes: Mapping[str, int]) -> list[Fact]:
        facts = self._gaps.granted(self._routes.values(), codes)
        for route in self._routes.values():
            if route.topic in codes:
                if is_refused(route, codes[route.topic]):
                    self._refused[route.topic] = self._numbers[route.topic]
                else:
                    self._refused.pop(route.topic, None)
                    self._subscribed.add(route.topic)
        for topic in (one.topic for one in self._plan.batches if one.topic in codes):
            if codes[topic] >= 0x80:  # noqa: PLR2004 - a refusal
                self._refused[topic] = self._numbers[topic]
            else:
                self._subscribed.add(topic)
                if topic.encode() not in self._routes:
                    self._refused.pop(topic, None)
        return facts

    def _link_detail(self, greeting: Greeting, codes: Mapping[str, int]) -> dict[str, Any]:
        findings = list(greeting.findings)
        if self._plan.watch and not self._link.v5:
            findings.append("watch_needs_mqtt_5")
        findings += [f"watch_refused:{watch}" for watch in self._plan.watch if codes.get(watch, 0) >= 0x80]  # noqa: PLR2004 - a refusal
        if any(codes[topic] >= 0x80 for topic in broker_watch.TOPICS):  # noqa: PLR2004 - a refusal
            findings.append("sys_refused")
        detail: dict[str, Any] = {
            "client_id": self._link.client_id,
            "endpoint": self._link.endpoint,
            "findings": findings,
            "granted": sum(codes[topic] < 0x80 for topic in self._numbers),  # noqa: PLR2004 - a refusal
            "keepalive_s": self._link.keepalive_s,
            "protocol": self._link.protocol,
            "receive_max": self._link.receive_max,
            "refused": sorted(self._refused),
            "session_expiry_s": self._link.session_expiry_s,
            "session_present": greeting.session_present,
        }
        return detail | {f"revised_{name}": value for name, value in greeting.revised.items()}

    async def _serve(self, inlet: Inlet, connection: Connection, greeting: Greeting) -> None:
        """Offer what arrives until the connection is lost; `offer` waiting is what holds the broker back."""
        arrivals, again = connection.arrivals, self._clock.now().monotonic_ns
        if self._quiet:
            connection.stop_reading()
        while connection.lost is None:
            connection.wake.clear()
            await self._offer_all(inlet, connection)
            await self._hear_answers(inlet, connection, greeting)
            connection.relieve()
            while self._messages.stale and connection.lost is None:
                connection.unsubscribe(self._messages.stale.pop())
            if arrivals or connection.lost is not None:
                continue
            await self._tell_stop(inlet)
            now = self._clock.now().monotonic_ns
            if self._refused and now - again >= REFUSED_AGAIN_S * _SECOND:
                again = now
                connection.subscribe(self._refused)
            quiet = self._messages.bound.quiet(now)
            if quiet:
                await inlet.offer(self._messages.notice(quiet))
            try:
                async with asyncio.timeout(SILENT_S):
                    await connection.wake.wait()
            except TimeoutError:
                continue

    async def _tell_stop(self, inlet: Inlet) -> None:
        """After `quiesce`, once all that had arrived is offered: say in the stream that this source stops, with its counts."""
        if self._quiet and self._told != "stopped":
            self._told = "stopped"
            detail: dict[str, Any] = {"endpoint": self._link.endpoint, **self._counts}
            await inlet.offer(self._messages.notice((Fact(kind="link", cause="stopped", detail=detail),)))

    async def _offer_all(self, inlet: Inlet, connection: Connection) -> None:
        arrivals, window = connection.arrivals, connection.window
        while arrivals:
            await inlet.offer_run(self._messages.parcels(_turn(arrivals), window))
            if arrivals:
                await asyncio.sleep(0)

    async def _leftovers(self, inlet: Inlet, connection: Connection) -> None:
        """Offer what had arrived before the loss: it is recorded under its epoch and never acknowledged."""
        await self._offer_all(inlet, connection)

    async def _tell_loss(self, inlet: Inlet, lost: LinkLost, *, opened: bool) -> None:
        """Say in the stream that the link is gone; attempts that fail alike are said once."""
        facts = self._gaps.cut()
        if opened or lost.cause != self._told:
            self._told = lost.cause
            detail = {"endpoint": self._link.endpoint, "reason": lost.cause, "text": lost.text}
            cause = "lost" if opened else "not_connected"
            facts.append(
                Fact(
                    kind="link", cause="client_id_in_use" if lost.cause == "client_id_in_use" else cause, detail=detail
                )
            )
        if facts:
            await inlet.offer(self._messages.notice(tuple(facts)))

    async def _rest(self, seconds: float, inlet: Inlet) -> None:
        """Wait before the next attempt; ten seconds after the last traffic the outage is a gap."""
        silent = (self._clock.now().monotonic_ns - self._silent_from) / _SECOND
        first = min(max(SILENT_S - silent, 0.0), seconds)
        await asyncio.sleep(first)
        if first < seconds or silent + first >= SILENT_S:
            facts = self._gaps.silent()
            if facts:
                await inlet.offer(self._messages.notice(tuple(facts)))
        await asyncio.sleep(seconds - first)


def _turn(arrivals: deque[Arrival]) -> list[Arrival]:
    """Take the oldest messages, as many as one turn of the loop may do."""
    run, size = list[Arrival](), 0
    while arrivals and len(run) < TURN and size < TURN_BYTES:
        run.append(arrivals.popleft())
        size += len(run[-1].payload)
    return run
