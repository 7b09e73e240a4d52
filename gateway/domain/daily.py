"""A time of day in a zone: when it last came. A day that lacks the hour has it one hour later, one that has it twice the first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

_NS: Final = 1_000_000_000
_DAY_S: Final = 86_400


def last_due(at: str, now_ns: int, offset_s: Callable[[int], int]) -> int:
    """Return the newest moment not after ``now_ns`` (ns since 1970) at which the clock showed ``at``, ``HH:MM``.

    ``offset_s``: moment in ns → offset of the zone from UTC then, seconds.
    """
    hours, minutes = (int(part) for part in at.split(":"))
    today = (now_ns // _NS + offset_s(now_ns)) // _DAY_S
    moments = (_moment(day * _DAY_S + hours * 3600 + minutes * 60, offset_s) for day in range(today - 2, today + 1))
    return max(moment for moment in moments if moment <= now_ns)


def _moment(local: int, offset_s: Callable[[int], int]) -> int:
    """Return the first moment at which the clock showed ``local`` (seconds); of an hour left out, the one after it."""
    early = (local - offset_s((local - _DAY_S) * _NS)) * _NS
    again = (local - offset_s(early)) * _NS
    return again if again // _NS + offset_s(again) == local else early
