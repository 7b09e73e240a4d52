"""When to try again: fixed delays with a jitter that follows from the event id, 81 attempts in 75 h (`deviations.md` 5)."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from gateway.domain.limits import SECOND_NS

FIRST_DELAYS_S: Final = (0, 5, 30, 120, 300, 900, 1800, 3600)
"""Delay before attempts 1 to 8; from then on one hour."""

HOUR_S: Final = 3600
ATTEMPTS_MAX: Final = 81
EXHAUSTED_AFTER_NS: Final = 75 * HOUR_S * SECOND_NS


def nominal_delay_s(attempt: int) -> int:
    """Return the delay before an attempt (from 1), without jitter, in seconds."""
    assert attempt >= 1
    return FIRST_DELAYS_S[attempt - 1] if attempt <= len(FIRST_DELAYS_S) else HOUR_S


def jitter(delivery: str, attempt: int) -> float:
    """Return 0.9 + 0.2 u, u = first 4 bytes of SHA-256(``id:attempt``) / 2**32: the same on every box and every day."""
    u = int.from_bytes(sha256(f"{delivery}:{attempt}".encode()).digest()[:4], "big") / 2**32
    return 0.9 + 0.2 * u


def delay_ns(delivery: str, attempt: int, *, retry_after_s: float = 0.0) -> int:
    """Return the delay before an attempt, ns; ``Retry-After`` only lengthens it, to one hour at most."""
    planned = nominal_delay_s(attempt) * jitter(delivery, attempt)
    return int(max(planned, min(retry_after_s, HOUR_S)) * SECOND_NS)


def is_exhausted(first_attempt_ns: int, now_ns: int, attempts: int) -> bool:
    """Say whether an event may be tried no more: 75 h are over, or all attempts are made."""
    return attempts >= ATTEMPTS_MAX or now_ns - first_attempt_ns >= EXHAUSTED_AFTER_NS
