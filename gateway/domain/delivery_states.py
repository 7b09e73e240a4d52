"""States of one delivery: one total table of state x event (`deviations.md` 5). In flight is no state.

2xx is transport only: confirmed means that the receiver named its record.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class DeliveryState(StrEnum):
    """Where one event stands on its way to one sink; PREPARED and WAITING share a row of the page."""

    PREPARED = "prepared"
    WAITING = "waiting"
    HELD = "held"
    DEAD = "dead"
    TRANSPORTED = "transported"
    CONFIRMED = "confirmed"


class DeliveryEvent(StrEnum):
    """What an attempt, the receiver, time or a person says."""

    OK = "2xx"
    OK_RECORD = "2xx + record id"
    DUPLICATE = "409"
    LATER = "408, 425, 429, 5xx, network, TLS, timeout"
    REFUSED = "3xx, other 4xx"
    GONE = "410"
    EXHAUSTED = "75 h over"
    RECEIPT = "receipt by callback or poll"
    REPLAY = "hook replay"


class Verdict(StrEnum):
    """One cell of the table."""

    NONE = "="
    TRANSPORTED = "transported"
    LOOK_UP = "transported, look up id"
    CONFIRMED = "confirmed"
    WAITING = "waiting"
    DEAD = "dead"
    EXHAUSTED = "dead (exhausted)"
    HELD = "held"
    ATTEMPT = "attempt now"
    SAME_RECORD = "= but another record id is HOOK-07"
    HOOK_06 = "HOOK-06"
    HOOK_08 = "HOOK-08"


REFUSALS: Final = frozenset({Verdict.HOOK_06, Verdict.HOOK_08})

TEXTS: Final[dict[str, str]] = {
    "HOOK-06": "{id} is confirmed as {record}; use --to SINK for a copy",
    "HOOK-07": "QMS gave {a}, now {b} for one deviation: a person must decide",
    "HOOK-08": "{s} stopped (410 at {time}): enable it with gateway hook test {s} --enable",
}

_EVENTS: Final = tuple(DeliveryEvent)
_V = Verdict


def _row(*verdicts: Verdict) -> dict[DeliveryEvent, Verdict]:
    return dict(zip(_EVENTS, verdicts, strict=True))


_ON_ITS_WAY = _row(
    _V.TRANSPORTED, _V.CONFIRMED, _V.LOOK_UP, _V.WAITING, _V.DEAD, _V.HELD, _V.EXHAUSTED, _V.CONFIRMED, _V.ATTEMPT
)

TABLE: Final[dict[DeliveryState, dict[DeliveryEvent, Verdict]]] = {
    DeliveryState.PREPARED: _ON_ITS_WAY,
    DeliveryState.WAITING: _ON_ITS_WAY,
    DeliveryState.HELD: _row(
        _V.TRANSPORTED, _V.CONFIRMED, _V.TRANSPORTED, _V.NONE, _V.NONE, _V.NONE, _V.NONE, _V.CONFIRMED, _V.HOOK_08
    ),
    DeliveryState.DEAD: _row(
        _V.TRANSPORTED, _V.CONFIRMED, _V.TRANSPORTED, _V.DEAD, _V.DEAD, _V.HELD, _V.NONE, _V.CONFIRMED, _V.ATTEMPT
    ),
    DeliveryState.TRANSPORTED: _row(
        _V.NONE, _V.CONFIRMED, _V.NONE, _V.NONE, _V.NONE, _V.NONE, _V.NONE, _V.CONFIRMED, _V.ATTEMPT
    ),
    DeliveryState.CONFIRMED: _row(
        _V.NONE, _V.SAME_RECORD, _V.NONE, _V.NONE, _V.NONE, _V.NONE, _V.NONE, _V.SAME_RECORD, _V.HOOK_06
    ),
}

GOES_TO: Final[dict[Verdict, DeliveryState]] = {
    Verdict.TRANSPORTED: DeliveryState.TRANSPORTED,
    Verdict.LOOK_UP: DeliveryState.TRANSPORTED,
    Verdict.CONFIRMED: DeliveryState.CONFIRMED,
    Verdict.WAITING: DeliveryState.WAITING,
    Verdict.DEAD: DeliveryState.DEAD,
    Verdict.EXHAUSTED: DeliveryState.DEAD,
    Verdict.HELD: DeliveryState.HELD,
}

_RETRY_STATUS: Final = frozenset({408, 425, 429})
_OK_FROM, _REDIRECT_FROM, _SERVER_FROM = 200, 300, 500
_CONFLICT, _GONE = 409, 410


def answer_event(http_status: int | None, record_id: str | None) -> DeliveryEvent:
    """Return what an answer means; ``http_status`` None: no answer (network, TLS, timeout)."""
    if http_status is None or http_status in _RETRY_STATUS or http_status >= _SERVER_FROM:
        return DeliveryEvent.LATER
    if http_status == _CONFLICT:
        return DeliveryEvent.DUPLICATE
    if http_status == _GONE:
        return DeliveryEvent.GONE
    if _OK_FROM <= http_status < _REDIRECT_FROM:
        return DeliveryEvent.OK if record_id is None else DeliveryEvent.OK_RECORD
    return DeliveryEvent.REFUSED


def next_delivery_state(state: DeliveryState, event: DeliveryEvent) -> DeliveryState:
    """Return the state after an event; a cell that names no state leaves it."""
    return GOES_TO.get(TABLE[state][event], state)
