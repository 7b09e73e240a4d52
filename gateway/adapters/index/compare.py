"""Compare: whether an index says what the ledger says. It is made again beside it and held against it, row by row.

The index is never evidence, but people look through it: a row that somebody took out hides a record from every page.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Final, NamedTuple

import apsw

from gateway.adapters.index import schema
from gateway.adapters.index.follower import IndexFollower
from gateway.adapters.segment_store.reader import SegmentReader

_ALWAYS: Final = {
    "frame": "SELECT first, n, length, at_min, at_max FROM frame WHERE first >= ? ORDER BY first",
    "chunk": "SELECT run << 12, id, count, received_min, received_span, source_min, source_span, n_first, flags, offsets "
    "FROM chunk JOIN signal USING (sid) WHERE run << 12 >= ? ORDER BY run, id",
    "span": "SELECT run << 12, from_s, to_s FROM span WHERE run << 12 >= ? ORDER BY run",
    "signal": "SELECT idx, id, source, n, source_ns FROM signal WHERE idx >= ? ORDER BY id",
    "source": "SELECT idx, id, incarnation, epoch, position FROM source WHERE idx >= ? ORDER BY id",
    "event": "SELECT idx, kind, event, at, object FROM event WHERE idx >= ? ORDER BY idx",
    "link": "SELECT idx, what, key FROM link WHERE idx >= ? ORDER BY idx, what, key",
    "anchor": "SELECT idx, event, size, root, gen_ns FROM anchor WHERE idx >= ? ORDER BY idx",
}
"""Rows by table, the index of the record first. Where a frame lies is left out: a sealed file is laid out anew."""
_UNPRUNED: Final = {
    "membership": "SELECT idx, batch, node, use, room, from_ns, to_ns, pre_roll_s, post_roll_s, until_idx FROM membership "
    "WHERE idx >= ? ORDER BY idx, batch, node, from_ns, to_ns, until_idx",
}
"""What rests on earlier records, so that a ledger without its beginning cannot make it again."""


class Difference(NamedTuple):
    """The first record about which a table of the index and the ledger disagree."""

    record: int
    table: str


def first_difference(
    path: Path, origin: str, reader: SegmentReader, progress: Callable[[int, int], None] | None = None
) -> Difference | None:
    """Return where the index at ``path`` differs from the ledger, None where it does not, or is of another schema.

    Compared is what it holds at this moment; it may lag, and the gateway may run. ``progress``: (entries done, in all).
    A file that is no database differs from the first record on. Raises `LedgerDoubt` for a ledger that cannot be read.
    """
    try:
        found = schema.open_reader(path)
        found.execute("BEGIN").fetchall()
        known = schema.read_meta(found, "schema")
    except apsw.Error:
        return Difference(reader.first_index(), "meta")
    try:
        if known != schema.SCHEMA:
            return None
        cursor = schema.read_meta(found, "next")
        size, begins = int(str(cursor)), reader.first_index()
        with tempfile.TemporaryDirectory() as folder:
            made = IndexFollower(Path(folder) / "index.db", origin, reader)
            made.open(0)
            made.follow(size, None if progress is None else lambda done: progress(done, size))
            made.close()
            again = schema.open_reader(Path(folder) / "index.db")
            try:
                return _compare(found, again, begins)
            finally:
                again.close()
    finally:
        found.close()


def _compare(found: schema.Database, again: schema.Database, begins: int) -> Difference | None:
    tables = _ALWAYS if begins else _ALWAYS | _UNPRUNED
    seen = [
        Difference(index, table) for table, query in tables.items() for index in _first(found, again, query, begins)
    ]
    return min(seen, default=None)


def _first(found: schema.Database, again: schema.Database, query: str, begins: int) -> Iterator[int]:
    """Yield the record of the first pair of rows that differ."""
    mine, theirs = (db.execute(query, (begins,)) for db in (found, again))
    for one, other in zip_longest(mine, theirs):
        if one != other:
            yield min(int(row[0]) for row in (one, other) if row is not None)
            return
