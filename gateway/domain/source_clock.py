"""Source clock: how far a device's clock may be believed, and which time of a reading counts (`ingest.md` 8).

Source time is never rewritten, only judged. All times and durations are ns; skew = source - received.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from enum import StrEnum

from msgspec import Struct

SKEWS = 31
YEAR_2020_NS = 1_577_836_800_000_000_000
QUARTER_HOUR_NS = 900_000_000_000
OFFSET_NS_MAX = 14 * 4 * QUARTER_HOUR_NS
OFFSET_TOLERANCE_NS_MAX = 60_000_000_000
HOUR_NS = 3_600_000_000_000
DRIFT_PPM_MAX = 200


class ClockClass(StrEnum):
    """What a device's clock is like; a record names it when it is not trusted."""

    TRUSTED = "trusted"
    OFFSET = "offset"
    DRIFTING = "drifting"
    UNSET = "unset"
    FUTURE = "future"
    FROZEN = "frozen"


class Judgement(Struct, frozen=True):
    """The class, which time counts (``source`` or ``received``), that time, and ``source_step_back`` if it went back."""

    clock_class: ClockClass
    basis: str
    effective_ns: int
    flags: tuple[str, ...] = ()


class SourceClock:
    """Judge of one signal's source times; fed in received order, it remembers 31 skews and nothing else of weight."""

    __slots__ = ("_anchor", "_drifting", "_last", "_moved", "_ring", "_skew_ns_max", "_sorted", "_value")

    def __init__(self, skew_ns_max: int) -> None:
        self._skew_ns_max = skew_ns_max
        self._ring: list[int] = []
        self._sorted: list[int] = []
        self._anchor: tuple[int, int] | None = None
        self._drifting = False
        self._last: int | None = None
        self._value: object = None
        self._moved = False

    @property
    def skew_ns(self) -> int | None:
        """Median of the last 31 skews, None before the first."""
        return self._sorted[len(self._sorted) // 2] if self._sorted else None

    def observe(
        self, source_ns: int | None, received_ns: int, value: object, *, initial: bool = False, historical: bool = False
    ) -> Judgement:
        """Judge one reading. Initial and historical values (retained ones too) stay out of the median.

        An initial value counts at its received time; a historical one at its source time while the clock is trusted.
        """
        if source_ns is None or source_ns < YEAR_2020_NS:
            return Judgement(ClockClass.UNSET, "received", received_ns)
        if initial:
            return Judgement(self._standing(), "received", received_ns)
        skew = source_ns - received_ns
        flags = () if historical else self._remember_stamp(source_ns, value)
        if not historical:
            self._remember_skew(skew, received_ns)
        found = self._standing()
        if self._moved and skew < -self._skew_ns_max and not historical:
            found = ClockClass.FROZEN
        elif skew > self._skew_ns_max and found is ClockClass.TRUSTED:
            found = ClockClass.FUTURE  # one stamp far ahead must not move the line of effective time
        if found is ClockClass.TRUSTED:
            return Judgement(found, "source", source_ns, flags)
        return Judgement(found, "received", received_ns, flags)

    def _remember_stamp(self, source_ns: int, value: object) -> tuple[str, ...]:
        last, self._last = self._last, source_ns
        self._moved = last == source_ns and (self._moved or value != self._value)
        self._value = value
        return ("source_step_back",) if last is not None and source_ns < last else ()

    def _remember_skew(self, skew: int, received_ns: int) -> None:
        if len(self._ring) == SKEWS:
            del self._sorted[bisect_left(self._sorted, self._ring.pop(0))]
        self._ring.append(skew)
        insort(self._sorted, skew)
        median = self._sorted[len(self._sorted) // 2]
        if self._anchor is None:
            self._anchor = (received_ns, median)
        elif (elapsed := received_ns - self._anchor[0]) >= HOUR_NS:
            self._drifting = abs(median - self._anchor[1]) * 1_000_000 > DRIFT_PPM_MAX * elapsed
            self._anchor = (received_ns, median)

    def _standing(self) -> ClockClass:
        median = self.skew_ns
        if median is None:
            return ClockClass.TRUSTED
        if -self._skew_ns_max <= median <= self._skew_ns_max:
            return ClockClass.DRIFTING if self._drifting else ClockClass.TRUSTED
        if looks_like_zone(median, self._skew_ns_max):
            return ClockClass.OFFSET
        return ClockClass.FUTURE if median > 0 else ClockClass.DRIFTING


def looks_like_zone(skew_ns: int, tolerance_ns: int) -> bool:
    """Tell whether a skew is near a whole number of quarter hours, up to 14 h: local time sent as UTC."""
    quarters = round(skew_ns / QUARTER_HOUR_NS)
    if quarters == 0 or abs(skew_ns) > OFFSET_NS_MAX + tolerance_ns:
        return False
    return abs(skew_ns - quarters * QUARTER_HOUR_NS) <= min(tolerance_ns, OFFSET_TOLERANCE_NS_MAX)
