"""Projector: follows the journal by a cursor and feeds one target; slows nobody, loses nothing (`interface.md` 7)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

import structlog
from msgspec import Struct

from gateway.domain.projection import Cursor
from gateway.pipeline.influx_lines import Lines, LineWriter
from gateway.pipeline.line_sender import LINES_MAX, CursorStore, LineSender, TargetStopped
from gateway.ports import Committed, Journal, ProjectionSink

PAUSE_S: Final = 1.0
"""How long lines wait at most for company before they are sent."""

_AHEAD_LINES_MAX: Final = 4 * LINES_MAX
_SLICE_RECORDS: Final = 2_000
"""Records rendered in one turn of the event loop: about 2 ms."""

_log = structlog.get_logger(component="projector")


class ProjectorReport(Struct, frozen=True, kw_only=True):
    """For pages, metrics and conditions; ``attention`` is a sentence with its remedy, "" while all is well."""

    next_index: int
    written: int
    dead: int
    failing_since_ns: int | None
    attention: str


class _Stretch(NamedTuple):
    stop: int
    lines: Lines


class _Ended(Exception):
    """The journal has ended and everything of it was written."""


class Projector:
    """One projection; ``writer`` is its alone. `run` may be started again after a fault: it begins at the cursor."""

    def __init__(
        self,
        name: str,
        origin: str,
        sink: ProjectionSink,
        writer: LineWriter,
        journal: Journal,
        store: CursorStore,
        sender: LineSender,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        in_thread: Callable[..., Awaitable[Any]] = asyncio.to_thread,
    ) -> None:
        self._name = name
        self._origin = origin
        self._sink = sink
        self._writer = writer
        self._journal = journal
        self._store = store
        self._sender = sender
        self._sleep = sleep
        self._in_thread = in_thread
        self.begins_at = 0
        """First index that is stored: what was pruned is projected no more."""
        self._next_index = 0
        self._read_index = 0
        self._ahead: deque[_Stretch] = deque()
        self._ahead_lines = 0
        self._changed = asyncio.Event()
        self._all_read = False
        self._attention = ""

    def report(self) -> ProjectorReport:
        """Return the state of this run."""
        return ProjectorReport(
            next_index=self._next_index,
            written=self._sender.written,
            dead=self._sender.dead,
            failing_since_ns=self._sender.failing_since_ns,
            attention=self._attention,
        )

    async def run(self) -> None:
        """Follow until the journal ends; return early, with an attention text, where only a person can help."""
        self._writer.reset()
        self._ahead.clear()
        self._ahead_lines, self._all_read, self._attention = 0, False, ""
        cursor = self._store.load()
        if cursor is not None and not self._is_ours(cursor):
            return
        self._next_index = self._read_index = max(self.begins_at, 0 if cursor is None else cursor.next_index)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read())
                tasks.create_task(self._write())
        except* TargetStopped as stopped:
            self._attend(str(stopped.exceptions[0]))
        except* _Ended:
            _log.debug("projection.ended", sink=self._name)

    def _is_ours(self, cursor: Cursor) -> bool:
        if cursor.origin == self._origin and cursor.target_fingerprint == self._sink.fingerprint:
            return True
        self._attend(
            f"sink {self._name} is another target than its cursor says; fix: gateway influx replay {self._name}"
        )
        return False

    def _attend(self, text: str) -> None:
        self._attention = text
        _log.warning("projection.refused", sink=self._name, error=text, remedy="see gateway influx status")

    async def _read(self) -> None:
        """Render ahead of the target, within a bound, in short turns."""
        while (commit := await self._journal.follow(self._read_index)) is not None:
            await self._render(commit)
            while self._ahead_lines > _AHEAD_LINES_MAX:
                await self._wait()
        self._all_read = True
        self._change()

    async def _render(self, commit: Committed) -> None:
        for start in range(0, len(commit.records), _SLICE_RECORDS):
            records = commit.records[start : start + _SLICE_RECORDS]
            lines = self._writer.render(commit.first + start, records)
            self._read_index = commit.first + start + len(records)
            self._ahead.append(_Stretch(self._read_index, lines))
            self._ahead_lines += len(lines.lines)
            self._change()
            await asyncio.sleep(0)

    async def _write(self) -> None:
        """Send what was rendered; lines of many small commits travel together."""
        while True:
            while not self._ahead:
                if self._all_read:
                    raise _Ended
                await self._wait()
            if self._ahead_lines < LINES_MAX and not self._all_read:
                await self._sleep(PAUSE_S)
            stop, lines = self._take()
            await self._sender.send(lines)
            cursor = Cursor(origin=self._origin, next_index=stop, target_fingerprint=self._sink.fingerprint)
            await self._in_thread(self._store.save, cursor)
            self._next_index = stop
            self._change()

    def _take(self) -> _Stretch:
        """Return up to a request's worth of what was rendered."""
        lines = Lines([], [])
        stop = self._next_index
        while self._ahead and len(lines.lines) < LINES_MAX:
            stop, part = self._ahead.popleft()
            lines.lines.extend(part.lines)
            lines.indexes.extend(part.indexes)
        self._ahead_lines -= len(lines.lines)
        return _Stretch(stop, lines)

    def _change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _wait(self) -> None:
        await self._changed.wait()
