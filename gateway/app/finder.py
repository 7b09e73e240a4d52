"""Finder: the index as bundles and events ask it (`gateway.pipeline.bundles.Finder`)."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.adapters.index.query import IndexQuery

ROWS = 1_000


class IndexFinder:
    """Asks one reading connection; every answer is whole or an error."""

    def __init__(self, query: IndexQuery) -> None:
        self._query = query

    def span(self, signal: str, from_ns: int, to_ns: int, size: int) -> tuple[int, int] | None:
        """Return first and last index of a signal's readings in a stretch of effective time."""
        found = self._query.readings(signal, from_ns, to_ns, size)
        return (found[0].entry, found[-1].entry) if found else None

    def linked(self, what: str, key: str, size: int) -> Sequence[int]:
        """Return the indexes of all records that name something."""
        found: list[int] = []
        after = -1
        while page := self._query.linked(what, key, size, after=after, limit=ROWS):
            found += page
            after = page[-1]
        return found

    def of_kind(self, kind: str, size: int) -> Sequence[int]:
        """Return the indexes of all records of a kind."""
        found: list[int] = []
        after = -1
        while page := self._query.events(size, kind=kind, after=after, limit=ROWS):
            found += [row.entry for row in page]
            after = page[-1].entry
        return found
