"""ConditionState: what the evaluation of one condition remembers, O(1) (`excursions.md` 3).

Two clocks stand side by side. *Data time* (``*_d``) is what durations are measured on: differences of effective time on
source time, monotonic differences on received time. *Effective time* (``*_ns``) is what is reported.
"""

from __future__ import annotations

from decimal import Context, Decimal
from enum import StrEnum

from msgspec import Struct

from gateway.domain.band import Number
from gateway.domain.excursion_event import EndedBy

EXACT = Context(prec=200)
"""Sums of excess x ns stay exact, so that they do not depend on where an interval was cut."""


class Stage(StrEnum):
    """Where a condition stands between in range and excursion."""

    IDLE = "idle"
    PENDING = "pending"
    ACTIVE = "active"
    RETURNING = "returning"


class ShortBreaches(Struct, kw_only=True, omit_defaults=True):
    """Breaches that ended before their on-delay and are not yet written: at most one record a minute, none lost."""

    t0_ns: int
    t1_ns: int
    count: int = 0
    breach_ns: int = 0
    unknown_ns: int = 0
    duration_ns: int = 0
    excess: Decimal = Decimal(0)
    extreme: Number | None = None
    extreme_ns: int | None = None
    first: int
    last: int
    doubts: tuple[str, ...] = ()


class ConditionState(Struct, kw_only=True, omit_defaults=True):
    """State of one condition.

    ``excess`` is the sum of (distance beyond the limit x held ns), exact. ``unknown_back_ns`` is unknown time since t1,
    which counts only if the limit breaks again. ``short_d``, ``crossing_d``: data time of the newest such record.
    """

    stage: Stage = Stage.IDLE
    t0_d: int = 0
    t0_ns: int = 0
    raised_ns: int | None = None
    t1_d: int = 0
    t1_ns: int | None = None
    breach_ns: int = 0
    unknown_ns: int = 0
    unknown_back_ns: int = 0
    excess: Decimal = Decimal(0)
    extreme: Number | None = None
    extreme_ns: int | None = None
    crossings: int = 0
    first: int = 0
    last: int = 0
    doubts: tuple[str, ...] = ()
    ended_by: EndedBy | None = None
    crossing_d: int | None = None
    short: ShortBreaches | None = None
    short_d: int | None = None

    @property
    def quiet(self) -> bool:
        """Return True when the next reading inside all bands cannot change anything here."""
        return self.stage is Stage.IDLE and self.short is None

    def rest(self) -> None:
        """Become idle; what is not yet told about short breaches stays."""
        fresh = ConditionState(short=self.short, short_d=self.short_d)
        for name in self.__struct_fields__:
            setattr(self, name, getattr(fresh, name))

    def doubt(self, codes: tuple[str, ...]) -> None:
        """Add doubts, sorted and once each; an idle condition has nothing to doubt."""
        if codes and self.stage is not Stage.IDLE:
            self.doubts = tuple(sorted({*self.doubts, *codes}))
