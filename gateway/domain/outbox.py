"""Outbox: no table, no memory, the fold of `deviation` and `delivery` records (`deviations.md` 5).

Prepared bytes are sent; retries send the same bytes. FIFO per object (deviation), a few objects in parallel per sink:
revision n waits while n-1 is prepared or waiting; a dead n-1 lets n try, since n holds the whole state.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.delivery_states import (
    TABLE,
    DeliveryEvent,
    DeliveryState,
    Verdict,
    answer_event,
    next_delivery_state,
)
from gateway.domain.retry import delay_ns, is_exhausted

PARALLEL_MAX = 4
"""Objects of one sink that may be under way at once."""

SINK_RECOVERED = "sink_recovered"
"""Cause of the replay that queues exhausted events again after a sink's first success."""

_ON_ITS_WAY = frozenset({DeliveryState.PREPARED, DeliveryState.WAITING})

Step = Literal[
    "prepared", "attempt", "transported", "receipt", "dead", "held", "enabled", "replay", "overdue", "inbound"
]


class DeliveryFact(Struct, frozen=True, kw_only=True):
    """What the fold needs of one `delivery` record; ``at_ns`` and ``next_ns`` by our wall clock, as recorded.

    ``index``: ledger index of the record; for ``prepared`` it is where the bytes stand.
    """

    event: Step
    index: int
    at_ns: int
    delivery: str
    sink: str
    object_kind: str = "deviation"
    object_id: str = ""
    version: int = 0
    attempt: int = 0
    http_status: int | None = None
    external_id: str | None = None
    next_ns: int | None = None
    cause: str | None = None


class Delivery(Struct, frozen=True, kw_only=True):
    """One event on its way to one sink.

    ``attempts`` made since ``first_ns`` (both start anew when a dead event is queued again); ``next_ns``: not before that
    time. ``receipts``: every record id the receiver gave; two are HOOK-07. ``look_up``: ask for
    the record id. ``again``: a person wants one more attempt, whatever the state. ``mark``: cause of death.
    """

    delivery: str
    sink: str
    object_kind: str
    object_id: str
    version: int
    prepared: int
    prepared_ns: int
    state: DeliveryState = DeliveryState.PREPARED
    attempts: int = 0
    first_ns: int | None = None
    next_ns: int = 0
    receipts: tuple[str, ...] = ()
    look_up: bool = False
    again: bool = False
    mark: str | None = None

    @property
    def contradicted(self) -> bool:
        """Return True when the receiver gave more than one record id: a person must decide."""
        return len(self.receipts) > 1


class Outbox:
    """Fold of everything that has been, or is still to be, sent. One owner."""

    def __init__(self) -> None:
        self._deliveries: dict[tuple[str, str], Delivery] = {}
        self._wanted: dict[tuple[str, str], tuple[str, int]] = {}
        self._stopped: dict[str, int] = {}

    def want(self, delivery: str, object_id: str, version: int, sinks: Iterable[str]) -> None:
        """A deviation record was committed with its sinks: each is owed a delivery."""
        for sink in sinks:
            self._wanted.setdefault((sink, delivery), (object_id, version))

    def apply(self, fact: DeliveryFact) -> None:
        """Take up one delivery record."""
        key = (fact.sink, fact.delivery)
        if fact.event == "prepared":
            self._wanted.pop(key, None)
            self._deliveries.setdefault(key, _prepared(fact))
        elif fact.event == "enabled":
            self._enable(fact)
        elif key in self._deliveries:
            one = self._deliveries[key] = _after(self._deliveries[key], fact)
            if one.state is DeliveryState.HELD:
                self._stopped.setdefault(fact.sink, fact.at_ns)

    def delivery(self, sink: str, delivery: str) -> Delivery | None:
        """Return one delivery, None before it is prepared."""
        return self._deliveries.get((sink, delivery))

    def deliveries(self) -> tuple[Delivery, ...]:
        """Return every delivery, in the order they were prepared."""
        return tuple(self._deliveries.values())

    def unprepared(self) -> tuple[tuple[str, str, str, int], ...]:
        """Return (sink, delivery, object, version) of what is owed and not prepared: a crash came between."""
        return tuple((sink, delivery, *what) for (sink, delivery), what in self._wanted.items())

    def stopped(self, sink: str) -> int | None:
        """Return when a sink answered 410, None while it is enabled."""
        return self._stopped.get(sink)

    def due(self, now_ns: int) -> tuple[Delivery, ...]:
        """Return what may be attempted now, oldest first: one revision per object, four objects per sink."""
        heads: dict[tuple[str, str], Delivery] = {}
        for one in self._deliveries.values():
            if one.sink not in self._stopped and (one.again or one.state in _ON_ITS_WAY):
                head = heads.get((one.sink, one.object_id))
                if head is None or one.version < head.version:
                    heads[one.sink, one.object_id] = one
        ready: list[Delivery] = []
        by_sink: dict[str, int] = {}
        for one in sorted(heads.values(), key=lambda d: d.prepared):
            if one.next_ns <= now_ns and by_sink.get(one.sink, 0) < PARALLEL_MAX:
                by_sink[one.sink] = by_sink.get(one.sink, 0) + 1
                ready.append(one)
        return tuple(ready)

    def next_ns(self) -> int | None:
        """Return the earliest time at which something may be attempted, None when nothing waits."""
        waiting = (
            d.next_ns for d in self._deliveries.values() if d.state in (DeliveryState.PREPARED, DeliveryState.WAITING)
        )
        return min(waiting, default=None)

    def exhausted(self, sink: str) -> tuple[Delivery, ...]:
        """Return the dead letters of a sink that died of time alone; its first success queues them again."""
        return tuple(d for d in self._deliveries.values() if d.sink == sink and d.mark == "exhausted")

    def _enable(self, fact: DeliveryFact) -> None:
        self._stopped.pop(fact.sink, None)
        for key, one in self._deliveries.items():
            if one.sink == fact.sink and one.state is DeliveryState.HELD:
                self._deliveries[key] = _queued(one, fact.at_ns)


