"""What an answer to one attempt means, as the delivery records that say so. Pure."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any, Final

from msgspec import UNSET

from gateway.domain.delivery_states import DeliveryEvent, DeliveryState, answer_event, next_delivery_state
from gateway.ledger.records import Content, Delivery, ObjectRef, format_content
from gateway.pipeline.outbox_fold import Shipment
from gateway.pipeline.outbox_wait import next_wait_ns, resolve_pointer
from gateway.ports import WebAnswer

ANSWER_BYTES_MAX: Final = 4_096
VERDICTS: Final = {
    DeliveryEvent.OK: "transported",
    DeliveryEvent.OK_RECORD: "confirmed",
    DeliveryEvent.DUPLICATE: "duplicate",
    DeliveryEvent.LATER: "later",
    DeliveryEvent.REFUSED: "refused",
    DeliveryEvent.GONE: "gone",
}
"""What an answer means → the word in the `attempt` record."""

_RECORD_ID_CHARACTERS_MAX: Final = 200


def read_record_id(body: bytes, pointer: str) -> str | None:
    """Return the QMS record id that an answer names, None if there is none: text to record, never interpreted further."""
    try:
        found = resolve_pointer(json.loads(body), pointer)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, bool) or not isinstance(found, str | int):
        return None
    return str(found)[:_RECORD_ID_CHARACTERS_MAX] or None


def answer_records(shipment: Shipment, answer: WebAnswer, head: dict[str, Any], id_pointer: str) -> list[Delivery]:
    """Return the `attempt` record and those of what followed from it, in order; they belong in one frame.

    ``head`` is a record head; its ``at_ns`` is the moment from which the next wait counts.
    """
    state = DeliveryState.PREPARED if shipment.state is None else shipment.state
    record_id = read_record_id(answer.body, id_pointer)
    event = answer_event(answer.status, record_id)
    after = next_delivery_state(state, event)
    number = shipment.attempts + 1
    next_ns = UNSET
    if event is DeliveryEvent.LATER and after is DeliveryState.WAITING:
        wait_ns = next_wait_ns(shipment.event_id, number, shipment.waited_ns, answer.retry_after_s)
        next_ns = head["at_ns"] + wait_ns
    attempt = Delivery(
        **head,
        event="attempt",
        delivery=shipment.event_id,
        object=object_ref(shipment),
        sink=shipment.sink,
        attempt=number,
        next_ns=next_ns,
        verdict=VERDICTS[event],
        **answer_members(answer),
    )
    return [attempt, *_follow_up(shipment, state, event, record_id, head)]


def answer_members(answer: WebAnswer) -> dict[str, Any]:
    """Return the members of an `attempt` record that hold what the other side said."""
    body = answer.body[:ANSWER_BYTES_MAX]
    members: dict[str, Any] = {
        "duration_ms": answer.duration_ms,
        "http_status": UNSET if answer.status is None else answer.status,
        "address": _given(answer.address),
        "certificate_sha256": _given(answer.certificate_sha256),
        "cause": _given(answer.cause),
    }
    if body:
        members |= {"answer": _inline(body), "sha256": sha256(body).hexdigest()}
    if answer.location is not None:
        members["facts"] = {"location": answer.location[:1_000]}
    return members


def ping_record(head: dict[str, Any], sink: str, event_id: str, answer: WebAnswer, *, heard: bool) -> Delivery:
    """Return the record of one ping; a ping proves transport, never a receipt."""
    number = int(event_id.rsplit(":", 2)[1])
    return Delivery(
        **head,
        event="attempt",
        delivery=event_id,
        object=ObjectRef(kind="ping", id=str(number)),
        sink=sink,
        attempt=1,
        verdict="transported" if heard else "later",
        **answer_members(answer),
    )


def object_ref(shipment: Shipment) -> ObjectRef:
    """Return what a delivery record says it is about."""
    return ObjectRef(kind="deviation", id=shipment.lane, version=shipment.revision)


def _follow_up(
    shipment: Shipment, state: DeliveryState, event: DeliveryEvent, record_id: str | None, head: dict[str, Any]
) -> list[Delivery]:
    about: dict[str, Any] = {
        **head,
        "delivery": shipment.event_id,
        "object": object_ref(shipment),
        "sink": shipment.sink,
    }
    after = next_delivery_state(state, event)
    if event in {DeliveryEvent.OK, DeliveryEvent.OK_RECORD, DeliveryEvent.DUPLICATE}:
        settled = {DeliveryState.TRANSPORTED, DeliveryState.CONFIRMED}
        records = [] if state in settled else [Delivery(**about, event="transported")]
        if record_id is not None and record_id not in shipment.record_ids:
            how = "answer_409" if event is DeliveryEvent.DUPLICATE else "answer"
            records.append(Delivery(**about, event="receipt", external_id=record_id, how=how))
        return records
    if event is DeliveryEvent.REFUSED and after is DeliveryState.DEAD and state is not DeliveryState.DEAD:
        return [Delivery(**about, event="dead", cause="refused")]
    if event is DeliveryEvent.GONE and after is DeliveryState.HELD:
        return [Delivery(**about, event="held", cause="gone")]
    return []


def _inline(body: bytes) -> Content:
    member, side_object = format_content(body)
    assert side_object is None, "4 kB always fit into the record"
    return member


def _given(value: str | None) -> Any:
    return UNSET if value is None else value
