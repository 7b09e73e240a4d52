"""Condition desk: excursions and deviations as routes and commands show them, from the fold of the ledger."""

from __future__ import annotations

from typing import Any

from gateway.domain.deviation import Deviation
from gateway.domain.deviation_states import DeviationState
from gateway.domain.times import format_time
from gateway.pipeline.excursion_book import Story, shown_excursion
from gateway.pipeline.fold import Fold

LIST_MAX = 1_000


class ConditionDesk:
    """Implements `gateway.adapters.http.desk.ConditionDesk`."""

    def __init__(self, fold: Fold) -> None:
        self._fold = fold

    def excursions(self, *, open_only: bool) -> list[dict[str, Any]]:
        """Return excursions, oldest first, at most the newest thousand."""
        stories = [one for one in self._fold.book.stories.values() if one.t1_ns is None or not open_only]
        return [self._story(one) for one in sorted(stories, key=lambda s: s.raised.t0_ns)[-LIST_MAX:]]

    def excursion(self, excursion: str) -> dict[str, Any] | None:
        """Return one excursion with its batches and deviations."""
        story = self._fold.book.stories.get(excursion)
        if story is None:
            return None
        present = self._fold.present(story.newest, story.t1_ns)
        return {
            **self._story(story),
            "crossings": story.newest.crossings,
            "breach_s": story.newest.breach_ns / 1e9,
            "rule": story.newest.rule if isinstance(story.newest.rule, str) else None,
            "batches": list(dict.fromkeys(m.batch for m in present)),
            "newest_index": story.newest_index,
        }

    def deviations(self, *, open_only: bool) -> list[dict[str, Any]]:
        """Return the newest revision of each deviation, oldest first, at most the newest thousand."""
        found = [one for one in self._fold.deviations.all() if one.state is DeviationState.OPEN or not open_only]
        return [self._deviation(one) for one in sorted(found, key=lambda d: d.opened_ns)[-LIST_MAX:]]

    def deviation(self, deviation: str) -> dict[str, Any] | None:
        """Return one deviation with its excursions."""
        found = next((one for one in self._fold.deviations.all() if one.deviation == deviation), None)
        if found is None:
            return None
        stories = (self._fold.book.stories.get(excursion) for excursion in found.excursions)
        return {**self._deviation(found), "parts": [self._story(one) for one in stories if one is not None]}

    def _story(self, story: Story) -> dict[str, Any]:
        held = self._fold.deviations.holding(story.raised.excursion)
        return {**shown_excursion(story, format_time), "deviations": [one.deviation for one in held]}

    def _deviation(self, one: Deviation) -> dict[str, Any]:
        return {
            "deviation": one.deviation,
            "scope": one.scope,
            "state": one.state.value,
            "event": one.event,
            "revision": one.revision,
            "event_class": one.event_class,
            "severity": one.severity,
            "severity_basis": list(one.severity_basis),
            "excursions": list(one.excursions),
            "batches": list(one.batches),
            "sinks": list(one.all_sinks),
            "opened": format_time(one.opened_ns),
            "at": format_time(one.at_ns),
            "test": one.test,
            "record_id": self._fold.record_ids.get(one.deviation),
        }
