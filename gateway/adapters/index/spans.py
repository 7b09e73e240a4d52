"""Where the readings of a stretch of time begin and end, and which entries they are: what a bundle asks (`ledger.md` 7).

A chunk whose times lie inside the stretch answers without a look at its records; only those at the edges are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gateway.adapters.index import schema
from gateway.adapters.index.chunks import Row, load, seconds_above, seconds_below
from gateway.adapters.index.reading_view import DECODER
from gateway.adapters.segment_store.reader import SegmentReader

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
    connection: schema.Database, reader: SegmentReader, signals: Iterable[str], from_ns: int, to_ns: int, size: int
) -> dict[str, tuple[int, int]]:
    """Return for each signal the first and last index below ``size`` with an effective time in ``[from_ns, to_ns)``."""
    chunks = {signal: chunks_of(connection, signal, from_ns, to_ns) for signal in signals}
    firsts = _edges(reader, chunks, from_ns, to_ns, size)
    found = {signal: rows[::-1] for signal, rows in chunks.items() if signal in firsts}
    lasts = _edges(reader, found, from_ns, to_ns, size, backward=True)
    return {signal: (firsts[signal], last) for signal, last in lasts.items()}


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


def _edges(
    reader: SegmentReader,
    chunks: Mapping[str, Sequence[Row]],
    from_ns: int,
    to_ns: int,
    size: int,
    *,
    backward: bool = False,
) -> dict[str, int]:
    """Return of each signal the first index (``backward``: the last) below ``size`` whose effective time is in the stretch.

    Goes chunk by chunk for all signals together, so that a segment is read once for them, not once for each.
    """
    found: dict[str, int] = {}
    left = {signal: list(rows) for signal, rows in chunks.items()}
    while left := {signal: rows for signal, rows in left.items() if rows and signal not in found}:
        asked: dict[int, str] = {}
        for signal, rows in left.items():
            chunk = rows.pop(0)
            indexes = [index for offset in chunk.offsets if (index := (chunk.run << schema.RUN_BITS) + offset) < size]
            if indexes and from_ns <= chunk.span[0] and chunk.span[1] < to_ns:
                found[signal] = indexes[-1 if backward else 0]
            else:
                asked.update(dict.fromkeys(indexes, signal))
        for index, _, content in reader.pick(sorted(asked)):
            signal = asked[index]
            if (backward or signal not in found) and from_ns <= DECODER.decode(content).effective_ns < to_ns:
                found[signal] = index
    return found
