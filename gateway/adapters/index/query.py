"""Questions to the index, each for a ledger of a stated size: behind it there is an error, never a silent part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple

from gateway.adapters.index import schema
from gateway.adapters.index.chunks import load, ns_of
from gateway.adapters.index.entry_fetch import EntryFetch
from gateway.adapters.index.reading_view import DECODER
from gateway.adapters.index.spans import chunks_of, entries_between, spans_of
from gateway.adapters.segment_store.layout import Layout
from gateway.errors import Unavailable

ROWS_MAX: Final = 1_000


class FoundReading(NamedTuple):
    """A reading: the index of its entry, its effective time in ns, and its JSON."""

    entry: int
    effective_ns: int
    content: bytes


class FoundEvent(NamedTuple):
    """A record that is no reading: index of its entry, kind, event, time it was made, id of what it is about."""

    entry: int
    kind: str
    event: str
    at_ns: int
    object: str


class Membership(NamedTuple):
    """``[from_ns, to_ns)`` of a batch on a node as of the size asked; ``to_ns`` None: open. ``entry``: index of the record that says so."""

    batch: str
    node: str
    use: str
    room: str | None
    from_ns: int
    to_ns: int | None
    pre_roll_s: int
    post_roll_s: int
    entry: int


class Stretch(NamedTuple):
    """Times of some records, ns: when the newest was written, and from when to when they speak."""

    written_ns: int
    from_ns: int
    to_ns: int


class LastOfSignal(NamedTuple):
    """Newest reading of a signal: index of its entry, its number, the newest source time (ns)."""

    entry: int
    n: int
    source_ns: int | None


class LastOfSource(NamedTuple):
    """Newest transport place of a source that a reading bears."""

    entry: int
    incarnation: int
    epoch: int
    position: int


class IndexQuery:
    """A reading connection; safe for several threads, which wait for each other."""

    def __init__(self, path: Path, layout: Layout) -> None:
        self._connection = schema.open_reader(path)
        self._lock = Lock()
        self._fetch = EntryFetch(self._connection, layout)

    def close(self) -> None:
        """Close the connection and the files."""
        with self._lock:
            self._fetch.close()
            self._connection.close()

    def release(self) -> None:
        """Let go of segment files that are gone, so that their space is free."""
        with self._lock:
            self._fetch.release()

    def next_index(self) -> int:
        """Return how far the index is."""
        with self._lock:
            return self._next()

    def record(self, index: int, size: int) -> bytes | None:
        """Return the JSON of one record, None if it is not below ``size`` or pruned."""
        with self._lock:
            self._require(size)
            return self._fetch.record(index, alone=True) if index < size else None

    def readings(
        self, signal: str, from_ns: int, to_ns: int, size: int, *, received: bool = False, limit: int | None = None
    ) -> list[FoundReading]:
        """Return the readings of a signal with ``from_ns <= time < to_ns``, in the order of the ledger.

        Time is the effective time, or with ``received`` the received one. At most ``limit`` of them.
        """
        with self._lock:
            self._require(size)
            found: list[FoundReading] = []
            for index in self._candidates(signal, from_ns, to_ns):
                if index >= size:
                    break
                content = self._fetch.record(index)
                if content is None:
                    continue
                reading = DECODER.decode(content)
                time = reading.received_ns if received else reading.effective_ns
                if from_ns <= time < to_ns:
                    found.append(FoundReading(index, reading.effective_ns, content))
                    if limit is not None and len(found) >= limit:
                        break
            return found

    def spans(self, signals: Iterable[str], from_ns: int, to_ns: int, size: int) -> dict[str, tuple[int, int]]:
        """Return for each signal that has any the first and last index of its readings with effective time in the stretch."""
        with self._lock:
            self._require(size)
            return spans_of(self._connection, self._fetch.reader, signals, from_ns, to_ns, size)

    def between(self, hulls: Mapping[str, tuple[int, int]], size: int) -> list[int]:
        """Return the indexes of all readings of each signal from its first index to its last, ascending."""
        with self._lock:
            self._require(size)
            return entries_between(self._connection, hulls)

    def newest_ns(self, signal: str, size: int) -> int | None:
        """Return the newest effective time (ns) of a signal's readings below ``size``, None if there is none.

        Chunks are looked into from the newest on, and only while one could hold a newer time than what was found.
        """
        query = (
            "SELECT run, received_min, received_span, source_min, source_span, offsets FROM chunk "
            "WHERE sid = (SELECT sid FROM signal WHERE id = ?) "
            "ORDER BY received_min + max(received_span, coalesce(source_min + source_span, 0)) DESC"
        )
        with self._lock:
            self._require(size)
            newest: int | None = None
            for chunk in map(load, self._connection.execute(query, (signal,))):
                if newest is not None and chunk.span[1] <= newest:
                    break
                base = chunk.run << schema.RUN_BITS
                for index in (base + offset for offset in chunk.offsets if base + offset < size):
                    content = self._fetch.record(index)
                    if content is not None:
                        time = DECODER.decode(content).effective_ns
                        newest = time if newest is None else max(newest, time)
            return newest

    def events(
        self,
        size: int,
        *,
        kind: str | None = None,
        event: str | None = None,
        object_id: str | None = None,
        after: int = -1,
        limit: int = ROWS_MAX,
        newest: bool = False,
    ) -> list[FoundEvent]:
        """Return records that are no readings, by kind, event, object, in the order of the ledger, above index ``after``.

        ``newest``: the last ones first.
        """
        where, given = ["idx > ?", "idx < ?"], [after, size]
        values: list[object] = list(given)
        for column, value in (("kind", kind), ("event", event), ("object", object_id)):
            if value is not None:
                where.append(f"{column} = ?")
                values.append(value)
        order = "idx DESC" if newest else "idx"
        query = f"SELECT * FROM event WHERE {' AND '.join(where)} ORDER BY {order} LIMIT ?"  # noqa: S608  columns are ours
        return [FoundEvent(*row) for row in self._rows(query, (*values, limit), size)]

    def newest_event(self, kind: str, event: str, size: int) -> FoundEvent | None:
        """Return the newest record of a kind and event below ``size``, None if there is none."""
        query = "SELECT * FROM event WHERE kind = ? AND event = ? AND idx < ? ORDER BY idx DESC LIMIT 1"
        rows = self._rows(query, (kind, event, size), size)
        return FoundEvent(*rows[0]) if rows else None

    def stretch(self, first: int, stop: int) -> Stretch | None:
        """Return the times of the records of ``[first, stop)``, both multiples of a run; None where there is none."""
        runs = schema.run_of(first), schema.run_of(stop)
        with self._lock:
            self._require(stop)
            execute = self._connection.execute
            written = execute(
                "SELECT max(received_min + received_span) FROM chunk WHERE run >= ? AND run < ?", runs
            ).get
            spans = execute("SELECT min(from_s), max(to_s) FROM span WHERE run >= ? AND run < ?", runs).fetchone()
            events = execute("SELECT min(at), max(at) FROM event WHERE idx >= ? AND idx < ?", (first, stop)).fetchone()
        told = [] if events is None or events[0] is None else [events]
        said = [] if spans is None or spans[0] is None else [(ns_of(int(spans[0])), ns_of(int(spans[1])))]
        if not told and not said:
            return None
        newest = [written] if isinstance(written, int) else []
        return Stretch(
            max([*newest, *(last for _, last in told)]),
            min(earliest for earliest, _ in (*told, *said)),
            max(last for _, last in (*told, *said)),
        )

    def keys_between(self, what: str, first: int, stop: int) -> list[str]:
        """Return what the records of ``[first, stop)`` name: batches, deviations and so on."""
        query = "SELECT DISTINCT key FROM link WHERE what = ? AND idx >= ? AND idx < ?"
        return [str(row[0]) for row in self._rows(query, (what, first, stop), stop)]

    def stamped(self, size: int, first: int, last: int) -> list[tuple[int, int]]:
        """Return (index, tree size) of the time stamps around the records ``first..last``, in order.

        That is the newest one recorded below ``first``, those about more than ``first``, up to the oldest over more than ``last``.
        """
        known = "SELECT idx, size FROM anchor WHERE event = 'timestamped' AND idx < ?"
        below = self._rows(f"{known} ORDER BY idx DESC LIMIT 1", (min(first, size),), size)
        inside = self._rows(f"{known} AND size > ? AND size <= ? ORDER BY idx", (size, first, last), size)
        over = self._rows(f"{known} AND size > ? ORDER BY idx LIMIT 1", (size, last), size)
        return sorted({(row[0], row[1]) for row in (*below, *inside, *over)})

    def stamps(self, size: int) -> list[int]:
        """Return the indexes of all time stamps, those over lists included, in order."""
        known = "SELECT idx FROM anchor WHERE event IN ('timestamped', 'restamped') AND idx < ? ORDER BY idx"
        return [row[0] for row in self._rows(known, (size,), size)]

    def linked(self, what: str, key: str, size: int, *, after: int = -1, limit: int = ROWS_MAX) -> list[int]:
        """Return the indexes of all records (no readings) that name a batch, excursion, person …, in order."""
        query = "SELECT idx FROM link WHERE what = ? AND key = ? AND idx > ? AND idx < ? ORDER BY idx LIMIT ?"
        return [row[0] for row in self._rows(query, (what, key, after, size, limit), size)]

    def batches(self, size: int, *, after: int = -1, limit: int = ROWS_MAX) -> list[tuple[str, int]]:
        """Return (batch, index of its first record) in the order of first records."""
        query = (
            "SELECT object, min(idx) AS first FROM event WHERE kind = 'batch' AND idx < ? "
            "GROUP BY object HAVING first > ? ORDER BY first LIMIT ?"
        )
        return [(str(batch), first) for batch, first in self._rows(query, (size, after, limit), size)]

    def memberships(
        self,
        size: int,
        *,
        batch: str | None = None,
        node: str | None = None,
        room: str | None = None,
        from_ns: int | None = None,
        to_ns: int | None = None,
    ) -> list[Membership]:
        """Return the memberships in force at ``size``, of a batch, a node or a room, that meet ``[from_ns, to_ns)``."""
        where = ["idx < ?", "(until_idx IS NULL OR until_idx >= ?)"]
        values: list[object] = [size, size]
        conditions = (
            ("batch = ?", batch),
            ("node = ?", node),
            ("room = ?", room),
            ("(to_ns IS NULL OR to_ns > ?)", from_ns),
            ("from_ns < ?", to_ns),
        )
        for condition, value in conditions:
            if value is not None:
                where.append(condition)
                values.append(value)
        columns = "batch, node, use, room, from_ns, to_ns, pre_roll_s, post_roll_s, idx"
        query = f"SELECT {columns} FROM membership WHERE {' AND '.join(where)} ORDER BY from_ns, idx"  # noqa: S608  ours
        return [Membership(*row) for row in self._rows(query, tuple(values), size)]

    def last_of_signal(self, signal: str) -> LastOfSignal | None:
        """Return the newest indexed reading of a signal."""
        with self._lock:
            query = "SELECT idx, n, source_ns FROM signal WHERE id = ? AND idx IS NOT NULL"
            row = self._connection.execute(query, (signal,)).fetchone()
        return LastOfSignal(*row) if row is not None else None

    def last_of_source(self, source: str) -> LastOfSource | None:
        """Return where a source stood by its newest indexed reading."""
        with self._lock:
            query = "SELECT idx, incarnation, epoch, position FROM source WHERE id = ?"
            row = self._connection.execute(query, (source,)).fetchone()
        return LastOfSource(*row) if row is not None else None

    def signals(self) -> list[str]:
        """Return the ids of all signals that were ever registered or read."""
        with self._lock:
            return [str(row[0]) for row in self._connection.execute("SELECT id FROM signal ORDER BY sid")]

    def place(self, index: int) -> tuple[int, int] | None:
        """Return (first index of the file, offset of the frame) of a record."""
        with self._lock:
            return self._fetch.place(index)

    def snapshot(self, name: str) -> tuple[int, bytes, str, bytes] | None:
        """Return (index, root, SHA-256, content) of a fold's state."""
        with self._lock:
            query = "SELECT idx, root, sha256, content FROM snapshot WHERE name = ?"
            row = self._connection.execute(query, (name,)).fetchone()
        return (row[0], bytes(row[1]), str(row[2]), bytes(row[3])) if row is not None else None

    def _candidates(self, signal: str, from_ns: int, to_ns: int) -> Iterator[int]:
        """Yield the indexes of readings in chunks whose times may meet the range."""
        for chunk in chunks_of(self._connection, signal, from_ns, to_ns):
            base = chunk.run << schema.RUN_BITS
            yield from (base + offset for offset in chunk.offsets)

    def _rows(self, query: str, values: tuple[object, ...], size: int) -> list[tuple[Any, ...]]:
        with self._lock:
            self._require(size)
            return self._connection.execute(query, values).fetchall()

    def _next(self) -> int:
        found = schema.read_meta(self._connection, "next")
        return found if isinstance(found, int) else 0

    def _require(self, size: int) -> None:
        reached = self._next()
        if reached < size:
            raise Unavailable(f"index at {reached:,} of {size:,}", remedy="ask again in a moment")
