"""Line sender: one request in flight to one projection target until its lines are written or dead letters."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

import structlog

from gateway.domain.projection import Cursor, DeadLetter
from gateway.errors import Unavailable
from gateway.pipeline.influx_lines import Lines
from gateway.ports import ProjectionAnswer, ProjectionSink, SystemClock

LINES_MAX: Final = 5_000
BYTES_MAX: Final = 1_000_000
BACKOFF_S_MAX: Final = 300.0
RETRY_AFTER_S_MAX: Final = 3_600.0
HALVED_S: Final = 3_600
DEAD_BODY_BYTES_MAX: Final = 1_024
_WAIT_S_MIN: Final = 0.05
_S: Final = 1_000_000_000

_log = structlog.get_logger(component="projector")


class CursorStore(Protocol):
    """Keeps one cursor and the dead letters of one sink. Methods block; they are called in a thread."""

    def load(self) -> Cursor | None:
        """Return the cursor, None if there is none (then from 0: harmless, writes are idempotent)."""
        ...

    def save(self, cursor: Cursor) -> None:
        """Replace the cursor durably: temporary file, fsync, rename, fsync folder."""
        ...

    def bury(self, letters: Sequence[DeadLetter]) -> None:
        """Append dead letters durably; called before the cursor moves past them."""
        ...


class TargetStopped(Unavailable):
    """The target refuses us (401, 403, 404): only a person can help; the cursor is kept."""


class LineSender:
    """Writes lines in bounded requests; ``draw`` gives numbers in [0, 1) for full jitter."""

    def __init__(
        self,
        name: str,
        sink: ProjectionSink,
        store: CursorStore,
        clock: SystemClock,
        draw: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        in_thread: Callable[..., Awaitable[Any]] = asyncio.to_thread,
    ) -> None:
        self._name = name
        self._sink = sink
        self._store = store
        self._clock = clock
        self._draw = draw
        self._sleep = sleep
        self._in_thread = in_thread
        self._lines_max = LINES_MAX
        self._halved_ns = 0
        self.written = 0
        self.dead = 0
        self.failing_since_ns: int | None = None

    async def send(self, lines: Lines) -> None:
        """Return once every line is confirmed or buried; raise `TargetStopped` where only a person can help."""
        position = 0
        while position < len(lines.lines):
            stop = self._stop_of(lines.lines, position)
            await self._settle(lines.lines[position:stop], lines.indexes[position:stop])
            position = stop

    def _stop_of(self, lines: Sequence[bytes], start: int) -> int:
        """Return where one request ends: 5,000 lines (fewer for an hour after a 413) or 1 MB."""
        if self._lines_max < LINES_MAX and self._clock.now().boot_ns - self._halved_ns >= HALVED_S * _S:
            self._lines_max = LINES_MAX
        size = 0
        stop = min(start + self._lines_max, len(lines))
        for position in range(start, stop):
            size += len(lines[position]) + 1
            if size > BYTES_MAX and position > start:
                return position
        return stop

    async def _settle(self, lines: list[bytes], indexes: list[int]) -> None:
        """Write one stretch; a refused one is halved until the lines that are at fault stand alone."""
        answer = await self._write(lines)
        if answer.verdict == "ok":
            self.written += len(lines)
            return
        if answer.verdict == "too_large" and len(lines) > 1:
            self._lines_max = max(1, len(lines) // 2)
            self._halved_ns = self._clock.now().boot_ns
        named = sorted(position for position in set(answer.bad_lines) if 0 <= position < len(lines))
        if len(lines) == 1 or named:
            bad = named or [0]
            await self._bury(lines, indexes, bad, answer)
            rest = [position for position in range(len(lines)) if position not in set(bad)]
            if rest:
                await self._settle([lines[position] for position in rest], [indexes[position] for position in rest])
            return
        half = len(lines) // 2
        await self._settle(lines[:half], indexes[:half])
        await self._settle(lines[half:], indexes[half:])

    async def _write(self, lines: list[bytes]) -> ProjectionAnswer:
        """Write until the target says something final about these lines."""
        attempt = 0
        while True:
            answer = await self._sink.write(lines)
            if answer.verdict == "stop":
                raise TargetStopped(
                    f"sink {self._name} answered {answer.status}: {answer.body[:200]}",
                    remedy=_remedy(answer.status),
                )
            if answer.verdict != "retry":
                self.failing_since_ns = None
                return answer
            attempt += 1
            if self.failing_since_ns is None:
                self.failing_since_ns = self._clock.now().boot_ns
            _log.warning(
                "projection.refused",
                sink=self._name,
                lines=len(lines),
                reason=answer.status or "no answer",
                error="not written, tried again",
                remedy="nothing is lost; see gateway influx status",
            )
            await self._sleep(self._pause_s(attempt, answer.retry_after_s))

    def _pause_s(self, attempt: int, retry_after_s: float | None) -> float:
        if retry_after_s is not None:
            return max(_WAIT_S_MIN, min(retry_after_s, RETRY_AFTER_S_MAX))
        return max(_WAIT_S_MIN, self._draw() * min(BACKOFF_S_MAX, 2.0 ** min(attempt - 1, 10)))

    async def _bury(self, lines: list[bytes], indexes: list[int], bad: Sequence[int], answer: ProjectionAnswer) -> None:
        body = answer.body.encode()[:DEAD_BODY_BYTES_MAX].decode(errors="ignore")
        letters = [
            DeadLetter(index=indexes[position], line=lines[position].decode(), status=answer.status, body=body)
            for position in bad
        ]
        await self._in_thread(self._store.bury, letters)
        self.dead += len(letters)
        _log.warning(
            "projection.dead_lettered",
            sink=self._name,
            index=letters[0].index,
            lines=len(letters),
            reason=answer.status,
            error="the target refused lines",
            remedy=f"correct the target, then gateway influx replay {self._name} --dead",
        )


def _remedy(status: int | None) -> str:
    if status in {401, 403}:
        return "check its token or user, then restart; the cursor is kept"
    return "check its bucket or database, then restart; the cursor is kept"
