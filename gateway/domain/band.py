"""Band: exact comparison of a recorded value with a limit and its return value (DI-12).

Values are compared unrounded, as the decimals they are recorded as: 8.04 breaks 8.0, Float32 8.1 (recorded ``8.1``) does
not break 8.1. Binary floats are used where `same_verdict` proves them equal to the decimals, which holds for every limit
of at most 15 significant digits; else decimals are compared.
"""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation
from enum import IntEnum

from gateway.domain.limits import Condition

Number = Decimal | int | float


class Verdict(IntEnum):
    """Answer of one comparison; STAY lies between return value and limit, UNKNOWN has no value to compare."""

    BACK = 0
    STAY = 1
    BREACH = 2
    UNKNOWN = 3


def as_decimal(value: Number) -> Decimal:
    """Return the recorded decimal of a value: a float counts as its shortest digits."""
    if isinstance(value, float):
        return Decimal(repr(value))
    return Decimal(value)


def is_number(value: object) -> bool:
    """Say whether a value can be compared with a limit; a bool is a state, not a number."""
    return isinstance(value, Decimal | int | float) and not isinstance(value, bool)


def as_number(value: object) -> Decimal | None:
    """Return the number that a text holds (an integer beyond 2**53 is recorded as one), None if it holds none."""
    try:
        number = Decimal(value) if isinstance(value, str) else None
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() else None


def same_verdict(threshold: Decimal) -> bool:
    """Prove that floats and integers fall on the same side of a threshold as their decimals do, neighbours included."""
    binary = float(threshold)
    if not math.isfinite(binary):
        return False
    near: list[float | int] = [math.nextafter(binary, -math.inf), binary, math.nextafter(binary, math.inf)]
    near += [math.floor(binary) - 1, math.floor(binary), math.ceil(binary), math.ceil(binary) + 1]
    return all(
        (value > binary) == (as_decimal(value) > threshold) and (value < binary) == (as_decimal(value) < threshold)
        for value in near
    )


class Band:
    """One limit with its return value, ready to compare."""

    __slots__ = ("_back", "_back_fast", "_high", "_limit", "_limit_fast", "proved")

    def __init__(self, condition: Condition) -> None:
        assert condition.limit is not None, f"{condition.id} compares values and needs a limit"
        self._high = condition.side == "high"
        self._limit, self._back = condition.limit, condition.back
        self.proved = same_verdict(self._limit) and same_verdict(self._back)
        self._limit_fast, self._back_fast = float(self._limit), float(self._back)

    def verdict(self, value: Number) -> Verdict:
        """Return BREACH strictly beyond the limit, BACK at or inside the return value, else STAY."""
        if self.proved and not isinstance(value, Decimal):
            return self._judge(value, self._limit_fast, self._back_fast)
        return self._judge(as_decimal(value), self._limit, self._back)

    def excess(self, value: Number) -> Decimal:
        """Return how far a value lies beyond the limit, exact; zero or less means it does not."""
        distance = as_decimal(value) - self._limit
        return distance if self._high else -distance

    def _judge(self, value: Number, limit: Decimal | float, back: Decimal | float) -> Verdict:
        if self._high:
            return Verdict.BREACH if value > limit else Verdict.BACK if value <= back else Verdict.STAY
        return Verdict.BREACH if value < limit else Verdict.BACK if value >= back else Verdict.STAY
