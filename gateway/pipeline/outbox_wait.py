"""How long a delivery waits for its next attempt, and when its time is used up; what a JSON pointer names. Pure."""

from __future__ import annotations

from typing import Any, Final, TypeGuard, cast

from gateway.domain.retry import EXHAUSTED_AFTER_NS, delay_ns

EXHAUSTED_NS: Final = EXHAUSTED_AFTER_NS
"""Waits in all after which a delivery is dead: summed from records, so no clock step and no night without power counts."""


def next_wait_ns(event_id: str, attempt: int, waited_ns: int, retry_after_s: float | None) -> int:
    """Return how long to wait after attempt ``attempt`` failed; it ends at exhaustion if that comes first.

    ``waited_ns`` is the sum of the waits so far; `Retry-After` only lengthens, to one hour at most.
    """
    wait_ns = delay_ns(event_id, attempt + 1, retry_after_s=retry_after_s or 0.0)
    return min(wait_ns, EXHAUSTED_NS - waited_ns)


def resolve_pointer(document: Any, pointer: str) -> Any:
    """Return what a JSON pointer (RFC 6901) names, None where it names nothing; never raises for the document."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict):
            document = cast("dict[str, Any]", document).get(key)
        elif _is_list(document):
            document = document[int(key)] if key.isdecimal() and int(key) < len(document) else None
        else:
            return None
    return document


def _is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)
