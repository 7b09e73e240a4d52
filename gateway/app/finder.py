"""Finder: the index as bundles and events ask it (`gateway.pipeline.bundles.Finder`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gateway.adapters.index.query import IndexQuery

ROWS = 1_000


class IndexFinder:
    """Asks one reading connection; every answer is whole or an error."""

    def __init__(self, query: IndexQuery) -> None:
        self._query = query

    def span(self, signal: str, from_ns: int, to_ns: int, size: int) -> tuple[int, int] | None:
        """Return first and last index of a signal's readings in a stretch of effective time."""
        return self._query.spans([signal], from_ns, to_ns, size).get(signal)

    def spans(self, signals: Iterable[str], from_ns: int, to_ns: int, size: int) -> dict[str, tuple[int, int]]:
        """Return the spans of several signals; one without readings is left out."""
        return self._query.spans(signals, from_ns, to_ns, size)

    def between(self, hulls: Mapping[str, tuple[int, int]], size: int) -> Sequence[int]:
        """Return the indexes of all readings of each signal from its first index to its last, ascending."""
        return self._query.between(hulls, size)

    def linked(self, what: str, key: str, size: int) -> Sequence[int]:
        """Return the indexes of all records that name something."""
        found: list[int] = []
        after = -1
        while page := self._query.linked(what, key, size, after=after, limit=ROWS):
            found += page
            after = page[-1]
        return found

    def of_kind(self, kind: str, size: int, first: int = 0) -> Sequence[int]:
        """Return the indexes of all records of a kind from ``first`` on."""
        found: list[int] = []
        after = first - 1
        while page := self._query.events(size, kind=kind, after=after, limit=ROWS):
            found += [row.entry for row in page]
            after = page[-1].entry
        return found

    def newest_of_kind(self, kind: str, size: int) -> int | None:
        """Return the index of the last record of a kind below ``size``."""
        return next((row.entry for row in self._query.events(size, kind=kind, limit=1, newest=True)), None)
