"""Lookup: what projections ask of earlier records, answered by the index and, for what it has not taken up yet, by the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from gateway.adapters.index.query import IndexQuery
from gateway.adapters.segment_store.store import SegmentStore
from gateway.ledger.records import Batch, Reading, Record, parse_record
from gateway.pipeline.reading_views import view_of

ALL_NS: Final = 1 << 62


class LedgerLookup:
    """Implements `gateway.pipeline.influx_lines.EarlierReadings`; every committed entry counts."""

    def __init__(self, query: Callable[[], IndexQuery], store: SegmentStore) -> None:
        self._query = query
        self._store = store
        self._batches: dict[str, int] = {}

    def newest_ns(self, signal: str, before: int) -> int | None:
        """Return the newest effective time of a signal's readings below an index, None if there is none."""
        indexed = min(before, self._query().next_index())
        times = [row.effective_ns for row in self._query().readings(signal, -ALL_NS, ALL_NS, indexed)]
        times += [
            view_of(i, r).te_ns for i, r in self._tail(indexed, before) if isinstance(r, Reading) and r.signal == signal
        ]
        return max(times, default=None)

    def count_at(self, signal: str, effective_ns: int, before: int) -> int:
        """Return how many readings of a signal below an index have this effective time."""
        indexed = min(before, self._query().next_index())
        count = len(self._query().readings(signal, effective_ns, effective_ns + 1, indexed))
        return count + sum(
            1
            for index, record in self._tail(indexed, before)
            if isinstance(record, Reading) and record.signal == signal and view_of(index, record).te_ns == effective_ns
        )

    def batch_ref(self, batch: str) -> int:
        """Return the index of a batch's first record: the only name a projection has for it."""
        if batch not in self._batches:
            indexed = self._query().next_index()
            found = self._query().linked("batch", batch, indexed, limit=1)
            if not found:
                tail = self._tail(indexed, self._store.size)
                found = [index for index, record in tail if isinstance(record, Batch) and record.batch == batch][:1]
            self._batches[batch] = found[0] if found else -1
        return self._batches[batch]

    def _tail(self, first: int, stop: int) -> Iterator[tuple[int, Record]]:
        return ((index, parse_record(content)) for index, _, content in self._store.read(first, stop))
