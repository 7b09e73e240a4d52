"""Calls a person outside the plant's IT: a small JSON posted once for each rollback, fork and silence, until it was taken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import aiohttp
import structlog

from gateway.adapters.segment_store.disk import Disk
from gateway.adapters.segment_store.durable import make_folder, write_durably
from gateway.adapters.witness.book import Conflict, WitnessBook, file_name
from gateway.domain.times import format_time
from gateway.ports import SystemClock

RETRY_S: Final = 30.0
TOTAL_S: Final = 10.0
SILENT: Final = "SILENT"
SILENT_AFTER_NS: Final = 300_000_000_000
LOOK_S: Final = 1.0

_log = structlog.get_logger(component="witness")


class Caller:
    """Watches for silence and tells what the book holds; without ``url`` people see it on the screen alone.

    What was told is noted in files, so that a restart repeats nothing; an answer lost on the way is asked again.
    """

    def __init__(
        self,
        book: WitnessBook,
        folder: Path,
        witness: str,
        clock: SystemClock,
        url: str | None,
        tell: Callable[[str], None],
        *,
        silent_after_ns: int = SILENT_AFTER_NS,
        retry_s: float = RETRY_S,
    ) -> None:
        self._book = book
        self._silent = folder / "silent"
        self._witness = witness
        self._clock = clock
        self._url = url
        self._tell = tell
        self._after_ns = silent_after_ns
        self._retry_s = retry_s
        self._disk = Disk()
        make_folder(self._disk, self._silent)
        now_ns = clock.now().monotonic_ns
        self._valid_ns = dict.fromkeys(book.origins, now_ns)
        self._wake = asyncio.Event()

    def valid(self, origin: str) -> None:
        """A valid checkpoint came: silence, if there was one, is over."""
        self._valid_ns[origin] = self._clock.now().monotonic_ns
        for path in (self._mark(origin), self._mark(origin, ".called")):
            if path.exists():
                path.unlink()
                if not path.suffix:
                    self._tell(f"{origin} is heard again")

    def conflict(self, conflict: Conflict) -> None:
        """Show a conflict and have it told."""
        self._tell(_sentence(conflict))
        _log.error("witness.conflict", error=conflict.kind, remedy="keep conflicts/ and ask the owner of the log")
        self._wake.set()

    async def run(self) -> None:
        """Look for silence each second and tell what is to be told, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch(), name="silence")
            if self._url is not None:
                tasks.create_task(self._call_all(self._url), name="calls")

    async def _watch(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(LOOK_S)

    def look(self) -> None:
        """Notice the logs of which nothing valid came for too long."""
        now = self._clock.now()
        for origin, since_ns in self._valid_ns.items():
            path = self._mark(origin)
            if now.monotonic_ns - since_ns < self._after_ns or path.exists():
                continue
            seconds = (now.monotonic_ns - since_ns) // 1_000_000_000
            write_durably(self._disk, path, f"{format_time(now.wall_ns)} nothing valid for {seconds} s\n".encode())
            self._tell(f"{SILENT} {origin}: nothing valid for {seconds:,} s")
            _log.error("witness.silent", error=SILENT, remedy="ask the owner of the log whether its gateway runs")
            self._wake.set()

    async def _call_all(self, url: str) -> None:
        timeout = aiohttp.ClientTimeout(total=TOTAL_S)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
            while True:
                self._wake.clear()
                for message, done in self._waiting():
                    if await self._post(session, url, message):
                        done()
                wait_s = self._retry_s if self._waiting() else None
                try:
                    await asyncio.wait_for(self._wake.wait(), wait_s)
                except TimeoutError:
                    continue

    def _waiting(self) -> list[tuple[dict[str, Any], Callable[[], None]]]:
        """Return the messages of which nobody was told, each with what notes that it was."""
        found = [
            (self._message(one.kind, one.origin, _sentence(one), _both(one)), _noting(self._book, one))
            for one in self._book.uncalled()
        ]
        for origin in self._book.origins:
            path, called = self._mark(origin), self._mark(origin, ".called")
            if path.exists() and not called.exists():
                text = f"{SILENT} {origin}: {path.read_text().strip()}"
                found.append((self._message(SILENT, origin, text, self._last(origin)), called.touch))
        return found

    def _message(self, kind: str, origin: str, text: str, more: dict[str, Any]) -> dict[str, Any]:
        at = format_time(self._clock.now().wall_ns)
        return {
            "format": "witness-call/1",
            "kind": kind,
            "origin": origin,
            "witness": self._witness,
            "at": at,
            "text": text,
        } | more

    async def _post(self, session: aiohttp.ClientSession, url: str, message: dict[str, Any]) -> bool:
        try:
            async with session.post(url, json=message, allow_redirects=False) as answer:
                taken = 200 <= answer.status < 300  # noqa: PLR2004  the range that says taken
                status: int | str = answer.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            taken, status = False, type(error).__name__
        if not taken:
            _log.warning("witness.call_failed", error=str(status), remedy="check --notify; it is tried again")
        return taken

    def _last(self, origin: str) -> dict[str, Any]:
        last = self._book.checkpoint(origin)
        return {} if last is None else {"kept": {"size": last.size, "root": last.root.hex()}}

    def _mark(self, origin: str, suffix: str = "") -> Path:
        return self._silent / f"{file_name(origin).replace('.', '%2E')}{suffix}"


def _noting(book: WitnessBook, conflict: Conflict) -> Callable[[], None]:
    return lambda: book.called(conflict)


def _sentence(one: Conflict) -> str:
    return (
        f"{one.kind} {one.origin}: size {one.sent.size:,} root {one.sent.root.hex()[:8]} was sent, "
        f"size {one.kept.size:,} root {one.kept.root.hex()[:8]} was cosigned"
    )


def _both(one: Conflict) -> dict[str, Any]:
    return {
        "kept": {"size": one.kept.size, "root": one.kept.root.hex()},
        "sent": {"size": one.sent.size, "root": one.sent.root.hex()},
    }
