"""Lookup: what projections ask of earlier records, answered by the index and, for what it has not taken up yet, by the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from gateway.adapters.index.query import IndexQuery
from gateway.adapters.index.reading_view import DECODER, READING_START
from gateway.adapters.segment_store.store import SegmentStore
from gateway.ledger.records import Batch, parse_record

ROWS: Final = 100
KEPT: Final = 100_000
"""Entries of the tail whose times are kept."""


class LedgerLookup:
    """Implements `gateway.pipeline.influx_lines.EarlierReadings`; every committed entry counts."""

    def __init__(self, query: Callable[[], IndexQuery], store: SegmentStore) -> None:
        self._query = query
        self._store = store
        self._batches: dict[str, int] = {}
        self._tail = Tail(store)

    def newest_ns(self, signal: str, before: int) -> int | None:
        """Return the newest effective time of a signal's readings below an index, None if there is none."""
        query = self._query()
        indexed = min(before, query.next_index())
        newest = query.newest_ns(signal, indexed)
        times = [time for _, time in self._tail.times(signal, indexed, before)]
        return max(times if newest is None else [newest, *times], default=None)

    def count_at(self, signal: str, effective_ns: int, before: int) -> int:
        """Return how many readings of a signal below an index have this effective time."""
        query = self._query()
        indexed = min(before, query.next_index())
        count = len(query.readings(signal, effective_ns, effective_ns + 1, indexed))
        return count + sum(time == effective_ns for _, time in self._tail.times(signal, indexed, before))

    def batch_ref(self, batch: str) -> int:
        """Return the index of a batch's first record, the only name a projection has for it; -1 if there is none yet."""
        found = self._batches.get(batch)
        if found is None:
            query = self._query()
            indexed = query.next_index()
            linked = query.linked("batch", batch, indexed, limit=ROWS)
            found = self._first(batch, linked)
            if found is None:
                found = self._first(batch, range(indexed, self._store.size))
            if found is None:
                return -1
            self._batches[batch] = found
        return found

    def _first(self, batch: str, indexes: Iterable[int]) -> int | None:
        """Return the first of these records that is one of the batch itself: deviations name batches too."""
        for wanted in indexes:
            for index, _, content in self._store.read(wanted, wanted + 1):
                record = parse_record(content)
                if isinstance(record, Batch) and record.batch == batch:
                    return index
        return None


class Tail:
    """Effective times of readings that the index has not taken up; each entry is read once."""

    def __init__(self, store: SegmentStore) -> None:
        self._store = store
        self._first = self._stop = 0
        self._times: dict[str, list[tuple[int, int]]] = {}

    def times(self, signal: str, first: int, stop: int) -> list[tuple[int, int]]:
        """Return (index, effective time in ns) of a signal's readings in ``[first, stop)``."""
        if stop <= first:
            return []
        if not self._first <= first <= self._stop or self._stop - self._first > KEPT:
            self._first = self._stop = first
            self._times.clear()
        for index, _, content in self._store.read(self._stop, stop):
            if content.startswith(READING_START):
                reading = DECODER.decode(content)
                self._times.setdefault(reading.signal, []).append((index, reading.effective_ns))
        self._stop = max(self._stop, stop)
        return [found for found in self._times.get(signal, ()) if first <= found[0] < stop]
