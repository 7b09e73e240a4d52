"""Outbox: makes, sends and keeps after every deviation event until each sink has it (`deviations.md` 5).

Recorded before acted upon: bytes are committed before they are sent, an answer before it counts. What is to be done is
always read from the fold of committed records, so a restart at any point goes on where the records end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any, Final, Protocol

import structlog
from msgspec import Struct

from gateway.domain.delivery_states import DeliveryState
from gateway.errors import Refused
from gateway.ledger.records import Delivery, Deviation, Record, format_content
from gateway.pipeline.event_body import EventBody
from gateway.pipeline.outbox_answer import answer_records, object_ref, ping_record
from gateway.pipeline.outbox_fold import EXHAUSTED, OutboxFold, Shipment, SinkFold, stored_request
from gateway.ports import Committed, Journal, Stamp, SystemClock, WebAnswer, Webhook, WebRequest

LANES_MAX: Final = 4
"""Deviations in flight at once per sink."""

PROBE_S: Final = 3_600
_IDLE_S: Final = 3_600.0
_S: Final = 1_000_000_000
_OK: Final = range(200, 300)

_log = structlog.get_logger(component="outbox")


class _JournalEnded(Exception):
    """Ends the run's TaskGroup."""


class Sink(Struct, frozen=True, kw_only=True):
    """One `qms` sink as configured; ``seal(id, seconds, body)`` makes the `webhook-signature` header.

    ``headers`` are sent with every attempt (user-agent, authorization); ``required`` sinks count for confirmation.
    """

    name: str
    url: str
    webhook: Webhook
    seal: Callable[[str, int, bytes], str]
    headers: dict[str, str] = {}
    id_pointer: str = "/record_id"
    required: bool = True
    confirm_within_s: int = 14_400


class EventMaker(Protocol):
    """Makes the bytes of events, from entries up to the event's frame and that frame's checkpoint only."""

    async def make(self, index: int, record: Deviation, sink: str, commit: Committed) -> EventBody:
        """Return the body of the deviation record at ``index``; ``commit`` holds it. Raises `Refused` (HOOK-05)."""
        ...

    def ping(self, sink: str, number: int, at_ns: int) -> tuple[str, EventBody]:
        """Return id and body of ping ``number`` to a sink, made at ``at_ns``."""
        ...


class SinkReport(Struct, frozen=True, kw_only=True):
    """Counts for pages, metrics and conditions; ``oldest_ns`` is when the oldest undelivered event was raised."""

    undelivered: int
    dead: int
    held: int
    unconfirmed: int
    oldest_ns: int | None
    stopped_ns: int | None


