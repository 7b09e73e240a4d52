"""The outbox as the fold of deviation and delivery records: no table, no memory of its own (`deviations.md` 5)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct, UnsetType

from gateway.domain.delivery_states import TABLE, DeliveryEvent, DeliveryState, Verdict, next_delivery_state
from gateway.domain.identity import delivery_id
from gateway.ledger.records import Delivery, Deviation, Record, parse_content
from gateway.pipeline.outbox_wait import EXHAUSTED_NS

EXHAUSTED = "exhausted"
"""Cause of a dead letter that ran out of time; the first success of its sink sends it once more."""

_OPEN = frozenset({DeliveryState.PREPARED, DeliveryState.WAITING})


class Shipment(Struct, kw_only=True):
    """One event on its way to one sink. ``state`` is None while its body is not made. Times: wall clock, ns.

    ``lane`` is the deviation: its revisions go in order. ``due_ns`` is when to try, None when nothing is to be tried.
    ``delay_ns`` is the wait that ``due_ns`` ends, which no step of the wall clock makes longer.
    ``waited_ns`` sums the waits of its schedule, so neither a clock step nor a box without power uses it up.
    """

    event_id: str
    sink: str
    lane: str
    revision: int
    index: int
    raised_ns: int
    state: DeliveryState | None = None
    prepared_index: int = -1
    prepared_ns: int = 0
    body: bytes | None = None
    headers: dict[str, str] = {}
    attempts: int = 0
    waited_ns: int = 0
    due_ns: int | None = None
    delay_ns: int = 0
    cause: str = ""
    record_ids: list[str] = []
    overdue: bool = False

    @property
    def open(self) -> bool:
        """Whether it holds back the later revisions of its lane: not made yet, prepared or waiting."""
        return self.state is None or self.state in _OPEN

    @property
    def exhausted(self) -> bool:
        """Whether its time is used up: the next step is the dead letter, not an attempt."""
        return self.waited_ns >= EXHAUSTED_NS and self.state in _OPEN


class SinkFold(Struct, kw_only=True):
    """What the records say of one sink; ``stopped_ns`` since a 410, until a person enables it.

    ``active`` are the few shipments that are open or due, so that a wake costs nothing for the many that are settled.
    """

    stopped_ns: int | None = None
    pings: int = 0
    shipments: dict[str, Shipment] = {}
    active: dict[str, Shipment] = {}

    def sort(self, shipment: Shipment) -> None:
        """Put a shipment among the active ones or take it out."""
        if shipment.open or shipment.due_ns is not None:
            self.active[shipment.event_id] = shipment
        else:
            self.active.pop(shipment.event_id, None)

    def unresolved(self) -> Iterator[Shipment]:
        """Shipments not yet with the QMS, in the order of the ledger."""
        settled = (DeliveryState.TRANSPORTED, DeliveryState.CONFIRMED)
        return (shipment for shipment in self.shipments.values() if shipment.state not in settled)

    def exhausted_dead(self) -> list[Shipment]:
        """Dead letters that only ran out of time, in the order of their lanes' revisions."""
        dead = [p for p in self.shipments.values() if p.state is DeliveryState.DEAD and p.cause == EXHAUSTED]
        return sorted(dead, key=lambda shipment: (shipment.index, shipment.revision))


class Contradiction(Struct, frozen=True):
    """HOOK-07: the QMS gave two record ids for one deviation."""

    lane: str
    sink: str
    first: str
    second: str


