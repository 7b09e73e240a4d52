"""Replay of a projection from files: a stretch of the ledger, or the dead letters, written again."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.adapters.system_clock import OsClock
from gateway.cli.progress import progress_bar
from gateway.domain.projection import Cursor, DeadLetter
from gateway.ledger.records import Batch, Reading, Record, parse_record
from gateway.pipeline.influx_lines import Lines, LineWriter
from gateway.pipeline.line_sender import LineSender
from gateway.pipeline.reading_views import view_of

if TYPE_CHECKING:
    from gateway.adapters.cursor_file import CursorFile
    from gateway.pipeline.influx_syntax import SignalTags
    from gateway.ports import ProjectionSink

PIECE: Final = 5_000


class Replayed(NamedTuple):
    """What one replay did."""

    sink: str
    entries: int
    written: int
    refused: int

    def line(self) -> str:
        """Return the last line of the command."""
        refused = f", {self.refused:,} refused (dead letters)" if self.refused else ""
        return f"{self.sink}  ledger {self.entries:,} entries, {self.written:,} lines written{refused}"


class FileLookup:
    """Implements `EarlierReadings` for one pass over the files: it counts what it has passed, from index 0 on.

    Needs no index; about 200 bytes a reading of memory while the command runs.
    """

    def __init__(self) -> None:
        self._newest: dict[str, int] = {}
        self._counts: dict[tuple[str, int], int] = {}
        self._batches: dict[str, int] = {}

    def take_before(self, index: int, record: Record) -> None:
        """Remember what a record's own lines may name: its batch."""
        if isinstance(record, Batch):
            self._batches.setdefault(record.batch, index)

    def take_after(self, index: int, record: Record) -> None:
        """Remember a reading for those after it."""
        if isinstance(record, Reading):
            time_ns = view_of(index, record).te_ns
            key = (record.signal, time_ns)
            self._counts[key] = self._counts.get(key, 0) + 1
            self._newest[record.signal] = max(time_ns, self._newest.get(record.signal, time_ns))

    def newest_ns(self, signal: str, before: int) -> int | None:
        """Return the newest effective time of a signal among what was taken."""
        del before
        return self._newest.get(signal)

    def count_at(self, signal: str, effective_ns: int, before: int) -> int:
        """Return how many readings of a signal with this effective time were taken."""
        del before
        return self._counts.get((signal, effective_ns), 0)

    def batch_ref(self, batch: str) -> int:
        """Return the index of a batch's first record."""
        return self._batches.get(batch, -1)


async def replay_range(
    name: str,
    sink: ProjectionSink,
    store: CursorFile,
    ledger: Path,
    origin: str,
    gateway: str,
    tags_of: Callable[[str, str], SignalTags],
    first: int = 0,
    stop: int | None = None,
) -> Replayed:
    """Write the entries ``first <= index < stop`` of a ledger folder; a whole replay also makes the cursor the target's."""
    from gateway.adapters.segment_store.folder import LedgerFolder

    reader = LedgerFolder(ledger).reader
    end = reader.end() if stop is None else min(stop, reader.end())
    lookup = FileLookup()
    writer = LineWriter(gateway, tags_of, lookup, lookup.batch_ref)
    sender = LineSender(name, sink, store, OsClock(), random.SystemRandom().random)
    lines = Lines([], [])
    with progress_bar("entries read") as progress:
        for index, _, content in reader.read(0, end):
            record = parse_record(content)
            lookup.take_before(index, record)
            if index >= first:
                made = writer.render(index, [record])
                lines.lines.extend(made.lines)
                lines.indexes.extend(made.indexes)
            lookup.take_after(index, record)
            if len(lines.lines) >= PIECE:
                await sender.send(lines)
                lines = Lines([], [])
                progress(index + 1, end)
    await sender.send(lines)
    if first == 0 and stop is None:
        store.save(Cursor(origin=origin, next_index=end, target_fingerprint=sink.fingerprint))
    return Replayed(name, max(0, end - first), sender.written, sender.dead)


async def replay_dead(name: str, sink: ProjectionSink, store: CursorFile) -> Replayed:
    """Write the dead letters again; those that are refused once more stay."""
    letters = store.dead_letters()
    kept = _Graves()
    sender = LineSender(name, sink, kept, OsClock(), random.SystemRandom().random)
    await sender.send(Lines([letter.line.encode() for letter in letters], [letter.index for letter in letters]))
    if letters:
        store.replace_dead_letters(kept.letters)
    return Replayed(name, len({letter.index for letter in letters}), sender.written, sender.dead)


class _Graves:
    """Collects what is refused once more; the cursor is not this replay's."""

    def __init__(self) -> None:
        self.letters: list[DeadLetter] = []

    def load(self) -> Cursor | None:
        """There is none."""
        return None

    def save(self, cursor: Cursor) -> None:
        """Never called by a sender."""
        raise AssertionError(cursor)

    def bury(self, letters: Sequence[DeadLetter]) -> None:
        """Keep letters."""
        self.letters += letters
