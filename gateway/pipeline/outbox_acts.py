"""What people do to deliveries: send again, send a copy elsewhere, enable a stopped sink; as records, or a refusal."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from gateway.domain.delivery_states import TABLE, DeliveryEvent, DeliveryState, Verdict
from gateway.errors import Refused
from gateway.ledger.records import Delivery, ObjectRef
from gateway.pipeline.event_body import format_seconds
from gateway.pipeline.outbox_answer import object_ref
from gateway.pipeline.outbox_fold import OutboxFold, Shipment


def replay(fold: OutboxFold, sink: str, event_id: str, head: dict[str, Any], person: str, reason: str) -> Delivery:
    """Return the record that makes one more attempt due; raise `Refused` HOOK-06 or HOOK-08 where the table says so."""
    shipment = _shipment(fold, sink, event_id)
    state = DeliveryState.PREPARED if shipment.state is None else shipment.state
    verdict = TABLE[state][DeliveryEvent.REPLAY]
    if verdict is Verdict.HOOK_06:
        raise Refused(
            f"{event_id} is confirmed as {shipment.record_ids[0]}; use --to SINK for a copy",
            code="HOOK-06",
            remedy=f"gateway hook replay --id {event_id} --to SINK",
        )
    stopped_ns = fold.sinks[sink].stopped_ns
    if verdict is Verdict.HOOK_08 or stopped_ns is not None:
        at = "" if stopped_ns is None else f" at {format_seconds(stopped_ns)}"
        raise Refused(
            f"{sink} stopped (410{at}): enable it with gateway hook test {sink} --enable",
            code="HOOK-08",
            remedy=f"gateway hook test {sink} --enable",
        )
    return Delivery(**_about(shipment, head), event="replay", person=person, reason=reason, cause="person")


class Choice(Struct, frozen=True, kw_only=True):
    """Which deliveries a replay of many is about: dead letters, or with ``since_ns`` all events raised from then on.

    ``sink``: only those to this sink. ``to``: send copies there, and confirmed ones as well (HOOK-06).
    """

    sink: str | None = None
    to: str | None = None
    since_ns: int | None = None


def choose(fold: OutboxFold, choice: Choice) -> tuple[list[Shipment], int]:
    """Return the deliveries in the order of the ledger, and how many are left as they are because they are confirmed.

    Of each event that goes to ``to`` there is one copy, whatever number of sinks it had. What has no body yet is on its way.
    """
    found = [
        one
        for name in fold.sinks
        if choice.sink in (None, name)
        for one in fold.sinks[name].shipments.values()
        if (one.state is DeliveryState.DEAD if choice.since_ns is None else one.raised_ns >= choice.since_ns)
        and (one.prepared_index >= 0 or (choice.to is None and one.state is DeliveryState.DEAD))
    ]
    found.sort(key=lambda one: (one.index, one.sink))
    if choice.to is not None:
        return list({one.event_id: one for one in reversed(found)}.values())[::-1], 0
    confirmed = sum(one.state is DeliveryState.CONFIRMED for one in found)
    return [one for one in found if one.state is not DeliveryState.CONFIRMED], confirmed


def copy_to(prepared: Delivery, sink: str, head: dict[str, Any], person: str, reason: str) -> list[Delivery]:
    """Return the records that send the exact bytes of a `prepared` record to another sink (`--to SINK`)."""
    about: dict[str, Any] = {**head, "delivery": prepared.delivery, "object": prepared.object, "sink": sink}
    copied = msgspec.structs.replace(
        prepared, sink=sink, at_ns=head["at_ns"], boot_ns=head["boot_ns"], clock=head["clock"]
    )
    return [copied, Delivery(**about, event="replay", person=person, reason=reason, cause="copy")]


def enable(fold: OutboxFold, sink: str, head: dict[str, Any], person: str, reason: str) -> Delivery:
    """Return the record that ends a sink's stop; what was held goes out in order."""
    if fold.sinks.get(sink) is None or fold.sinks[sink].stopped_ns is None:
        raise Refused(f"{sink} is not stopped", remedy="see: gateway hook list")
    about = ObjectRef(kind="sink", id=sink)
    return Delivery(**head, event="enabled", delivery=sink, object=about, sink=sink, person=person, reason=reason)


def _shipment(fold: OutboxFold, sink: str, event_id: str) -> Shipment:
    shipment = fold.shipment(sink, event_id)
    if shipment is None:
        raise Refused(f"no delivery '{event_id}' to {sink}", remedy="see: gateway hook list")
    return shipment


def _about(shipment: Shipment, head: dict[str, Any]) -> dict[str, Any]:
    return {**head, "delivery": shipment.event_id, "object": object_ref(shipment), "sink": shipment.sink}