class Outbox:
    """The outbox: `rebuild` from records if an index has them at hand, then `run` until the journal ends or it is cancelled."""

    def __init__(
        self,
        gateway: str,
        sinks: Iterable[Sink],
        maker: EventMaker,
        journal: Journal,
        stamp: Stamp,
        clock: SystemClock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._sinks = {sink.name: sink for sink in sinks}
        self._maker = maker
        self._journal = journal
        self._stamp = stamp
        self._clock = clock
        self._sleep = sleep
        self.fold = OutboxFold(gateway)
        self._size = 0
        self._advanced = asyncio.Event()
        self._wake = {name: asyncio.Event() for name in self._sinks}
        self._to_prepare = {name: asyncio.Event() for name in self._sinks}
        self._busy: dict[str, set[str]] = {name: set() for name in self._sinks}
        self._deadlines: dict[tuple[str, str], tuple[int, int]] = {}
        self._probed: dict[str, int] = {}

    @property
    def sinks(self) -> Mapping[str, Sink]:
        """The sinks as configured, by name."""
        return self._sinks

    def rebuild(self, records: Iterable[tuple[int, Record]], size: int) -> None:
        """Take the deviation and delivery records below ``size``, in order; `run` follows from there."""
        for index, record in records:
            self.fold.take(index, record)
        self._size = size

    def report(self, sink: str) -> SinkReport:
        """Return the counts of one sink."""
        fold = self.fold.sinks.get(sink, SinkFold())
        open_ones = list(fold.unresolved())
        return SinkReport(
            undelivered=len(open_ones),
            dead=sum(shipment.state is DeliveryState.DEAD for shipment in open_ones),
            held=sum(shipment.state is DeliveryState.HELD for shipment in open_ones),
            unconfirmed=sum(shipment.state is not DeliveryState.CONFIRMED for shipment in fold.shipments.values()),
            oldest_ns=min((shipment.raised_ns for shipment in open_ones), default=None),
            stopped_ns=fold.stopped_ns,
        )

    def unconfirmed(self) -> set[str]:
        """Return the deviations that some required sink of theirs has not confirmed, or not in their newest revision."""
        lanes: dict[str, set[str]] = {}
        for name, fold in self.fold.sinks.items():
            sink = self._sinks.get(name)
            if sink is None or sink.required:
                for shipment in fold.shipments.values():
                    lanes.setdefault(shipment.lane, set()).add(name)
        return {lane for lane, required in lanes.items() if not self.fold.is_confirmed(lane, required)}

    async def run(self) -> None:
        """Follow the journal and serve every sink; ends when the journal does, whatever is in flight then.

        Nothing is made or sent before all that was recorded is folded: a deviation may have been delivered long ago. May
        be started again after a fault of ours.
        """
        for busy in self._busy.values():
            busy.clear()
        recorded = self._journal.next_index
        while self._size < recorded:
            if not await self._step():
                return
        try:
            async with asyncio.TaskGroup() as tasks:
                for sink in self._sinks.values():
                    tasks.create_task(self._serve(sink, tasks))
                    tasks.create_task(self._prepare_all(sink))
                await self._follow()
                raise _JournalEnded  # noqa: TRY301 - the way to end a TaskGroup whose tasks wait for ever
        except* _JournalEnded:
            _log.debug("delivery.ended")

    async def _follow(self) -> None:
        while await self._step():
            pass

    async def _step(self) -> bool:
        """Fold the next commit; return False at the end of the journal."""
        commit = await self._journal.follow(self._size)
        if commit is None:
            return False
        touched = False
        for index, record in enumerate(commit.records, commit.first):
            if isinstance(record, Deviation | Delivery):
                self.fold.take(index, record)
                touched = True
        self._size = commit.first + len(commit.records)
        self._advanced.set()
        self._advanced = asyncio.Event()
        for event in (*self._wake.values(), *self._to_prepare.values()) if touched else ():
            event.set()
        return True

    async def _prepare_all(self, sink: Sink) -> None:
        """Make the bodies of one sink in the order of the ledger, also while it is stopped."""
        while True:
            self._to_prepare[sink.name].clear()
            fold = self.fold.sinks.get(sink.name, SinkFold())
            for shipment in [one for one in fold.active.values() if one.state is None]:
                await self._prepare(sink, shipment)
            await self._to_prepare[sink.name].wait()

    async def _prepare(self, sink: Sink, shipment: Shipment) -> None:
        commit = await self._journal.follow(shipment.index)
        assert commit is not None, "a record that was folded can be read again"
        record = commit.records[0]
        assert isinstance(record, Deviation), f"entry {shipment.index} is a {record.kind}, not a deviation"
        about = self._about(shipment)
        try:
            body = await self._maker.make(shipment.index, record, sink.name, commit)
        except Refused as refused:
            await self._record([Delivery(**about, event="dead", cause=refused.code, reason=refused.text)])
            return
        content, side_object = format_content(body.content)
        assert side_object is None, "a body of 20,000 bytes fits into the record"
        prepared = Delivery(
            **about,
            event="prepared",
            sha256=sha256(body.content).hexdigest(),
            content=content,
            facts={"headers": [f"{name}: {value}" for name, value in sorted(body.headers.items())]},
        )
        await self._record([prepared])

    async def _serve(self, sink: Sink, tasks: asyncio.TaskGroup) -> None:
        """Start what is due, at most four lanes at once; sleep until the next is due or a record changes something."""
        wake = self._wake[sink.name]
        busy = self._busy[sink.name]
        while True:
            wake.clear()
            wait_s = _IDLE_S
            for shipment in self._heads(sink.name):
                left_s = self._left_ns(shipment) / _S
                if left_s > 0:
                    wait_s = min(wait_s, left_s)
                elif len(busy) < LANES_MAX:
                    busy.add(shipment.lane)
                    tasks.create_task(self._work(sink, shipment))
            wait_s = min(wait_s, await self._look_after(sink))
            alarm = tasks.create_task(self._alarm(wait_s, wake))
            await wake.wait()
            alarm.cancel()

    async def _alarm(self, seconds: float, wake: asyncio.Event) -> None:
        await self._sleep(seconds)
        wake.set()

    def _heads(self, sink: str) -> list[Shipment]:
        """Return the first shipment of each free lane that wants an attempt; none while the sink is stopped."""
        fold = self.fold.sinks.get(sink)
        if fold is None or fold.stopped_ns is not None:
            return []
        heads: dict[str, Shipment] = {}
        for shipment in sorted(fold.active.values(), key=lambda one: one.index):
            if shipment.lane not in heads:
                heads[shipment.lane] = shipment
        busy = self._busy[sink]
        return [one for one in heads.values() if one.lane not in busy and one.due_ns is not None]

    def _left_ns(self, shipment: Shipment) -> int:
        """Return how long a shipment still waits, on the boot clock: a step of the wall clock changes nothing."""
        assert shipment.due_ns is not None
        now = self._clock.now()
        key = (shipment.sink, shipment.event_id)
        due_ns, deadline = self._deadlines.get(key, (-1, 0))
        if due_ns != shipment.due_ns:
            left_ns = min(max(0, shipment.due_ns - now.wall_ns), shipment.delay_ns)
            deadline = now.boot_ns + left_ns
            self._deadlines[key] = (shipment.due_ns, deadline)
        return deadline - now.boot_ns

    async def _work(self, sink: Sink, shipment: Shipment) -> None:
        try:
            if shipment.exhausted:
                dead = Delivery(**self._about(shipment), event="dead", cause=EXHAUSTED)
                await self._record([dead])
                _log.warning("delivery.dead", sink=sink.name, deviation=shipment.lane, error=EXHAUSTED, remedy=_REMEDY)
            else:
                await self._attempt(sink, shipment)
        finally:
            self._busy[sink.name].discard(shipment.lane)
            self._wake[sink.name].set()

    async def _attempt(self, sink: Sink, shipment: Shipment) -> None:
        body, headers = shipment.body, shipment.headers
        if body is None:
            body, headers = await self._load(shipment)
        answer = await sink.webhook.post(self._request(sink, shipment.event_id, EventBody(body, headers)))
        records = answer_records(shipment, answer, self._stamp(), sink.id_pointer)
        await self._record(records)
        self._tell(sink, shipment, answer, records)
        if any(record.event == "transported" for record in records):
            await self._recover(sink)

    def _request(self, sink: Sink, event_id: str, body: EventBody) -> WebRequest:
        seconds = self._clock.now().wall_ns // _S
        headers = {
            **sink.headers,
            **body.headers,
            "webhook-id": event_id,
            "webhook-timestamp": str(seconds),
            "webhook-signature": sink.seal(event_id, seconds, body.content),
        }
        return WebRequest(url=sink.url, body=body.content, headers=headers)

    async def _load(self, shipment: Shipment) -> tuple[bytes, dict[str, str]]:
        commit = await self._journal.follow(shipment.prepared_index)
        record = None if commit is None else commit.records[0]
        assert isinstance(record, Delivery), f"entry {shipment.prepared_index} holds no prepared delivery"
        body, headers = stored_request(record)
        assert body is not None, "a prepared body stands in its record"
        return body, headers

    async def _look_after(self, sink: Sink) -> float:
        """Record what is overdue, probe a sink with exhausted letters once an hour; return seconds to the next look."""
        fold = self.fold.sinks.get(sink.name)
        if fold is None:
            return _IDLE_S
        await self._record([Delivery(**self._about(late), event="overdue") for late in self._overdue(sink, fold)])
        if not fold.exhausted_dead() or fold.stopped_ns is not None:
            return min(_IDLE_S, self._next_overdue_s(sink, fold))
        now_ns = self._clock.now().boot_ns
        due_ns = self._probed.setdefault(sink.name, now_ns) + PROBE_S * _S
        if due_ns <= now_ns:
            self._probed[sink.name] = now_ns
            await self.ping(sink.name)
            due_ns = now_ns + PROBE_S * _S
        return max(0.001, (due_ns - self._clock.now().boot_ns) / _S)

    async def ping(self, name: str) -> tuple[WebRequest, WebAnswer]:
        """Post one ping to a sink and record the answer; a sink that hears again gets what had only run out of time."""
        sink = self._sinks[name]
        event_id, request = self.ping_request(name)
        answer = await sink.webhook.post(request)
        await self._record([ping_record(self._stamp(), name, event_id, answer, heard=answer.status in _OK)])
        if answer.status in _OK:
            await self._recover(sink)
        return request, answer

    def ping_request(self, name: str) -> tuple[str, WebRequest]:
        """Return id and request of the next ping to a sink."""
        number = self.fold.sinks.get(name, SinkFold()).pings + 1
        event_id, body = self._maker.ping(name, number, self._clock.now().wall_ns)
        return event_id, self._request(self._sinks[name], event_id, body)

    async def _recover(self, sink: Sink) -> None:
        """Queue again, in order, what only ran out of time."""
        again = [one for one in self.fold.sinks[sink.name].exhausted_dead() if one.due_ns is None]
        await self._record([Delivery(**self._about(one), event="replay", cause="sink_recovered") for one in again])

    def _overdue(self, sink: Sink, fold: SinkFold) -> list[Shipment]:
        """Return one shipment for each lane whose time to be confirmed has passed and that was not said to be late yet."""
        now_ns = self._clock.now().wall_ns
        return [one for one in self._awaited(fold) if one.raised_ns + sink.confirm_within_s * _S <= now_ns]

    def _next_overdue_s(self, sink: Sink, fold: SinkFold) -> float:
        now_ns = self._clock.now().wall_ns
        ends = [one.raised_ns + sink.confirm_within_s * _S - now_ns for one in self._awaited(fold)]
        return max(0.001, min(ends, default=int(_IDLE_S) * _S) / _S)

    def _awaited(self, fold: SinkFold) -> list[Shipment]:
        firsts: dict[str, Shipment] = {}
        done: set[str] = set()
        for shipment in fold.shipments.values():
            firsts.setdefault(shipment.lane, shipment)
            if shipment.record_ids or shipment.overdue:
                done.add(shipment.lane)
        return [first for lane, first in firsts.items() if lane not in done]

    async def _record(self, records: list[Delivery]) -> None:
        """Commit records and return once the fold has taken them."""
        if not records:
            return
        last = self._journal.append(records) + len(records) - 1
        await self._journal.committed(last)
        while self._size <= last:
            await self._advanced.wait()

    def _about(self, shipment: Shipment) -> dict[str, Any]:
        about = {"delivery": shipment.event_id, "object": object_ref(shipment), "sink": shipment.sink}
        return {**self._stamp(), **about}

    def _tell(self, sink: Sink, shipment: Shipment, answer: WebAnswer, records: list[Delivery]) -> None:
        about = {"sink": sink.name, "deviation": shipment.lane, "attempt": records[0].attempt, "status": answer.status}
        if answer.status is None:
            _log.warning("delivery.attempted", **about, error=answer.cause or "no answer", remedy=_AGAIN)
        else:
            _log.info("delivery.attempted", **about)
        events = {record.event for record in records}
        if "receipt" in events:
            _log.info("delivery.confirmed", **about)
        if "dead" in events:
            _log.warning("delivery.dead", **about, error="refused", remedy=_REMEDY)


_AGAIN: Final = "it is tried again by itself; is the receiver up, its name, port and certificate right?"
_REMEDY: Final = "see gateway hook show, correct the receiver, then gateway hook replay"
