"""Publisher: every 10 s the newest sealed head becomes the published checkpoint; what leaves the box ends there.

At once, but at most once a second, when a batch ends or is sealed, a deviation is written or a key changes (`ledger.md` 4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, Protocol

import structlog

from gateway.errors import DiskFull, LedgerDoubt, Unavailable
from gateway.ledger.records import Batch, Deviation, Key, Record
from gateway.ports import Journal, LedgerStore

EVERY_S: Final = 10.0
GAP_S: Final = 1.0
SIGN_S: Final = 10.0
"""How long a token may take for its line; then the head stays unpublished and is tried again."""
_log = structlog.get_logger(component="publisher")

BATCH_ENDS: Final = frozenset({"end", "abort", "sealed"})


class Head(Protocol):
    """The committed head."""

    @property
    def size(self) -> int:
        """Committed size."""
        ...

    @property
    def checkpoint(self) -> bytes:
        """Sealed note of that size."""
        ...


class Publisher:
    """Publishes when the size grew; `now` at once at start, stop and key events.

    ``on_published`` is told size, note, and whether the end of a batch made it urgent: witnesses come after it. ``sign``
    adds the lines of the publish keys to a note; while one cannot be reached nothing is published, and the ledger goes on.
    ``halt`` takes the doubt of one that fails.
    """

    def __init__(
        self,
        head: Head,
        store: LedgerStore,
        sign: Callable[[bytes], bytes] | None = None,
        halt: Callable[[LedgerDoubt], Awaitable[None]] | None = None,
    ) -> None:
        self._head = head
        self._store = store
        self._sign = sign
        self._halt = halt
        self._thread = ThreadPoolExecutor(
            1, thread_name_prefix="publish"
        )  # a token that hangs takes no thread of others
        self.note = b""
        self.problem = ""
        self._soon = asyncio.Event()
        self._urgent = False
        self._one = asyncio.Lock()
        self.published = 0
        self.published_s = 0.0
        self.on_published: Callable[[int, bytes, bool], None] | None = None

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S - GAP_S):  # `wait_for` may swallow a cancellation
                    await self._soon.wait()
            self._soon.clear()
            await self.now()
            await asyncio.sleep(GAP_S)

    async def watch(self, journal: Journal, size: int) -> None:
        """Follow the journal from ``size`` on and publish soon after what must not wait; ends with the run."""
        while True:
            commit = await journal.follow(size)
            if commit is None:
                return
            size = commit.first + len(commit.records)
            for record in commit.records:
                self._look(record)

    async def now(self) -> None:
        """Publish the newest head if it grew."""
        async with self._one:
            size, note = self._head.size, self._head.checkpoint
            if size <= self.published or not note:
                return
            loop = asyncio.get_running_loop()
            try:
                note = await self._signed(note)
                await loop.run_in_executor(None, self._store.publish, note, size)
            except (DiskFull, Unavailable) as error:
                self.problem = error.text
                remedy = error.remedy or "make space"
                _log.error(
                    "checkpoint.not_published", error=error.text, remedy=f"{remedy}; it is tried again by itself"
                )
                return
            except LedgerDoubt as doubt:
                if self._halt is None:
                    raise
                await self._halt(doubt)
                return
            self.problem, self.note = "", note
            self.published, self.published_s = size, loop.time()
            urgent, self._urgent = self._urgent, False
        if self.on_published is not None:
            self.on_published(size, note, urgent)

    async def _signed(self, note: bytes) -> bytes:
        """Return the note with the lines of the publish keys; raise `Unavailable` when that takes too long."""
        if self._sign is None:
            return note
        try:
            async with asyncio.timeout(SIGN_S):
                return await asyncio.get_running_loop().run_in_executor(self._thread, self._sign, note)
        except TimeoutError:
            raise Unavailable(f"the publish key gave no line in {SIGN_S:g} s", remedy="look at the token") from None

    async def replace(self, size: int, note: bytes) -> None:
        """Put more lines on the published checkpoint; nothing happens when a newer one stands there by now."""
        async with self._one:
            if size == self.published:
                self.note = note
                with suppress(DiskFull):  # the lines stand in the ledger; the next head gets its own
                    await asyncio.get_running_loop().run_in_executor(None, self._store.publish, note, size)

    def _look(self, record: Record) -> None:
        if isinstance(record, Batch) and record.event in BATCH_ENDS:
            self._urgent = True
            self._soon.set()
        elif isinstance(record, Deviation | Key):
            self._soon.set()
