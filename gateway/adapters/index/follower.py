"""Follows the ledger by cursor: reads frames from the store, writes rows, remembers how far. Rebuilding is the same code."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from time import sleep
from typing import Any, Final

import apsw
import msgspec

from gateway.adapters.index import schema
from gateway.adapters.index.chunks import Chunk, load, seconds_above, seconds_below
from gateway.adapters.index.event_rows import anchor_event, closes, event_of, links_of, memberships_of, object_of
from gateway.adapters.index.reading_view import DECODER, READING_START, ReadingView
from gateway.adapters.segment_store.reader import Place, SegmentReader
from gateway.ledger.entry import SALT_SIZE, derive_salt
from gateway.ledger.frame import HEADER_SIZE, PREFIX_SIZE, TRAILER_SIZE, Frame, split_body

PIECE_ENTRIES: Final = 65_536
"""Entries that one transaction takes when the index is behind."""


class IndexFollower:
    """The one connection that writes. Used by one thread at a time.

    The cursor counts only with the record before it: other origin, schema or record there, or a ledger shorter than the
    cursor, and the index is made anew.
    """

    def __init__(self, path: Path, origin: str, reader: SegmentReader) -> None:
        self._path = path
        self._origin = origin
        self._reader = reader
        self._connection: schema.Database | None = None
        self._next = 0
        self._run = 0
        self._chunks: dict[str, Chunk] = {}
        self._touched: set[str] = set()
        self._sids: dict[str, int] = {}
        self._sources: dict[str, str] = {}
        self._latest: dict[str, tuple[int, ReadingView]] = {}

    @property
    def next_index(self) -> int:
        """Index of the first entry that is not indexed yet."""
        return self._next

    def open(self, size: int) -> bool:
        """Open the index of a ledger of ``size`` entries; return whether it could be used, False when it begins anew."""
        try:
            usable = self._load(size)
        except apsw.Error:
            usable = False
        if not usable:
            self.close()
            schema.remove(self._path)
            self._load(size)
        return usable

    def rebuild(self, size: int, progress: Callable[[int], None] | None = None) -> None:
        """Throw the index away and make it again up to ``size``."""
        self.close()
        schema.remove(self._path)
        self._load(0)
        self.follow(size, progress)

    def follow(self, size: int, progress: Callable[[int], None] | None = None, *, breath_s: float = 0.0) -> None:
        """Index all entries below ``size`` that are not indexed yet; what is indexed stays as it is.

        ``breath_s``: rest after each frame, in which others have the interpreter. The index may lag; no acknowledgement may
        wait for it.
        """
        self._next = max(self._next, self._reader.first_index())  # what stood before was pruned
        while self._next < size:
            before = self._next
            try:
                self._take_piece(min(size, self._next + PIECE_ENTRIES), size, breath_s)
            except BaseException:
                self.close()  # what is in memory no longer fits the database: `open` takes up what was written
                raise
            if self._next == before:
                return
            if progress is not None:
                progress(self._next)

    def save_snapshot(self, name: str, index: int, root: bytes, content: bytes) -> None:
        """Keep a fold's state: it counts only while index, root and SHA-256 fit."""
        row = (name, index, root, sha256(content).hexdigest(), content)
        self._db.execute("INSERT OR REPLACE INTO snapshot VALUES (?, ?, ?, ?, ?)", row)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def _db(self) -> schema.Database:
        assert self._connection is not None, "the index is not open"
        return self._connection

    def _load(self, size: int) -> bool:
        """Open the database, say whether its cursor fits the ledger, and take up the run it stands in."""
        self._connection = schema.open_writer(self._path)
        self._next, self._run = 0, 0
        self._chunks, self._latest = {}, {}
        self._touched = set()
        self._sids = {str(key): sid for key, sid in self._db.execute("SELECT id, sid FROM signal")}
        rows = self._db.execute("SELECT id, source FROM signal WHERE source IS NOT NULL")
        self._sources = {str(key): str(source) for key, source in rows}
        known = schema.read_meta(self._db, "schema")
        if known is None:
            rows_meta = [("schema", schema.SCHEMA), ("origin", self._origin), ("next", 0), ("root", "")]
            self._db.executemany("INSERT INTO meta VALUES (?, ?)", rows_meta)
            return True
        if known != schema.SCHEMA or schema.read_meta(self._db, "origin") != self._origin:
            return False
        cursor = schema.read_meta(self._db, "next")
        if not isinstance(cursor, int) or cursor > size:
            return False
        if cursor and self._record_hash(cursor - 1) != schema.read_meta(self._db, "root"):
            return False
        self._next = cursor
        self._take_up_run()
        return True

    def _record_hash(self, index: int) -> str | None:
        """Return SHA-256 of the salted entry at ``index``: it ties the cursor to this very log."""
        for _, salt, record in self._reader.read(index, index + 1):
            return sha256(salt + record).hexdigest()
        return None

    def _take_up_run(self) -> None:
        self._run = schema.run_of(self._next)
        names = {sid: key for key, sid in self._sids.items()}
        query = (
            "SELECT sid, count, n_first, flags, run, received_min, received_span, source_min, source_span, offsets "
            "FROM chunk WHERE run = ?"
        )
        for sid, count, n_first, flags, *rest in self._db.execute(query, (self._run,)):
            row = load(tuple(rest))
            chunk = Chunk(ReadingView(received_ns=row.received_min, signal="", n=n_first))
            chunk.count, chunk.flags, chunk.offsets = count, flags, row.offsets
            chunk.received_max = row.received_max
            chunk.source_min, chunk.source_max = row.source_min, row.source_max
            self._chunks[names[sid]] = chunk

    def _take_piece(self, stop: int, size: int, breath_s: float) -> None:
        frames: list[tuple[object, ...]] = []
        events: list[tuple[int, dict[str, Any]]] = []
        last = b""
        with self._db:
            for place, frame in self._reader.frames(self._next, stop):
                if frame.first < self._next or frame.stop > size:
                    break
                row, last = self._take_frame(place, frame, events)
                if breath_s:
                    sleep(breath_s)
                frames.append(row)
                self._next = frame.stop
            if not frames:
                return
            self._db.executemany("INSERT INTO frame VALUES (?, ?, ?, ?, ?, ?, ?, ?)", frames)
            self._write_events(events)
            self._write_chunks()
            self._write_latest()
            done = [(self._next, "next"), (sha256(last).hexdigest(), "root")]
            self._db.executemany("UPDATE meta SET value = ? WHERE key = ?", done)

    def _take_frame(
        self, place: Place, frame: Frame, events: list[tuple[int, dict[str, Any]]]
    ) -> tuple[tuple[object, ...], bytes]:
        """Take the entries of a frame; return its row and its last entry."""
        items = split_body(frame.body, frame.n)
        salt = 0 if frame.stripped else SALT_SIZE
        skips = array("I")
        position, index = 0, frame.first
        times: list[int] = []
        for item in items:
            if not (index - frame.first) % schema.SKIP:
                skips.append(position)
            position += 2 + SALT_SIZE - salt + len(item)
            record = item[salt:]
            if record.startswith(READING_START):
                reading = DECODER.decode(record)
                self._take_reading(index, reading)
                times.append(reading.received_ns)
            else:
                document = msgspec.json.decode(record)
                events.append((index, document))
                times.append(document.get("at_ns", 0))
                if document.get("kind") == "signal":
                    self._sources[document["signal"]] = document["source"]
                    self._sid_of(document["signal"])
            index += 1
        last = derive_salt(frame.seed, frame.stop - 1) + items[-1] if frame.stripped else items[-1]
        file, restored = place.file.first, SALT_SIZE - salt
        length = HEADER_SIZE + position + PREFIX_SIZE * frame.n + len(frame.checkpoint) + TRAILER_SIZE
        # A sealed file has no salts: its frames once stood 16 bytes further on for each entry before them.
        offset = place.offset + restored * (frame.first - file)
        return (frame.first, frame.n, file, offset, length, min(times), max(times), skips.tobytes()), last

    def _take_reading(self, index: int, reading: ReadingView) -> None:
        run = index >> schema.RUN_BITS
        if run != self._run:
            self._write_chunks()
            self._chunks.clear()
            self._run = run
        chunk = self._chunks.get(reading.signal)
        if chunk is None:
            chunk = self._chunks[reading.signal] = Chunk(reading)
            self._sid_of(reading.signal)  # in the order of the ledger, so that rebuilding numbers signals alike
        chunk.add(index & 0xFFF, reading)
        self._touched.add(reading.signal)
        self._latest[reading.signal] = (index, reading)

    def _sid_of(self, signal: str) -> int:
        sid = self._sids.get(signal)
        if sid is None:
            sid = self._sids[signal] = len(self._sids) + 1
            self._db.execute("INSERT INTO signal (sid, id) VALUES (?, ?)", (sid, signal))
        return sid

    def _write_chunks(self) -> None:
        if not self._touched:
            return
        rows = [self._chunks[signal].row(self._run, self._sid_of(signal)) for signal in self._touched]
        self._touched.clear()
        self._db.executemany("INSERT OR REPLACE INTO chunk VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        first = min(
            min(c.received_min, c.received_min if c.source_min is None else c.source_min) for c in self._chunks.values()
        )
        last = max(
            max(c.received_max, c.received_max if c.source_max is None else c.source_max) for c in self._chunks.values()
        )
        span = (self._run, seconds_below(first), seconds_above(last))
        self._db.execute("INSERT OR REPLACE INTO span VALUES (?, ?, ?)", span)

    def _write_latest(self) -> None:
        """Keep the newest reading of each signal, and the newest position of each source."""
        rows: list[tuple[object, ...]] = []
        sources: dict[str, tuple[object, ...]] = {}
        for signal, (index, reading) in self._latest.items():
            sid, source = self._sid_of(signal), self._sources.get(signal)
            rows.append((index, reading.n, reading.source_ns, sid))
            if source is not None and (source not in sources or index > int(str(sources[source][1]))):
                sources[source] = (source, index, reading.incarnation, reading.epoch, reading.position)
        self._latest.clear()
        update = "UPDATE signal SET idx = ?, n = ?, source_ns = coalesce(?, source_ns) WHERE sid = ?"
        self._db.executemany(update, rows)
        self._db.executemany("INSERT OR REPLACE INTO source VALUES (?, ?, ?, ?, ?)", sources.values())

    def _write_events(self, events: list[tuple[int, dict[str, Any]]]) -> None:
        rows = [(i, str(r.get("kind")), event_of(r), r.get("at_ns"), object_of(r)) for i, r in events]
        self._db.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?)", rows)
        links = [(what, key, index) for index, record in events for what, key in links_of(record)]
        self._db.executemany("INSERT OR IGNORE INTO link VALUES (?, ?, ?)", links)
        for index, record in events:
            match record.get("kind"):
                case "signal":
                    row = (record["source"], self._sid_of(record["signal"]))
                    self._db.execute("UPDATE signal SET source = ? WHERE sid = ?", row)
                case "batch":
                    self._write_memberships(index, record)
                case "anchor":
                    anchor = (index, anchor_event(record), record["size"], record["root"], record.get("gen_ns"))
                    self._db.execute("INSERT INTO anchor VALUES (?, ?, ?, ?, ?)", anchor)
                case _:
                    pass

    def _write_memberships(self, index: int, record: dict[str, Any]) -> None:
        """Later rows supersede earlier ones of one batch on one node; what was before stays visible to older sizes."""
        rows = memberships_of(record, index)
        for batch, node, *_ in rows:
            supersede = (
                "UPDATE membership SET until_idx = ? WHERE batch = ? AND node = ? AND until_idx IS NULL AND idx < ?"
            )
            if record.get("event") != "amend":
                supersede += " AND to_ns IS NULL"
            self._db.execute(supersede, (index, batch, node, index))
        self._db.executemany("INSERT INTO membership VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)", rows)
        ended = closes(record)
        if ended is None:
            return
        open_rows = "FROM membership WHERE batch = ? AND until_idx IS NULL AND to_ns IS NULL"
        columns = "batch, node, use, room, from_ns, ?, pre_roll_s, post_roll_s, ?, NULL"
        still = self._db.execute(f"SELECT {columns} {open_rows}", (ended, index, record["batch"])).fetchall()
        self._db.execute(
            "UPDATE membership SET until_idx = ? WHERE batch = ? AND until_idx IS NULL AND to_ns IS NULL",
            (index, record["batch"]),
        )
        self._db.executemany("INSERT INTO membership VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", still)
