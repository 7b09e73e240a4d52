"""The publish pump: one coroutine a session, answers in the order of the requests, acknowledgement after the commit.

A message is offered, and only when its records are durable does its acknowledgement ride in the next Publish. With 8
messages uncommitted no request is sent: values wait in the server's queues, nothing is dropped here (`ingest.md` 3.3).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Protocol

from asyncua.common.utils import Buffer

from gateway.adapters.opcua.answers import Message, PublishAnswer, read_publish, read_republish
from gateway.adapters.opcua.delivery import UNCOMMITTED_MAX, Delivery
from gateway.adapters.opcua.errors import Trouble, Verdict, judge, status_name
from gateway.adapters.opcua.foreign import ua
from gateway.adapters.opcua.sequence import Place, following, missing, place
from gateway.adapters.opcua.wire import Unreadable
from gateway.domain.sample import Provenance

REQUESTS_MIN, REQUESTS_MAX = 2, 5
GRACE_S = 0.1
STARVED = 3


class Wire(Protocol):
    """What the pump asks of a session."""

    def post_publish(self, acknowledgements: list[tuple[int, int]]) -> asyncio.Future[Buffer]:
        """Post a Publish now."""
        ...

    def check_answer(self, answer: Buffer) -> bytes:
        """Return the answer's bytes or raise its status code."""
        ...

    async def ask(self, request: object) -> bytes:
        """Send another request and return its answer's bytes."""
        ...


class Sink(Protocol):
    """Where messages go."""

    async def message(self, delivery: Delivery, message: Message, provenance: Provenance) -> None:
        """Record one message; raise `Unreadable` before anything of it is offered."""
        ...

    async def hole(self, delivery: Delivery, first: int, last: int) -> None:
        """Record that these messages are gone from the server."""
        ...

    async def unreadable(self, delivery: Delivery, message: Message, why: str) -> None:
        """Put the bytes of a message away and record its gap."""
        ...

    async def heard(self, delivery: Delivery) -> None:
        """Take note that the sequence stands unbroken up to here, or that its holes are recorded."""
        ...


