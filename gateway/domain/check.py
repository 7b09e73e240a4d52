"""Check: one condition made ready to judge, and what arrives for it to judge.

A new evaluation (mean, rate, mkt …) is one more entry of ``_VERDICTS``; the machine behind it stays the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from msgspec import Struct

from gateway.domain.band import Band, Number, Verdict, is_number
from gateway.domain.excursion_event import EndedBy
from gateway.domain.limits import Condition


class Arrival(Struct, frozen=True):
    """What arrives at data time ``d``: a value (None: nothing to compare), ``bad`` quality, a flag's state.

    ``doubts`` are about the value, ``time_doubts`` about the time that passed since the last one.
    """

    d: int
    te_ns: int
    value: Number | None
    index: int
    doubts: tuple[str, ...] = ()
    time_doubts: tuple[str, ...] = ()
    bad: bool = False
    flag: bool | None = None
    ended_by: EndedBy | None = None


class Check(Struct, frozen=True):
    """One condition made ready to judge: its band, or None for a data condition."""

    condition: Condition
    band: Band | None

    @classmethod
    def of(cls, condition: Condition) -> Check:
        """Make a condition ready."""
        return cls(condition, Band(condition) if condition.evaluate == "each" else None)

    def verdict(self, arrival: Arrival) -> Verdict:
        """Answer the condition's question about what arrived."""
        return _VERDICTS[self.condition.evaluate](self, arrival)

    def further(self, value: Number | None, than: Number | None) -> bool:
        """Say whether a value lies further beyond the limit than another; None lies nowhere."""
        if self.band is None or value is None:
            return False
        return than is None or self.band.excess(value) > self.band.excess(than)


def _judge_value(check: Check, arrival: Arrival) -> Verdict:
    if arrival.value is None or not is_number(arrival.value):
        return Verdict.UNKNOWN
    assert check.band is not None
    return check.band.verdict(arrival.value)


def _judge_missing(_check: Check, _arrival: Arrival) -> Verdict:
    return Verdict.BACK


def _judge_quality(_check: Check, arrival: Arrival) -> Verdict:
    return Verdict.BREACH if arrival.bad else Verdict.BACK


def _judge_flag(_check: Check, arrival: Arrival) -> Verdict:
    return Verdict.UNKNOWN if arrival.flag is None else Verdict.BREACH if arrival.flag else Verdict.BACK


_VERDICTS: dict[str, Callable[[Check, Arrival], Verdict]] = {
    "each": _judge_value,
    "no_data": _judge_missing,
    "bad_quality": _judge_quality,
    "flag": _judge_flag,
}


def calm_range(checks: list[Check]) -> tuple[float, float]:
    """Return the values that break no limit: floats that lie surely inside, proved limits exactly so."""
    low, high = -math.inf, math.inf
    for check in checks:
        condition = check.condition
        if check.band is None:
            if condition.evaluate == "flag":
                return math.inf, -math.inf
            continue
        assert condition.limit is not None
        if not check.band.proved:
            return math.inf, -math.inf
        if condition.side == "high":
            high = min(high, float(condition.limit))
        else:
            low = max(low, float(condition.limit))
    return low, high
