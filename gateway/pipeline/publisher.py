"""Publisher: every 10 s the newest sealed head becomes the published checkpoint; what leaves the box ends there."""

from __future__ import annotations

import asyncio
from typing import Protocol

from gateway.ports import LedgerStore

EVERY_S = 10.0


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
    """Publishes when the size grew; `now` at once at start, stop and key events."""

    def __init__(self, head: Head, store: LedgerStore) -> None:
        self._head = head
        self._store = store
        self.published = 0

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.now()

    async def now(self) -> None:
        """Publish the newest head if it grew."""
        size, note = self._head.size, self._head.checkpoint
        if size > self.published and note:
            await asyncio.get_running_loop().run_in_executor(None, self._store.publish, note, size)
            self.published = size
