"""Where the readings of a stretch of time begin and end, and which entries they are: what a bundle asks (`ledger.md` 7).

A chunk whose times lie inside the stretch answers without a look at its records; only those at the edges are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gateway.adapters.index import schema
from gateway.adapters.index.chunks import Row, load, seconds_above, seconds_below
from gateway.adapters.index.entry_fetch import EntryFetch
from gateway.adapters.index.reading_view import DECODER

_COLUMNS = "run, received_min, received_span, source_min, source_span, offsets"


def chunks_of(connection: schema.Database, signal: str, from_ns: int, to_ns: int) -> list[Row]:
    """Return the chunks of a signal whose times may meet ``[from_ns, to_ns)``, in the order of the ledger."""
    query = (
        f"SELECT c.{_COLUMNS} FROM span s JOIN chunk c "  # noqa: S608  columns are ours
        "ON c.run = s.run AND c.sid = (SELECT sid FROM signal WHERE id = ?) WHERE s.to_s >= ? AND s.from_s <= ?"
    )
    given = (signal, seconds_below(from_ns), seconds_above(to_ns))
    chunks = sorted(load(row) for row in connection.execute(query, given))
    return [chunk for chunk in chunks if chunk.span[0] < to_ns and chunk.span[1] >= from_ns]


def spans_of(
    connection: schema.Database, fetch: EntryFetch, signals: Iterable[str], from_ns: int, to_ns: int, size: int
) -> dict[str, tuple[int, int]]:
    """Return for each signal the first and last index below ``size`` with an effective time in ``[from_ns, to_ns)``."""
    chunks = {signal: chunks_of(connection, signal, from_ns, to_ns) for signal in signals}
    # All beginnings before all ends: the records of one segment are then asked for one after the other.
    firsts = {signal: _edge(fetch, rows, from_ns, to_ns, size) for signal, rows in chunks.items()}
    lasts = {
        signal: _edge(fetch, rows[::-1], from_ns, to_ns, size, backward=True)
        for signal, rows in chunks.items()
        if firsts[signal] is not None
    }
    return {
        signal: (first, last)
        for signal, last in lasts.items()
        if (first := firsts[signal]) is not None and last is not None
    }


def entries_between(connection: schema.Database, hulls: Mapping[str, tuple[int, int]]) -> list[int]:
    """Return the indexes of all readings of each signal from its first index to its last, ascending."""
    ids = {str(key): sid for key, sid in connection.execute("SELECT id, sid FROM signal")}
    bounds = {ids[signal]: hull for signal, hull in hulls.items() if signal in ids}
    if not bounds:
        return []
    first, last = min(hull[0] for hull in bounds.values()), max(hull[1] for hull in bounds.values())
    marks = ", ".join("?" * len(bounds))
    query = f"SELECT sid, offsets FROM chunk WHERE run = ? AND sid IN ({marks})"  # noqa: S608  only marks
    found: list[int] = []
    for run in range(schema.run_of(first), schema.run_of(last) + 1):
        base = run << schema.RUN_BITS
        of_run: list[int] = []
        for sid, packed in connection.execute(query, (run, *bounds)):
            low, high = bounds[sid]
            of_run += [base + offset for offset in memoryview(packed).cast("H") if low <= base + offset <= high]
        of_run.sort()
        found += of_run
    return found


def _edge(
    fetch: EntryFetch, chunks: Iterable[Row], from_ns: int, to_ns: int, size: int, *, backward: bool = False
) -> int | None:
    """Return the first index (``backward``: the last) below ``size`` whose effective time lies in the stretch."""
    for chunk in chunks:
        first, last = chunk.span
        base = chunk.run << schema.RUN_BITS
        inside = from_ns <= first and last < to_ns
        for offset in reversed(chunk.offsets) if backward else chunk.offsets:
            index = base + offset
            if index >= size:
                continue
            if inside:
                return index
            content = fetch.record(index)
            if content is not None and from_ns <= DECODER.decode(content).effective_ns < to_ns:
                return index
    return None
