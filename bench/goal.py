"""Goal: what one benchmark says, with its floor, its aim, and three or more repeats of measured and reference."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Spread:
    """Minimum, median and maximum of the repeats."""

    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """Return the spread of at least one value."""
        return cls(min(values), median(values), max(values))


@dataclass(frozen=True)
class Row:
    """One line of the table.

    ``score`` is what floor and aim are about: measured ÷ reference, or the measured value itself where ``reference`` is
    empty. ``more_is_better`` says on which side of the floor it must lie. ``note`` holds what the figures depend on.
    """

    goal: str
    what: str
    unit: str
    measured: list[float]
    score: list[float]
    floor: float
    aim: float
    score_unit: str = "×"
    reference: list[float] = field(default_factory=list)
    more_is_better: bool = True
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether the median of the repeats reaches the floor."""
        return self._reaches(self.floor)

    @property
    def aimed(self) -> bool:
        """Whether the median of the repeats reaches the aim."""
        return self._reaches(self.aim)

    def _reaches(self, line: float) -> bool:
        middle = Spread.of(self.score).middle
        return middle >= line if self.more_is_better else middle <= line

    def to_json(self) -> dict[str, Any]:
        """Return the row with all its repeats."""
        return {**self.__dict__, "met": self.met, "aimed": self.aimed}


def quantile(values: list[float], share: float) -> float:
    """Return the value below which ``share`` of them lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
