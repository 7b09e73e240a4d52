"""Delivery views: a delivery as routes and commands show it, told from its records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, cast

from gateway.domain.times import format_time
from gateway.ledger.records import Content, Delivery, Record, parse_content
from gateway.pipeline.outbox_fold import Shipment

_S = 1_000_000_000
ANSWER_CHARS = 80


def shown_shipment(shipment: Shipment, attempts: Sequence[Delivery], now_ns: int) -> dict[str, Any]:
    """Return one row of the list: where a delivery stands, since when, what was answered last, when the next try is."""
    due = None if shipment.due_ns is None else max(0, (shipment.due_ns - now_ns) // _S)
    return {
        "id": shipment.event_id,
        "sink": shipment.sink,
        "deviation": shipment.lane,
        "revision": shipment.revision,
        "state": "making" if shipment.state is None else shipment.state.value,
        "tries": shipment.attempts,
        "raised": format_time(shipment.raised_ns),
        "age_s": max(0, (now_ns - shipment.raised_ns) // _S),
        "last_answer": answer_text(attempts[-1]) if attempts else None,
        "next_in_s": due,
        "record_id": shipment.record_ids[0] if shipment.record_ids else None,
        "cause": shipment.cause or None,
        "ledger_index": shipment.index,
    }


def shown_attempt(record: Delivery) -> dict[str, Any]:
    """Return one attempt."""
    return {
        "at": format_time(record.at_ns),
        "address": _text(record.address),
        "status": record.http_status if isinstance(record.http_status, int) else None,
        "duration_ms": record.duration_ms if isinstance(record.duration_ms, int) else None,
        "answer": answer_text(record),
        "body": _body(record.answer),
        "verdict": _text(record.verdict),
    }


def attempts_of(records: Iterable[Record], event_id: str, sink: str) -> list[Delivery]:
    """Return the attempts of one delivery to one sink, in the order of the ledger."""
    return [
        one
        for one in records
        if isinstance(one, Delivery) and one.event == "attempt" and (one.delivery, one.sink) == (event_id, sink)
    ]


def answer_text(record: Delivery) -> str:
    """Return what the other side said in a few words, ``503 in 20 ms`` or ``422 unknown site code``."""
    if not isinstance(record.http_status, int):
        return _text(record.cause) or "no answer"
    body = _body(record.answer)
    words = _error_words(body or "")
    if words:
        return f"{record.http_status} {words[:ANSWER_CHARS]}"
    return f"{record.http_status} in {record.duration_ms} ms"


def _error_words(body: str) -> str:
    """Return the member `error` of a JSON answer; nothing where there is none."""
    try:
        told: Any = json.loads(body)
    except ValueError:
        return ""
    words: object = cast("dict[str, object]", told).get("error") if isinstance(told, dict) else None
    return words if isinstance(words, str) else ""


def _body(answer: object) -> str | None:
    content = parse_content(answer) if isinstance(answer, Content) else None
    return None if content is None else content.decode(errors="replace")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
