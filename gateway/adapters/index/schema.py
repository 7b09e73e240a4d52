"""Tables of the index and how its database is opened: WAL, one connection writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, cast

import apsw

SCHEMA: Final = 1
RUN_BITS: Final = 12
"""A run is 4,096 entries: an offset within it takes 16 bits."""
SKIP: Final = 64
"""Every 64th entry of a frame has its place noted: to reach an entry at most 63 lengths are walked."""

TABLES: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE frame (first INTEGER PRIMARY KEY, n INTEGER, file INTEGER, place INTEGER, length INTEGER, at_min INTEGER, at_max INTEGER, skips BLOB);
CREATE TABLE signal (sid INTEGER PRIMARY KEY, id TEXT UNIQUE, source TEXT, idx INTEGER, n INTEGER, source_ns INTEGER);
CREATE TABLE source (id TEXT PRIMARY KEY, idx INTEGER, incarnation INTEGER, epoch INTEGER, position INTEGER) WITHOUT ROWID;
CREATE VIRTUAL TABLE span USING rtree_i32(run, from_s, to_s);
CREATE TABLE chunk (
  run INTEGER, sid INTEGER, count INTEGER,
  received_min INTEGER, received_span INTEGER, source_min INTEGER, source_span INTEGER,
  n_first INTEGER, flags INTEGER, offsets BLOB, PRIMARY KEY (run, sid)
) WITHOUT ROWID;
CREATE TABLE event (idx INTEGER PRIMARY KEY, kind TEXT, event TEXT, at INTEGER, object TEXT);
CREATE INDEX event_kind ON event (kind, event);
CREATE INDEX event_object ON event (object);
CREATE TABLE link (what TEXT, key TEXT, idx INTEGER, PRIMARY KEY (what, key, idx)) WITHOUT ROWID;
CREATE TABLE membership (
  batch TEXT, node TEXT, use TEXT, room TEXT, from_ns INTEGER, to_ns INTEGER, pre_roll_s INTEGER, post_roll_s INTEGER,
  idx INTEGER, until_idx INTEGER
);
CREATE INDEX membership_batch ON membership (batch);
CREATE INDEX membership_node ON membership (node, from_ns);
CREATE INDEX membership_room ON membership (room, from_ns);
CREATE TABLE anchor (idx INTEGER PRIMARY KEY, event TEXT, size INTEGER, root TEXT, gen_ns INTEGER);
CREATE TABLE snapshot (name TEXT PRIMARY KEY, idx INTEGER, root BLOB, sha256 TEXT, content BLOB) WITHOUT ROWID;
"""


class Rows(Protocol):
    """The answer to a statement."""

    def __iter__(self) -> Iterator[tuple[Any, ...]]: ...

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the next row."""
        ...

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return the rows that are left."""
        ...

    @property
    def get(self) -> Any:
        """The only value of the only row, None without a row."""
        ...


class Database(Protocol):
    """What we use of `apsw.Connection`; its own annotations are partly unknown."""

    def execute(self, statements: str, bindings: Sequence[Any] = ...) -> Rows:
        """Run a statement."""
        ...

    def executemany(self, statements: str, sequenceofbindings: Iterable[Sequence[Any]]) -> Rows:
        """Run a statement for each row."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...

    def __enter__(self) -> object: ...

    def __exit__(self, *given: object) -> bool | None: ...


def open_writer(path: Path) -> Database:
    """Open the database for the one connection that writes; make it if it is new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    opened = apsw.Connection(str(path))
    opened.set_busy_timeout(5_000)
    connection = cast("Database", opened)
    settings = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-16384"
    connection.execute(settings).fetchall()  # a statement that answers must be read, else those after it never run
    if connection.execute("SELECT count(*) FROM sqlite_master").get == 0:
        connection.execute(f"BEGIN; {TABLES} COMMIT")
    return connection


def open_reader(path: Path) -> Database:
    """Open the database for queries."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    connection.set_busy_timeout(5_000)
    return cast("Database", connection)


def remove(path: Path) -> None:
    """Remove a database with its WAL files."""
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        path.with_name(name).unlink(missing_ok=True)


def run_of(index: int) -> int:
    """Return the run that holds an index."""
    return index >> RUN_BITS


def read_meta(connection: Database, key: str) -> object:
    """Return one value of `meta`, None if there is none."""
    found: object = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).get
    return found