class OutboxFold:
    """State of all deliveries, moved by records alone: the live path and a restart run the same code."""

    def __init__(self, gateway: str) -> None:
        self._gateway = gateway
        self.sinks: dict[str, SinkFold] = {}
        self.contradictions: list[Contradiction] = []

    def take(self, index: int, record: Record) -> None:
        """Take one record; kinds that say nothing about deliveries are passed over."""
        if isinstance(record, Deviation):
            self._raise(index, record)
        elif isinstance(record, Delivery):
            self._deliver(index, record)

    def shipment(self, sink: str, event_id: str) -> Shipment | None:
        """Return one delivery."""
        fold = self.sinks.get(sink)
        return None if fold is None else fold.shipments.get(event_id)

    def is_confirmed(self, deviation: str, required: set[str]) -> bool:
        """Whether each required sink confirmed one revision of the deviation and transported the newest one it was sent."""
        for name in required:
            lane = [p for p in self.sinks.get(name, SinkFold()).shipments.values() if p.lane == deviation]
            newest = max(lane, key=lambda shipment: shipment.revision, default=None)
            if newest is None or newest.state not in {DeliveryState.TRANSPORTED, DeliveryState.CONFIRMED}:
                return False
            if not any(shipment.state is DeliveryState.CONFIRMED for shipment in lane):
                return False
        return True

    def _raise(self, index: int, record: Deviation) -> None:
        event_id = delivery_id(self._gateway, record.deviation, record.revision)
        for name in record.sinks:
            fold = self.sinks.setdefault(name, SinkFold())
            shipment = fold.shipments[event_id] = Shipment(
                event_id=event_id,
                sink=name,
                lane=record.deviation,
                revision=record.revision,
                index=index,
                raised_ns=record.at_ns,
            )
            fold.sort(shipment)

    def _deliver(self, index: int, record: Delivery) -> None:
        fold = self.sinks.setdefault(record.sink, SinkFold())
        if record.event == "enabled":
            _enable(fold, record.at_ns)
            return
        if record.object.kind == "ping":
            fold.pings += record.event == "attempt"
            return
        shipment = fold.shipments.get(record.delivery)
        if shipment is None:
            shipment = fold.shipments[record.delivery] = _stranger(index, record)
        if record.event == "prepared":
            _prepare(shipment, index, record)
        elif record.event == "attempt":
            _attempt(shipment, record)
        elif record.event == "held":
            shipment.state, shipment.due_ns, fold.stopped_ns = DeliveryState.HELD, None, record.at_ns
        elif record.event == "overdue":
            shipment.overdue = True
        else:
            self._step(shipment, record)
        fold.sort(shipment)

    def _step(self, shipment: Shipment, record: Delivery) -> None:
        state = DeliveryState.PREPARED if shipment.state is None else shipment.state
        if record.event == "transported":
            shipment.state, shipment.due_ns = next_delivery_state(state, DeliveryEvent.OK), None
        elif record.event == "dead":
            shipment.state, shipment.due_ns = DeliveryState.DEAD, None
            shipment.cause = record.cause if isinstance(record.cause, str) else ""
        elif record.event == "replay":
            if shipment.prepared_index < 0:
                shipment.state = None  # its body could not be made then: it is made again
            elif TABLE[state][DeliveryEvent.REPLAY] is Verdict.ATTEMPT:
                shipment.due_ns, shipment.delay_ns = record.at_ns, 0
        elif record.event == "receipt" and isinstance(record.external_id, str):
            shipment.state = next_delivery_state(state, DeliveryEvent.RECEIPT)
            shipment.due_ns = None
            self._receive(shipment, record.external_id)
        if not shipment.open:
            shipment.body = None

    def _receive(self, shipment: Shipment, external_id: str) -> None:
        """Keep the record id; another one than the deviation had before is a contradiction, and both are kept."""
        for other in self.sinks[shipment.sink].shipments.values():
            known = other.record_ids[0] if other.lane == shipment.lane and other.record_ids else external_id
            if known != external_id:
                self.contradictions.append(Contradiction(shipment.lane, shipment.sink, known, external_id))
                break
        if external_id not in shipment.record_ids:
            shipment.record_ids = [*shipment.record_ids, external_id]


def _stranger(index: int, record: Delivery) -> Shipment:
    """Return the shipment of a delivery whose deviation record does not name this sink (a copy by `replay --to`)."""
    version = record.object.version
    return Shipment(
        event_id=record.delivery,
        sink=record.sink,
        lane=record.object.id,
        revision=version if isinstance(version, int) else 1,
        index=index,
        raised_ns=record.at_ns,
    )


def _prepare(shipment: Shipment, index: int, record: Delivery) -> None:
    shipment.state, shipment.prepared_index, shipment.prepared_ns = DeliveryState.PREPARED, index, record.at_ns
    shipment.due_ns, shipment.delay_ns = record.at_ns, 0
    shipment.body, shipment.headers = stored_request(record)


def _attempt(shipment: Shipment, record: Delivery) -> None:
    shipment.attempts = record.attempt if isinstance(record.attempt, int) else shipment.attempts + 1
    shipment.due_ns = None
    if isinstance(record.next_ns, int) and shipment.open:
        shipment.state = DeliveryState.WAITING
        shipment.delay_ns = max(0, record.next_ns - record.at_ns)
        shipment.waited_ns += shipment.delay_ns
        shipment.due_ns = record.next_ns


def _enable(fold: SinkFold, at_ns: int) -> None:
    fold.stopped_ns = None
    for shipment in fold.shipments.values():
        if shipment.state is DeliveryState.HELD:
            shipment.state, shipment.due_ns, shipment.waited_ns = DeliveryState.WAITING, at_ns, 0
            shipment.delay_ns = 0
            fold.sort(shipment)


def stored_request(record: Delivery) -> tuple[bytes | None, dict[str, str]]:
    """Return the exact bytes and headers of a `prepared` record; bytes are None when they stand in a side object."""
    body = None if isinstance(record.content, UnsetType) else parse_content(record.content)
    facts = {} if isinstance(record.facts, UnsetType) else record.facts
    lines: list[str] = facts.get("headers", [])
    return body, dict(line.split(": ", 1) for line in lines)
