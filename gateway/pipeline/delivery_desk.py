"""Delivery desk: shows deliveries, and does what an account may do to them: test a sink, send again, enable."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from typing import Any, Protocol

from gateway.domain.delivery_states import DeliveryState
from gateway.domain.times import format_time, parse_time
from gateway.errors import Refused
from gateway.ledger.records import Delivery, Deviation, ObjectRef, Record
from gateway.pipeline.audit_log import AuditLog
from gateway.pipeline.delivery_views import attempts_of, shown_attempt, shown_shipment
from gateway.pipeline.outbox import Outbox
from gateway.pipeline.outbox_acts import Choice, choose, copy_to, enable, replay
from gateway.pipeline.outbox_fold import Shipment, SinkFold, stored_request
from gateway.ports import Journal, SystemClock, WebRequest

REASON_CHARS_MIN = 4
REASON_LETTERS_MIN = 3
ROWS_MAX = 1_000
MASKED = frozenset({"authorization", "webhook-signature"})

Records = Callable[[str], Awaitable[Sequence[tuple[int, Record]]]]
"""Deviation id → its records with their indexes, deliveries included."""


class Stamp(Protocol):
    """Makes the head of a record."""

    def __call__(self) -> dict[str, Any]:
        """Return the head."""
        ...


class DeliveryDesk:
    """Every act is a `delivery` record and an `audit` record in one frame."""

    def __init__(
        self,
        outbox: Outbox,
        journal: Journal,
        stamp: Stamp,
        clock: SystemClock,
        audits: AuditLog,
        records: Records,
        proven: Callable[[int], Awaitable[bool]],
    ) -> None:
        self._proven = proven
        self._outbox = outbox
        self._journal = journal
        self._stamp = stamp
        self._clock = clock
        self._audits = audits
        self._records = records

    async def all(self, *, failed: bool) -> list[dict[str, Any]]:
        """Return deliveries in the order of the ledger, the newest `ROWS_MAX`; ``failed``: those not with the QMS."""
        done = (DeliveryState.CONFIRMED, DeliveryState.TRANSPORTED)
        found = [
            one
            for fold in self._outbox.fold.sinks.values()
            for one in fold.shipments.values()
            if not failed or one.state not in done
        ]
        found.sort(key=lambda one: (one.index, one.sink))
        rows: list[dict[str, Any]] = []
        for shipment in found[-ROWS_MAX:]:
            records = [] if shipment.state in done else [one for _, one in await self._records(shipment.lane)]
            attempts = attempts_of(records, shipment.event_id, shipment.sink)
            rows.append(shown_shipment(shipment, attempts, self._clock.now().wall_ns))
        return rows

    async def show(self, event_id: str) -> dict[str, Any] | None:
        """Return one event with its way to each sink, None if there is none of that id."""
        ways = self._ways(event_id)
        if not ways:
            return None
        records = await self._records(ways[0].lane)
        about = next((one for index, one in records if index == ways[0].index and isinstance(one, Deviation)), None)
        return {
            "id": event_id,
            "deviation": ways[0].lane,
            "revision": ways[0].revision,
            "event": None if about is None else about.event,
            "at": format_time(ways[0].raised_ns),
            "scope": None if about is None else about.scope,
            "batches": [] if about is None else about.batches,
            "ledger_index": ways[0].index,
            "proof_ok": await self._proven(ways[0].index),
            "deliveries": [self._way(way, [one for _, one in records]) for way in ways],
        }

    async def test(
        self, sink: str, person: str, terminal: str, *, dry_run: bool, enabling: bool, reason: str | None
    ) -> dict[str, Any]:
        """Post a ping, or show what would be posted; ``enabling`` first ends a sink's stop. A ping proves no receipt."""
        self._known(sink)
        if dry_run:
            event_id, request = self._outbox.ping_request(sink)
            return {"sink": sink, "id": event_id, "sent": False, **_request(request)}
        if enabling:
            record = enable(self._outbox.fold, sink, self._stamp(), person, _reasoned(reason))
            await self._append([record], person, "hook.enable", sink, terminal, reason)
        await self._append([], person, "hook.test", sink, terminal, reason)
        request, answer = await self._outbox.ping(sink)
        return {
            "sink": sink,
            "id": request.headers["webhook-id"],
            "sent": True,
            **_request(request),
            "status": answer.status,
            "cause": answer.cause,
            "address": answer.address,
            "certificate_sha256": answer.certificate_sha256,
            "duration_ms": answer.duration_ms,
            "stopped": self._outbox.fold.sinks.get(sink, SinkFold()).stopped_ns is not None,
        }

    async def replay(
        self, event_id: str, sink: str | None, to: str | None, person: str, terminal: str, reason: str
    ) -> dict[str, Any]:
        """Make one more attempt due, or send the exact bytes to another sink ``to``. Raises `Refused` HOOK-06, HOOK-08."""
        ways = [one for one in self._ways(event_id) if sink in (None, one.sink)]
        if not ways:
            raise Refused(f"no delivery '{event_id}'", remedy="see: gateway hook list")
        _reasoned(reason)
        records: list[Delivery] = []
        for way in ways if to is None else ways[:1]:
            if to is None:
                records.append(replay(self._outbox.fold, way.sink, event_id, self._stamp(), person, reason))
            else:
                self._known(to)
                records += copy_to(await self._prepared(way), to, self._stamp(), person, reason)
        await self._append(records, person, "hook.replay", event_id, terminal, reason)
        return {"queued": [_queued(one) for one in records if one.event == "replay"], "sent": False}

    async def replay_many(
        self,
        sink: str | None,
        to: str | None,
        since: str | None,
        person: str,
        terminal: str,
        reason: str | None,
        *,
        dry_run: bool,
    ) -> dict[str, Any]:
        """Make dead letters, or all events since a time, due again or send copies of them, in the order of the ledger."""
        choice = Choice(sink=sink, to=to, since_ns=None if since is None else parse_time(since))
        for name in (sink, to):
            if name is not None:
                self._known(name)
        found, confirmed = choose(self._outbox.fold, choice)
        if len(found) > ROWS_MAX:
            raise Refused(
                f"{len(found):,} events at once, {ROWS_MAX:,} at most",
                remedy="name one sink with --sink, or a later time with --since",
            )
        if dry_run:
            return {
                "queued": [self._planned(one, to) for one in found],
                "confirmed": confirmed,
                "dry_run": True,
            }
        text = _reasoned(reason)
        records: list[Delivery] = []
        for one in found:
            if to is None:
                records.append(replay(self._outbox.fold, one.sink, one.event_id, self._stamp(), person, text))
            else:
                records += copy_to(await self._prepared(one), to, self._stamp(), person, text)
        if records:
            await self._append(records, person, "hook.replay", sink or "all", terminal, text)
        queued = [_queued(one) for one in records if one.event == "replay"]
        return {"queued": queued, "confirmed": confirmed, "dry_run": False}

    def _ways(self, event_id: str) -> list[Shipment]:
        found = (self._outbox.fold.shipment(name, event_id) for name in self._outbox.fold.sinks)
        return [one for one in found if one is not None]

    def _way(self, way: Shipment, records: Sequence[Record]) -> dict[str, Any]:
        attempts = attempts_of(records, way.event_id, way.sink)
        prepared = next(
            (
                one
                for one in records
                if isinstance(one, Delivery)
                and one.event == "prepared"
                and (one.delivery, one.sink) == (way.event_id, way.sink)
            ),
            None,
        )
        return {
            **shown_shipment(way, attempts, self._clock.now().wall_ns),
            "prepared": None if prepared is None else format_time(prepared.at_ns),
            "bytes": None if prepared is None else len(stored_request(prepared)[0] or b""),
            "sha256": None if prepared is None else prepared.sha256,
            "attempts": [shown_attempt(one) for one in attempts],
        }

    def _planned(self, shipment: Shipment, to: str | None) -> dict[str, Any]:
        return {"id": shipment.event_id, "sink": to or shipment.sink, "prepared": format_time(shipment.prepared_ns)}

    def _known(self, sink: str) -> None:
        if sink not in self._outbox.sinks:
            known = ", ".join(self._outbox.sinks) or "none is configured"
            raise Refused(f"no QMS sink '{sink}'", remedy=f"name one of: {known}")

    async def _prepared(self, way: Shipment) -> Delivery:
        commit = await self._journal.follow(way.prepared_index) if way.prepared_index >= 0 else None
        record = None if commit is None else commit.records[0]
        if not isinstance(record, Delivery):
            raise Refused(f"{way.event_id} has no body yet", remedy=f"see: gateway hook show {way.event_id}")
        return record

    async def _append(
        self, records: Sequence[Delivery], person: str, operation: str, about: str, terminal: str, reason: str | None
    ) -> None:
        kind = "sink" if operation in {"hook.test", "hook.enable"} else "delivery"
        audit = self._audits.record(person, operation, ObjectRef(kind=kind, id=about), terminal, reason=reason)
        index = self._journal.append([*records, audit], urgent=True)
        await self._journal.committed(index + len(records))


def _reasoned(reason: str | None) -> str:
    """Return a reason that says something (`records-and-review.md` 3); raise `Refused` SIG-006."""
    text = (reason or "").strip()
    if len(text) < REASON_CHARS_MIN or len({c for c in text.casefold() if c.isalnum()}) < REASON_LETTERS_MIN:
        raise Refused(
            "a reason is needed", code="SIG-006", remedy="say why in 4 characters or more, 3 of them different letters"
        )
    return text


def _queued(record: Delivery) -> dict[str, Any]:
    return {"id": record.delivery, "sink": record.sink}


def _request(request: WebRequest) -> dict[str, Any]:
    """Return what is posted, secrets masked."""
    return {
        "url": request.url,
        "headers": {name: "***" if name in MASKED else text for name, text in request.headers.items()},
        "body": request.body.decode(),
        "body_sha256": sha256(request.body).hexdigest(),
    }