class Pump:
    """One session's publish loop; ends only by `Trouble` or cancellation."""

    def __init__(self, wire: Wire, deliveries: Mapping[int, Delivery], sink: Sink) -> None:
        self._wire = wire
        self._deliveries = deliveries
        self._sink = sink
        self._out: deque[tuple[asyncio.Future[Buffer], list[tuple[int, int]]]] = deque()
        self._wanted = max(REQUESTS_MIN, min(REQUESTS_MAX, len(deliveries) + 1))
        self._wake = asyncio.Event()
        self.quiet = False

    async def run(self, available: Mapping[int, tuple[int, ...]] | None) -> None:
        """Catch up what the server kept for us (``available`` None: a new subscription), then pump; raise `Trouble`."""
        for delivery in self._deliveries.values():
            delivery.wake = self._wake.set
        try:
            if available is not None:
                await self._catch_up(available)
            now = asyncio.get_running_loop().time()
            for delivery in self._deliveries.values():
                delivery.heard_s = now
            await self._pump()
        finally:
            for future, acknowledgements in self._out:
                future.cancel()
                self._restore(acknowledgements)
            self._out.clear()

    async def _pump(self) -> None:
        while True:
            self._post()
            try:
                async with asyncio.timeout_at(self._silence_at()):
                    await self._wake.wait()
            except TimeoutError:
                await asyncio.sleep(GRACE_S)  # a loop that stood still finds the answer in its socket now
                if not self._wake.is_set():
                    raise Trouble(Verdict.LINK, "nothing came for a keep-alive and 5 s") from None
            self._wake.clear()
            while self._out and self._out[0][0].done():
                future, acknowledgements = self._out.popleft()
                answer = self._read(future, acknowledgements)
                if answer is not None:
                    self._post(in_hand=1)
                    await self._take(answer)
                    self._listen_again()

    def _listen_again(self) -> None:
        """While a message waited for room in the intake nobody listened: that is no silence of the server."""
        now = asyncio.get_running_loop().time()
        if now - max(d.heard_s for d in self._deliveries.values()) > GRACE_S:
            for delivery in self._deliveries.values():
                delivery.heard_s = now

    def _silence_at(self) -> float | None:
        """Return the loop time at which silence means a dead channel; None while no request is out: it is ours then.

        Silent is a session of which nothing comes, or a subscription that stays silent while others talk: later, for
        a slow server gives its few answers to those that have values.
        """
        if not self._out:
            return None
        session = max(d.heard_s for d in self._deliveries.values()) + min(
            d.silence_s for d in self._deliveries.values()
        )
        each = (d.heard_s + STARVED * d.silence_s for d in self._deliveries.values() if d.role == "data")
        return min(session, *each)

    def _post(self, in_hand: int = 0) -> None:
        """Send as many Publish as are wanted and as the bound of uncommitted messages (and those in hand) allows."""
        if not self._out:
            now = asyncio.get_running_loop().time()
            for delivery in self._deliveries.values():
                delivery.heard_s = max(delivery.heard_s, now)
        while len(self._out) < self._wanted and self._room(len(self._out) + in_hand):
            ready = [pair for d in self._deliveries.values() for pair in d.take_ready()]
            if self.quiet and not ready:
                return
            future = self._wire.post_publish(ready)
            future.add_done_callback(lambda _: self._wake.set())
            self._out.append((future, ready))

    def _room(self, out: int) -> bool:
        return all(d.uncommitted + out < UNCOMMITTED_MAX for d in self._deliveries.values())

    def _restore(self, acknowledgements: list[tuple[int, int]]) -> None:
        for number, delivery in self._deliveries.items():
            delivery.restore([sequence for owner, sequence in acknowledgements if owner == number])

    def _read(self, future: asyncio.Future[Buffer], acknowledgements: list[tuple[int, int]]) -> PublishAnswer | None:
        """Return an answer; None when the server only said that fewer requests should be out."""
        try:
            answer = read_publish(self._wire.check_answer(future.result()))
        except (ua.UaError, OSError, Unreadable, Trouble) as error:
            self._restore(acknowledgements)
            trouble = judge(error)
            assert trouble is not None
            if trouble.status == ua.StatusCodes.BadTooManyPublishRequests and self._wanted > 1:
                self._wanted -= 1
                return None
            if trouble.status == ua.StatusCodes.BadTimeout:
                return None
            raise trouble from error
        return answer

    async def _take(self, answer: PublishAnswer) -> None:
        delivery = self._deliveries.get(answer.subscription)
        if delivery is None:
            if answer.subscription == 0:
                raise Trouble(Verdict.SUBSCRIPTION, "the server has no subscription of ours")
            return
        delivery.heard_s = asyncio.get_running_loop().time()
        if self.quiet:
            return
        message = answer.message
        if delivery.expected == 0:
            delivery.expected = message.sequence
        where = place(delivery.expected, message.sequence)
        if where is Place.AHEAD:
            await self._fill(delivery, message.sequence)
        if where is Place.BEHIND and message.parts:
            delivery.repeats += 1
            delivery.taken(message.sequence)
        elif message.parts:
            await self._offer(delivery, message, Provenance.LIVE)
        if where is not Place.BEHIND:
            await self._sink.heard(delivery)
        if message.status_change is not None:
            why = f"the server ended the subscription: {status_name(message.status_change)}"
            raise Trouble(Verdict.SUBSCRIPTION, why, status=message.status_change)

    async def _fill(self, delivery: Delivery, number: int) -> None:
        """Ask again for each message before ``number``; what the server no longer has is a hole."""
        given_up, asked = missing(delivery.expected, number)
        if delivery.role != "data":
            asked, given_up = [], None
        first = None
        if given_up is not None:
            first = given_up[0]
        for wanted in asked:
            message = await self._republish(delivery, wanted)
            if message is None:
                first = wanted if first is None else first
                continue
            if first is not None:
                await self._sink.hole(delivery, first, following(wanted, -1))
                first = None
            await self._offer(delivery, message, Provenance.REPUBLISHED)
        if first is not None:
            await self._sink.hole(delivery, first, following(number, -1))
        delivery.expected = number

    async def _catch_up(self, available: Mapping[int, tuple[int, ...]]) -> None:
        """Take what the server kept while we were away: listed numbers, or one after the other until it has no more."""
        for delivery in self._deliveries.values():
            if delivery.role != "data":
                continue
            listed = available.get(delivery.id, ())
            for number in listed:
                if place(delivery.expected, number) is Place.BEHIND:
                    delivery.taken(number)
            while True:
                while not self._room(0):
                    self._wake.clear()
                    await self._wake.wait()
                message = await self._republish(delivery, delivery.expected)
                if message is None:
                    break
                await self._offer(delivery, message, Provenance.REPUBLISHED)

    async def _republish(self, delivery: Delivery, number: int) -> Message | None:
        """Return a message that the server still keeps, None when it does not.

        Some servers say so with an empty message of another number instead of BadMessageNotAvailable (asyncua: number 0).
        """
        request = ua.RepublishRequest()
        request.Parameters.SubscriptionId = delivery.id
        request.Parameters.RetransmitSequenceNumber = number
        try:
            message = read_republish(await self._wire.ask(request))
        except (ua.UaError, OSError, TimeoutError, Unreadable) as error:
            trouble = judge(error)
            assert trouble is not None
            if trouble.verdict is Verdict.MESSAGE:
                return None
            raise trouble from error
        return message if message.sequence == number else None

    async def _offer(self, delivery: Delivery, message: Message, provenance: Provenance) -> None:
        """Offer a message; one that cannot be read is asked for once more, then it goes to quarantine."""
        try:
            await self._sink.message(delivery, message, provenance)
        except Unreadable as error:
            again = await self._republish(delivery, message.sequence)
            try:
                if again is not None:
                    await self._sink.message(delivery, again, Provenance.REPUBLISHED)
            except Unreadable:
                again = None
            if again is None:
                await self._sink.unreadable(delivery, message, str(error))
        delivery.expected = following(message.sequence)
