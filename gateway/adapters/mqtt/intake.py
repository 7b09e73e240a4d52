"""From arrival to parcel: repeats, overlap copies, retained and unasked QoS 0 messages, quarantine; then the samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from hashlib import sha256
from typing import Any, Final

from msgspec import structs
from paho.mqtt.client import topic_matches_sub

from gateway.adapters.mqtt.batch_topic import BatchTopic
from gateway.adapters.mqtt.bounds import QuarantineBound
from gateway.adapters.mqtt.broker_watch import BrokerWatch
from gateway.adapters.mqtt.link_gaps import LinkGaps
from gateway.adapters.mqtt.payload import Cut, Quarantined, Receipt, cut
from gateway.adapters.mqtt.plain_run import cut_run, digests_of
from gateway.adapters.mqtt.publish import Arrival
from gateway.adapters.mqtt.route import TOPIC_BYTES_MAX, Route
from gateway.adapters.mqtt.sequence import Sequence
from gateway.adapters.mqtt.window import Pending, Repeats, Window
from gateway.domain.plan import MqttPlan
from gateway.domain.repeat import TransportKey
from gateway.domain.sample import Provenance
from gateway.ports import Fact, Parcel, Resume

TOPICS_SEEN_MAX: Final = 10_000

_FLAGS: Final[dict[tuple[bool, bool, bool], tuple[str, ...]]] = {
    (dup, qos0, retain): tuple(name for name, on in (("dup", dup), ("qos0", qos0), ("retain", retain)) if on)
    for dup in (False, True)
    for qos0 in (False, True)
    for retain in (False, True)
}


class MessageIntake:
    """Turns the arrivals of a source into parcels. Lives as long as the source runs, over all its connections."""

    def __init__(
        self,
        plan: MqttPlan,
        routes: dict[bytes, Route],
        resume: Resume,
        repeats: Repeats,
        gaps: LinkGaps,
        counts: Counter[str],
        payload_bytes_max: int,
        batches: Mapping[bytes, BatchTopic] | None = None,
        reply: Callable[[str, dict[str, Any]], None] | None = None,
    ) -> None:
        self._batches = batches or {}
        self._reply = reply
        self._source = plan.source
        self._watch = plan.watch
        self._routes = routes
        self._repeats = repeats
        self._gaps = gaps
        self._payload_bytes_max = payload_bytes_max
        self._copies: dict[str, tuple[str, tuple[int, ...]]] = {
            topic: (digest, ()) for topic, digest in repeats.last.items()
        }
        self._newest_ns = {topic: _newest(route, resume) for topic, route in routes.items()}
        self._sequences = {t: Sequence(r.topic, r.addresses) for t, r in routes.items() if r.sequence is not None}
        self._qos0_told: set[bytes] = set()
        self._unknown_seen: set[bytes] = set()
        self._broker = BrokerWatch()
        self.bound = QuarantineBound()
        self.fresh: set[bytes] = set()
        self.retain_is_old = False
        self.stale: set[str] = set()
        self.counts = counts
        self.incarnation = resume.incarnation
        self.epoch = resume.epoch

    def parcel(self, arrival: Arrival, window: Window) -> Parcel | None:
        """Return what is to be offered for one message; None if it holds nothing new and is acknowledged in its turn."""
        route = self._routes.get(arrival.topic)
        if route is None and arrival.topic.startswith(b"$SYS/"):
            return self._told_by_broker(arrival, window)
        digest = sha256(arrival.payload).hexdigest()
        topic = route.topic if route is not None else arrival.topic.decode(errors="backslashreplace")
        key = TransportKey(self.incarnation, arrival.mid, digest, topic) if arrival.qos else None
        if key is not None:
            if arrival.dup:
                if window.repeat(arrival.mid, key):
                    self.counts["repeats"] += 1
                    return None
            else:
                self._repeats.clear(arrival.mid)
        if self._watch and route is not None and self._is_copy(topic, digest, arrival.ids):
            self.counts["overlap_copies"] += 1
            window.drop(arrival.qos, arrival.mid)
            return None
        batch = self._batches.get(arrival.topic)
        told = () if batch is None else self._batch(arrival, batch)
        if route is None:
            facts = told if batch is not None else self._unrouted(arrival, topic)
            return self._unread(arrival, window, key, facts)
        return self._routed(arrival, route, window, key, digest, told)

    def parcels(self, arrivals: Iterable[Arrival], window: Window) -> list[Parcel]:
        """As `parcel` for each in order; live messages of QoS 1 on routes go stage by stage."""
        found: list[Parcel] = []
        run: list[Arrival] = []
        for arrival in arrivals:
            topic = arrival.topic
            plain = arrival.qos == 1 and not arrival.dup and not arrival.retain
            if plain and topic in self._routes and topic not in self._batches:
                run.append(arrival)
                continue
            if run:
                self._run(run, window, found)
                run = []
            parcel = self.parcel(arrival, window)
            if parcel is not None:
                found.append(parcel)
        if run:
            self._run(run, window, found)
        return found

    def _run(self, arrivals: list[Arrival], window: Window, found: list[Parcel]) -> None:
        routes = [self._routes[one.topic] for one in arrivals]
        digests = digests_of([one.payload for one in arrivals])
        incarnation = self.incarnation
        keys = [
            TransportKey(incarnation, one.mid, digest, route.topic)
            for one, digest, route in zip(arrivals, digests, routes, strict=True)
        ]
        for one in arrivals:
            self._repeats.clear(one.mid)
            self.fresh.discard(one.topic)
        cuts = cut_run(routes, arrivals, digests, self._payload_bytes_max)
        watched = bool(self._watch)
        for arrival, route, digest, key, cut_ in zip(arrivals, routes, digests, keys, cuts, strict=True):
            if watched and self._is_copy(route.topic, digest, arrival.ids):
                self.counts["overlap_copies"] += 1
                window.drop(1, arrival.mid)
            elif isinstance(cut_, Quarantined):
                facts = self._quarantine(arrival, route.topic, cut_)
                parcel = self._unread(arrival, window, key, facts)
                if parcel is not None:
                    found.append(parcel)
            else:
                found.append(self._cut(arrival, route, window, key, cut_, (), old=False))

    def _told_by_broker(self, arrival: Arrival, window: Window) -> Parcel | None:
        seen = self._broker.look(arrival.topic, arrival.payload, arrival.moment.monotonic_ns)
        window.drop(arrival.qos, arrival.mid)
        facts = self._gaps.suspected(*seen) if seen is not None else []
        return self.notice(tuple(facts)) if facts else None

    def _batch(self, arrival: Arrival, batch: BatchTopic) -> tuple[Fact, ...]:
        """Return what a message tells of a batch, or its quarantine; judged and recorded where the ledger is known."""
        route, reply = batch.route, self._reply
        found = batch.cut(
            arrival.payload,
            arrival.moment.wall_ns,
            flags=_FLAGS[arrival.dup, arrival.qos == 0, arrival.retain],
            retained=arrival.retain and (self.retain_is_old or arrival.topic in self.fresh),
            payload_bytes_max=self._payload_bytes_max,
            answer=None if reply is None or route.reply is None else partial(reply, route.reply),
        )
        if arrival.topic not in self._routes:
            self.fresh.discard(arrival.topic)
        if isinstance(found, Quarantined):
            return self._quarantine(arrival, route.topic, found)
        self.counts["batch_events"] += 1
        return (found,)

    def _routed(
        self,
        arrival: Arrival,
        route: Route,
        window: Window,
        key: TransportKey | None,
        digest: str,
        told: tuple[Fact, ...],
    ) -> Parcel | None:
        moment = arrival.moment
        flags = _FLAGS[arrival.dup, arrival.qos == 0, arrival.retain]
        old = arrival.retain and (self.retain_is_old or arrival.topic in self.fresh)
        self.fresh.discard(arrival.topic)
        receipt = Receipt(moment.wall_ns, moment.boot_ns, flags)
        found = cut(route, arrival.payload, receipt, payload_bytes_max=self._payload_bytes_max, digest=digest)
        if isinstance(found, Cut) and old:
            found = self._retained(arrival, route, receipt, found, digest)
        if isinstance(found, Quarantined):
            return self._unread(arrival, window, key, (*told, *self._quarantine(arrival, route.topic, found)))
        return self._cut(arrival, route, window, key, found, told, old=old)

    def _cut(
        self,
        arrival: Arrival,
        route: Route,
        window: Window,
        key: TransportKey | None,
        found: Cut,
        told: tuple[Fact, ...],
        *,
        old: bool,
    ) -> Parcel:
        """Return the parcel of a message that was read: what its counter and the gaps before it say, then its samples."""
        facts: tuple[Fact, ...] = self._gaps.first_reading(route) if not old else ()
        if found.sequences and not old:
            sequence, numbers = self._sequences[arrival.topic], found.sequences
            if not sequence.follows(*numbers):
                facts = (*facts, *sequence.observe(numbers))
        if not arrival.qos and route.qos_expected and arrival.topic not in self._qos0_told:
            self._qos0_told.add(arrival.topic)
            facts = (*facts, Fact(kind="link", cause="qos0_unasked", detail={"topic": route.topic}))
        newest = found.source_ns if route.time is not None else None
        if newest is not None and newest > self._newest_ns[arrival.topic]:
            self._newest_ns[arrival.topic] = newest
        self.counts["messages"] += 1
        settle = window.take(arrival.qos, arrival.mid, key)
        return Parcel(self._source, self.incarnation, self.epoch, arrival.mid, settle, found.samples, (*facts, *told))

    def _retained(self, arrival: Arrival, route: Route, receipt: Receipt, found: Cut, digest: str) -> Cut | Quarantined:
        """Judge what the broker had kept when we subscribed: never current, unless its own time is news to us."""
        if route.retained == "refuse":
            return Quarantined("no_binding", "retained, and the profile refuses retained messages")
        newest, before = found.source_ns, self._newest_ns[arrival.topic]
        if newest is not None and 0 < before < newest:
            return found
        again = structs.replace(receipt, provenance=Provenance.RETAINED)
        return cut(route, arrival.payload, again, payload_bytes_max=self._payload_bytes_max, digest=digest)

    def _is_copy(self, topic: str, digest: str, ids: tuple[int, ...]) -> bool:
        """Tell whether this is the second copy the broker sent because a watch filter overlaps the route.

        Copies of one message follow each other on a topic with one payload and different subscription ids; two equal
        messages of a device have the same id. After a restart the first copy is known by the ledger alone.
        """
        if not ids:
            return False
        before = self._copies.get(topic)
        twice = before is not None and before[0] == digest and before[1] != ids
        if before is not None and twice and (before[1] or min(ids) > len(self._routes)):
            del self._copies[topic]
            return True
        self._copies[topic] = (digest, ids)
        return False

    def _unrouted(self, arrival: Arrival, topic: str) -> tuple[Fact, ...]:
        """Quarantine a message that no declared device sends; give back a subscription nobody declares any more."""
        if len(arrival.topic) > TOPIC_BYTES_MAX:
            return self._quarantine(arrival, topic[:TOPIC_BYTES_MAX], Quarantined("too_large", "topic"))
        try:
            arrival.topic.decode()
        except UnicodeDecodeError:
            return self._quarantine(arrival, topic, Quarantined("not_utf8", "topic"))
        watched = any(topic_matches_sub(watch, topic) for watch in self._watch)
        if not watched:
            self.stale.add(topic)
        if arrival.topic not in self._unknown_seen and len(self._unknown_seen) >= TOPICS_SEEN_MAX:
            self.counts["topics_unseen"] += 1
            return ()
        self._unknown_seen.add(arrival.topic)
        return self._quarantine(arrival, topic, Quarantined("unknown_source" if watched else "no_binding"))

    def _quarantine(self, arrival: Arrival, topic: str, why: Quarantined) -> tuple[Fact, ...]:
        admitted, facts = self.bound.admit(len(arrival.payload), arrival.moment.monotonic_ns)
        if not admitted:
            self.counts["quarantine_full"] += 1
            return facts
        self.counts["quarantined"] += 1
        moment = arrival.moment
        detail: dict[str, int | str] = {"received_boot_ns": moment.boot_ns, "received_ns": moment.wall_ns}
        if why.why:
            detail["why"] = why.why
        return (
            *facts,
            Fact(
                kind="quarantine",
                cause=why.reason,
                address=topic,
                content=arrival.payload,
                flags=_FLAGS[arrival.dup, arrival.qos == 0, arrival.retain],
                detail=detail,
            ),
        )

    def _unread(
        self, arrival: Arrival, window: Window, key: TransportKey | None, facts: tuple[Fact, ...]
    ) -> Parcel | None:
        if not facts:
            window.drop(arrival.qos, arrival.mid)
            return None
        settle: Pending = window.take(arrival.qos, arrival.mid, key)
        return self.notice(facts, settle, position=arrival.mid)

    def notice(self, facts: tuple[Fact, ...], settle: Pending | None = None, *, position: int = 0) -> Parcel:
        """Return a parcel of facts alone."""
        return Parcel(
            source=self._source,
            incarnation=self.incarnation,
            epoch=self.epoch,
            position=position,
            facts=facts,
            settle=settle or (lambda _outcome: None),
        )


def _newest(route: Route, resume: Resume) -> int:
    return max((resume.source_ns.get(address, 0) for address in route.addresses), default=0)
