"""Gap book: turns what a source saw into gap records, under one id from opening to closing (`ingest.md` 2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import UNSET, UnsetType

from gateway.ledger.records import Gap, GapEdge
from gateway.pipeline.standing import OpenGap, Standing
from gateway.ports import Fact

Recovery = {"none", "partial", "full"}


class GapBook:
    """Knows the open gaps and the last record of every signal and source; makes the three records of a gap.

    ``head`` makes record heads. ``signal_of`` maps (source, address) to a signal id.
    """

    def __init__(
        self,
        standing: Standing,
        head: Callable[[], dict[str, Any]],
        signal_of: Callable[[str, str], str | None],
    ) -> None:
        self._head = head
        self._signal_of = signal_of
        self._number = standing.gap
        self._open: dict[tuple[str, str], OpenGap] = {(g.source, g.key): g for g in standing.gaps_open.values()}
        self._last: dict[str, GapEdge] = {}

    @property
    def open_count(self) -> int:
        """How many gaps are open."""
        return len(self._open)

    def note_last(self, source: str, index: int, source_ns: int | None, received_ns: int) -> None:
        """Remember the newest reading of a source: the edge before its next gap."""
        self._last[source] = GapEdge(
            index=index,
            source_ns=UNSET if source_ns is None else source_ns,
            received_ns=received_ns,
        )

    def opened(self, source: str, fact: Fact) -> Gap | None:
        """Return the opening record; None if that gap is open already."""
        key = fact.key or fact.cause
        if (source, key) in self._open:
            return None
        self._number += 1
        signals = [s for a in fact.addresses if (s := self._signal_of(source, a)) is not None]
        gap = OpenGap(
            gap=f"G-{self._number:06d}",
            source=source,
            key=key,
            cause=fact.cause,
            certainty=fact.certainty,
            signals=signals,
        )
        self._open[source, key] = gap
        return self._record("opened", gap, fact, before=self._last.get(source, UNSET))

    def can_bound(self, source: str, fact: Fact) -> bool:
        """Tell whether such a gap is open and has no first reading after it yet."""
        gap = self._open.get((source, fact.key or fact.cause))
        return gap is not None and not gap.bounded

    def bounded(self, source: str, fact: Fact, after: GapEdge) -> Gap:
        """Return the record of the first reading after a gap for which `can_bound` holds."""
        gap = self._open[source, fact.key or fact.cause]
        gap.bounded = True
        return self._record("bounded", gap, fact, after=after)

    def closed(self, source: str, fact: Fact, after: GapEdge | UnsetType = UNSET) -> Gap | None:
        """Return the closing record with what was recovered; None if no such gap is open."""
        gap = self._open.pop((source, fact.key or fact.cause), None)
        return None if gap is None else self._record("closed", gap, fact, after=after)

    def _record(
        self,
        event: Any,
        gap: OpenGap,
        fact: Fact,
        *,
        before: GapEdge | UnsetType = UNSET,
        after: GapEdge | UnsetType = UNSET,
    ) -> Gap:
        facts: Mapping[str, Any] = {**(fact.detail or {}), "key": gap.key}
        return Gap(
            **self._head(),
            event=event,
            gap=gap.gap,
            source=gap.source,
            signals=gap.signals,
            cause=gap.cause,
            certainty="possible" if gap.certainty == "possible" else "certain",
            before=before,
            after=after,
            positions=list(fact.positions) if fact.positions is not None else UNSET,
            missing=fact.missing if fact.missing is not None else UNSET,
            recovery=_recovery(fact.recovery),
            recovered=fact.recovered if fact.recovered is not None else UNSET,
            facts=dict(sorted(facts.items())),
        )


def _recovery(word: str | None) -> Any:
    assert word is None or word in Recovery, f"recovery {word!r} is none of {sorted(Recovery)}"
    return UNSET if word is None else word
