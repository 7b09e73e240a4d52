"""Sequence numbers of a subscription: what one message's number says about those before it. Pure.

Numbers run from 1 to 2^32 - 1 and then start again at 1; a keep-alive carries the number of the next message.
"""

from __future__ import annotations

from enum import Enum

LAST = 0xFFFF_FFFF
_HALF = 1 << 31

REPUBLISH_MAX = 2000
"""More missing numbers than a server keeps: only the newest are asked for, the others are a gap at once."""


class Place(Enum):
    """Where a message stands against the expected number."""

    EXPECTED = "expected"
    AHEAD = "ahead"
    BEHIND = "behind"


def following(number: int, steps: int = 1) -> int:
    """Return the number ``steps`` after ``number``."""
    return (number - 1 + steps) % LAST + 1


def place(expected: int, number: int) -> Place:
    """Return where ``number`` stands; half the circle ahead, half behind."""
    distance = (number - expected) % LAST
    if distance == 0:
        return Place.EXPECTED
    return Place.AHEAD if distance < _HALF else Place.BEHIND


def missing(expected: int, number: int) -> tuple[tuple[int, int] | None, list[int]]:
    """Return (range given up at once or None, numbers to ask for again) between ``expected`` and ``number``."""
    distance = (number - expected) % LAST
    first_asked = max(0, distance - REPUBLISH_MAX)
    given_up = (expected, following(expected, first_asked - 1)) if first_asked else None
    return given_up, [following(expected, step) for step in range(first_asked, distance)]