def verdict_of(delivery: Delivery, http_status: int | None, record_id: str | None, now_ns: int) -> DeliveryEvent:
    """Return what an attempt's answer comes to, time included: a failure after 75 h is the last."""
    event = answer_event(http_status, record_id)
    first = now_ns if delivery.first_ns is None else delivery.first_ns
    if event is DeliveryEvent.LATER and is_exhausted(first, now_ns, delivery.attempts + 1):
        return DeliveryEvent.EXHAUSTED
    return event


def next_attempt_ns(delivery: Delivery, now_ns: int, *, retry_after_s: float = 0.0) -> int:
    """Return when to try again after an attempt that has just failed at ``now_ns``."""
    return now_ns + delay_ns(delivery.delivery, delivery.attempts + 2, retry_after_s=retry_after_s)


def _prepared(fact: DeliveryFact) -> Delivery:
    return Delivery(
        delivery=fact.delivery,
        sink=fact.sink,
        object_kind=fact.object_kind,
        object_id=fact.object_id,
        version=fact.version,
        prepared=fact.index,
        prepared_ns=fact.at_ns,
    )


def _queued(one: Delivery, at_ns: int) -> Delivery:
    """Queue again from the first attempt."""
    return replace(one, state=DeliveryState.WAITING, attempts=0, first_ns=None, next_ns=at_ns, mark=None)


def _after(one: Delivery, fact: DeliveryFact) -> Delivery:
    """Return a delivery after one more of its records; what a record says decides, not what we would say today."""
    if fact.event == "attempt":
        return _attempted(one, fact)
    if fact.event == "receipt":
        return replace(_receipt(one, fact), state=next_delivery_state(one.state, DeliveryEvent.RECEIPT), look_up=False)
    if fact.event == "transported":
        return replace(one, state=next_delivery_state(one.state, DeliveryEvent.OK), mark=None)
    if fact.event == "dead":
        return replace(one, state=DeliveryState.DEAD, mark=fact.cause or one.mark)
    if fact.event == "held":
        return replace(one, state=next_delivery_state(one.state, DeliveryEvent.GONE))
    if fact.event == "replay" and TABLE[one.state][DeliveryEvent.REPLAY] is Verdict.ATTEMPT:
        return (
            _queued(one, fact.at_ns) if fact.cause == SINK_RECOVERED else replace(one, again=True, next_ns=fact.at_ns)
        )
    return one


def _attempted(one: Delivery, fact: DeliveryFact) -> Delivery:
    event = answer_event(fact.http_status, fact.external_id)
    state = next_delivery_state(one.state, event)
    mark = None
    if state is DeliveryState.DEAD:
        mark = "refused" if event is DeliveryEvent.REFUSED else one.mark
    return replace(
        _receipt(one, fact),
        state=state,
        attempts=one.attempts + 1,
        first_ns=fact.at_ns if one.first_ns is None else one.first_ns,
        next_ns=fact.next_ns if fact.next_ns is not None else fact.at_ns,
        look_up=one.look_up or event is DeliveryEvent.DUPLICATE,
        again=False,
        mark=mark,
    )


def _receipt(one: Delivery, fact: DeliveryFact) -> Delivery:
    known = fact.external_id is None or fact.external_id in one.receipts
    return one if known else replace(one, receipts=(*one.receipts, str(fact.external_id)))
