"""Excursion book: every excursion by its records, and what deviations need to know of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from gateway.domain.deviation_rules import ExcursionView
from gateway.domain.limits import Level, Side
from gateway.domain.plan import Plan
from gateway.ledger.records import Excursion

DAY_NS: Final = 86_400_000_000_000
REPEATS_NS: Final = 30 * DAY_NS
SIDES: Final = frozenset({"high", "low"})
RAISING: Final = frozenset({"raised", "late"})


@dataclass(slots=True)
class Story:
    """An excursion: the record that raised it and the newest one, each with its index."""

    raised_index: int
    raised: Excursion
    newest_index: int
    newest: Excursion

    @property
    def t1_ns(self) -> int | None:
        """End of the interval, None while it lasts."""
        return t1_of(self.newest)


def t1_of(record: Excursion) -> int | None:
    """Return the end that a record tells, None while it lasts."""
    return record.t1_ns if isinstance(record.t1_ns, int) else None


class ExcursionBook:
    """The fold of `excursion` records."""

    def __init__(self) -> None:
        self.stories: dict[str, Story] = {}
        self._raised: dict[str, list[int]] = {}

    def take(self, index: int, record: Excursion) -> None:
        """Take up one record."""
        if record.event in RAISING:
            self.stories[record.excursion] = Story(index, record, index, record)
            self._raised.setdefault(record.condition, []).append(record.t0_ns)
        elif (story := self.stories.get(record.excursion)) is not None:
            story.newest_index, story.newest = index, record

    def open_system(self) -> dict[str, int]:
        """Return the conditions of our own that are open, with their onsets."""
        return {
            story.raised.condition: story.raised.t0_ns
            for story in self.stories.values()
            if story.raised.class_ == "system" and story.t1_ns is None
        }

    def repeats_30d(self, condition: str, t0_ns: int) -> int:
        """Return how many excursions of a condition began in the 30 days before ``t0_ns``."""
        return sum(1 for t0 in self._raised.get(condition, ()) if t0_ns - REPEATS_NS <= t0 < t0_ns)


def view_of_excursion(record: Excursion, plan: Plan) -> ExcursionView:
    """Return what deviations see of an excursion: its evaluation, its signal's place and weight."""
    about, _, rest = record.condition.partition(":")
    word = rest.partition(".")[0]
    signal = plan.signals.get(record.signal) if isinstance(record.signal, str) else None
    side: Side | None = "high" if word == "high" else "low" if word == "low" else None
    node = None if signal is None else plan.nodes.get(signal.node)
    return ExcursionView(
        id=record.excursion,
        condition=record.condition,
        name="each" if word in SIDES else word,
        level=_level(record.level),
        t0_ns=record.t0_ns,
        signal=None if signal is None else signal.id,
        side=side,
        equipment=None if signal is None else signal.node,
        in_room=node is not None and node.level == "room",
        relevance="none" if signal is None else signal.relevance,
        critical=signal is not None and signal.criticality == "critical",
        group=about if signal is None else signal.source,
        parent=record.parent if isinstance(record.parent, str) else None,
        test=record.test is True,
    )


def _level(word: str) -> Level:
    levels: dict[str, Level] = {"alert": "alert", "action": "action", "critical": "critical"}
    return levels[word]


def shown_excursion(story: Story, times: Any) -> dict[str, Any]:
    """Return an excursion as the API shows it; ``times`` formats ns."""
    newest = story.newest
    return {
        "excursion": newest.excursion,
        "condition": newest.condition,
        "level": newest.level,
        "t0": times(newest.t0_ns),
        "t1": None if story.t1_ns is None else times(story.t1_ns),
        "extreme": newest.extreme if isinstance(newest.extreme, int | float) else None,
        "ledger_index": story.raised_index,
    }
