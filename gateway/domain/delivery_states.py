"""Life of one delivery of one event to one sink: the table of `deviations.md` section 5, its retry delays, JSON pointers.

In flight is not a state: a crash returns to the row before.
"""

from __future__ import annotations

from enum import StrEnum
from hashlib import sha256
from typing import Any, Final, NamedTuple

_S: Final = 1_000_000_000


class DeliveryState(StrEnum):
    """Where a delivery stands; ``waiting`` after an attempt that may be tried again, ``held`` while its sink is stopped."""

    PREPARED = "prepared"
    WAITING = "waiting"
    HELD = "held"
    DEAD = "dead"
    TRANSPORTED = "transported"
    CONFIRMED = "confirmed"


class DeliveryEvent(StrEnum):
    """What can happen to it: eight answers and acts of the world, and a person's ``replay``."""

    ACCEPTED = "accepted"
    CONFIRMED = "confirmed"
    CONFLICT = "conflict"
    RETRY = "retry"
    REFUSED = "refused"
    GONE = "gone"
    EXHAUSTED = "exhausted"
    RECEIPT = "receipt"
    REPLAY = "replay"


class DeliveryAct(StrEnum):
    """What follows a step: nothing, one more attempt now, look the record id up, or a refusal with its code."""

    NOTHING = ""
    ATTEMPT = "attempt"
    LOOK_UP = "look_up"
    COMPARE = "compare"
    HOOK_06 = "HOOK-06"
    HOOK_08 = "HOOK-08"


class DeliveryStep(NamedTuple):
    """The state after an event, and what follows."""

    state: DeliveryState
    act: DeliveryAct = DeliveryAct.NOTHING


_State, _Event, _Act = DeliveryState, DeliveryEvent, DeliveryAct


def _open_row(state: DeliveryState) -> dict[DeliveryEvent, DeliveryStep]:
    return {
        _Event.ACCEPTED: DeliveryStep(_State.TRANSPORTED),
        _Event.CONFIRMED: DeliveryStep(_State.CONFIRMED),
        _Event.CONFLICT: DeliveryStep(_State.TRANSPORTED, _Act.LOOK_UP),
        _Event.RETRY: DeliveryStep(_State.WAITING),
        _Event.REFUSED: DeliveryStep(_State.DEAD),
        _Event.GONE: DeliveryStep(_State.HELD),
        _Event.EXHAUSTED: DeliveryStep(_State.DEAD),
        _Event.RECEIPT: DeliveryStep(_State.CONFIRMED),
        _Event.REPLAY: DeliveryStep(state, _Act.ATTEMPT),
    }


def _row(state: DeliveryState, **changed: DeliveryStep) -> dict[DeliveryEvent, DeliveryStep]:
    return {event: changed.get(event.value, DeliveryStep(state)) for event in DeliveryEvent}


DELIVERY_TABLE: Final[dict[DeliveryState, dict[DeliveryEvent, DeliveryStep]]] = {
    _State.PREPARED: _open_row(_State.PREPARED),
    _State.WAITING: _open_row(_State.WAITING),
    _State.HELD: _row(
        _State.HELD,
        accepted=DeliveryStep(_State.TRANSPORTED),
        confirmed=DeliveryStep(_State.CONFIRMED),
        conflict=DeliveryStep(_State.TRANSPORTED, _Act.LOOK_UP),
        receipt=DeliveryStep(_State.CONFIRMED),
        replay=DeliveryStep(_State.HELD, _Act.HOOK_08),
    ),
    _State.DEAD: _row(
        _State.DEAD,
        accepted=DeliveryStep(_State.TRANSPORTED),
        confirmed=DeliveryStep(_State.CONFIRMED),
        conflict=DeliveryStep(_State.TRANSPORTED, _Act.LOOK_UP),
        gone=DeliveryStep(_State.HELD),
        receipt=DeliveryStep(_State.CONFIRMED),
        replay=DeliveryStep(_State.DEAD, _Act.ATTEMPT),
    ),
    _State.TRANSPORTED: _row(
        _State.TRANSPORTED,
        confirmed=DeliveryStep(_State.CONFIRMED),
        receipt=DeliveryStep(_State.CONFIRMED),
        replay=DeliveryStep(_State.TRANSPORTED, _Act.ATTEMPT),
    ),
    _State.CONFIRMED: _row(
        _State.CONFIRMED,
        confirmed=DeliveryStep(_State.CONFIRMED, _Act.COMPARE),
        receipt=DeliveryStep(_State.CONFIRMED, _Act.COMPARE),
        replay=DeliveryStep(_State.CONFIRMED, _Act.HOOK_06),
    ),
}
"""State × event, total. ``COMPARE``: another record id than before is HOOK-07, both are kept."""


def step_delivery(state: DeliveryState, event: DeliveryEvent) -> DeliveryStep:
    """Return what an event does to a delivery in a state."""
    return DELIVERY_TABLE[state][event]


_DELAYS_S: Final = (0, 5, 30, 120, 300, 900, 1_800, 3_600)
RETRY_AFTER_NS_MAX: Final = 3_600 * _S
EXHAUSTED_NS: Final = 75 * 3_600 * _S
"""Waiting in all after which a delivery is dead (exhausted)."""


def attempt_delay_ns(event_id: str, attempt: int) -> int:
    """Return the delay before attempt 1, 2, … in ns: the table's, × (0.9 + 0.2 u), u from SHA-256(`id:attempt`)."""
    assert attempt > 0
    base_ns = _DELAYS_S[min(attempt, len(_DELAYS_S)) - 1] * _S
    drawn = int.from_bytes(sha256(f"{event_id}:{attempt}".encode()).digest()[:4])
    return base_ns * (9 * 2**32 + 2 * drawn) // (10 * 2**32)


def next_wait_ns(event_id: str, attempt: int, waited_ns: int, retry_after_s: float | None) -> int:
    """Return how long to wait after attempt ``attempt`` failed; it ends at exhaustion if that comes first.

    ``waited_ns`` is the sum of the waits so far; `Retry-After` only lengthens, by at most one hour in all.
    """
    wait_ns = attempt_delay_ns(event_id, attempt + 1)
    if retry_after_s is not None:
        wait_ns = max(wait_ns, min(int(retry_after_s * _S), RETRY_AFTER_NS_MAX))
    return min(wait_ns, EXHAUSTED_NS - waited_ns)


_RETRIED: Final = frozenset({408, 425, 429})
_OK: Final = range(200, 300)
_SERVER_ERRORS: Final = range(500, 600)
_CONFLICT: Final = 409
_GONE: Final = 410


def judge_status(status: int | None, record_id: str | None) -> DeliveryEvent:
    """Return what an answer means; ``status`` None is no answer (network, TLS, timeout)."""
    if status is None or status in _RETRIED or status in _SERVER_ERRORS:
        return DeliveryEvent.RETRY
    if status in _OK:
        return DeliveryEvent.ACCEPTED if record_id is None else DeliveryEvent.CONFIRMED
    if status == _CONFLICT:
        return DeliveryEvent.CONFLICT
    return DeliveryEvent.GONE if status == _GONE else DeliveryEvent.REFUSED


def resolve_pointer(document: Any, pointer: str) -> Any:
    """Return what a JSON pointer (RFC 6901) names, None where it names nothing; never raises for the document."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict):
            document = document.get(key)
        elif isinstance(document, list):
            document = document[int(key)] if key.isdecimal() and int(key) < len(document) else None
        else:
            return None
    return document
