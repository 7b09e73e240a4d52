"""Device counters: a hole in the numbers a device gives its messages is a gap, named by its edges (`payload_sequence`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from gateway.ports import Fact

HOLES_MAX: Final = 8
"""Holes of one topic that may still be filled by late messages; the oldest is closed when one more opens."""
TRACKED_MAX: Final = 1000
"""Longest hole whose late messages are counted one by one."""
RESET_RUN: Final = 16
"""Backward numbers in a row after which the device's counter counts as set back rather than replayed."""


class Hole:
    """Numbers ``first`` to ``last`` of one topic that have not come."""

    __slots__ = ("first", "last", "late")

    def __init__(self, first: int, last: int) -> None:
        self.first = first
        self.last = last
        self.late: set[int] = set()

    @property
    def missing(self) -> int:
        """How many numbers the hole had at first."""
        return self.last - self.first + 1


class Sequence:
    """Follows the counter of one topic. A counter that starts again at 0 or 1 was reset: no hole."""

    def __init__(self, topic: str, addresses: tuple[str, ...]) -> None:
        self._topic = topic
        self._addresses = addresses
        self._newest: int | None = None
        self._holes: list[Hole] = []
        self._back: int | None = None
        self._run = 0

    def follows(self, number: int, *more: int) -> bool:
        """Take one number that comes next, as nearly every one does; False and nothing taken for anything else."""
        if more or (self._newest is not None and number != self._newest + 1):
            return False
        self._newest = number
        return True

    def observe(self, numbers: Iterable[int]) -> tuple[Fact, ...]:
        """Return the gap facts that the numbers of one message give, in order; they stand before its samples."""
        facts: list[Fact] = []
        for number in numbers:
            newest = self._newest
            if newest is None or number == newest + 1 or number <= 1:
                self._newest = number
            elif number > newest:
                facts += self._open(Hole(newest + 1, number - 1))
                self._newest = number
            elif not self._fill(number, facts):
                self._step_back(number)
        return tuple(facts)

    def _open(self, hole: Hole) -> list[Fact]:
        facts = [self._fact("gap_opened", hole), self._fact("gap_bounded", hole)]
        if hole.missing > TRACKED_MAX:
            return [*facts, self._fact("gap_closed", hole)]
        self._holes.append(hole)
        if len(self._holes) > HOLES_MAX:
            facts.append(self._fact("gap_closed", self._holes.pop(0)))
        return facts

    def _fill(self, number: int, facts: list[Fact]) -> bool:
        for hole in self._holes:
            if hole.first <= number <= hole.last:
                hole.late.add(number)
                if len(hole.late) == hole.missing:
                    self._holes.remove(hole)
                    facts.append(self._fact("gap_closed", hole))
                return True
        return False

    def _step_back(self, number: int) -> None:
        self._run = self._run + 1 if self._back is not None and number == self._back + 1 else 0
        self._back = number
        if self._run >= RESET_RUN:
            self._newest, self._back, self._run = number, None, 0

    def _fact(self, kind: str, hole: Hole) -> Fact:
        closed = kind == "gap_closed"
        late = len(hole.late)
        recovery = ("full" if late == hole.missing else "partial" if late else "none") if closed else None
        return Fact(
            kind=kind,
            key=f"seq:{self._topic}:{hole.first}",
            cause="payload_sequence",
            addresses=self._addresses,
            positions=(hole.first, hole.last),
            missing=hole.missing - late,
            recovery=recovery,
            recovered=late if closed else None,
            detail={"topic": self._topic},
        )
