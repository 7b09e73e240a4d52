"""Watch: the demo reads the gateway's ledger as any auditor could, without a lock, and waits for records to stand in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import Struct

from gateway.adapters.segment_store.layout import Layout
from gateway.adapters.segment_store.reader import SegmentReader
from gateway.ledger.records import Reading, Record, parse_record

POLL_S: Final = 0.05
PIECE: Final = 20_000


class Entry(Struct, frozen=True):
    """A committed record and its index."""

    index: int
    record: Record


class NotSeen(Exception):
    """A record that was waited for did not come in time."""


class Watch:
    """Everything committed so far, oldest first, and the newest reading of each signal."""

    def __init__(self, folder: Path) -> None:
        self._reader = SegmentReader(Layout(folder))
        self.entries: list[Entry] = []
        self.newest: dict[str, Reading] = {}
        self._grown = asyncio.Condition()
        self._cause = ""

    @property
    def size(self) -> int:
        """Number of records seen; all of them are committed."""
        return len(self.entries)

    async def run(self) -> None:
        """Follow the files until cancelled."""
        while True:
            found = await asyncio.to_thread(self._read)
            if not found:
                await asyncio.sleep(POLL_S)
                continue
            self.entries += found
            for record in (entry.record for entry in found):
                if isinstance(record, Reading):
                    self.newest[record.signal] = record
            async with self._grown:
                self._grown.notify_all()

    async def give_up(self, cause: str) -> None:
        """Nothing more will come: whoever waits is told why."""
        self._cause = cause
        async with self._grown:
            self._grown.notify_all()

    async def find(self, what: str, fits: Callable[[Record], bool], *, after: int = 0, seconds: float = 60.0) -> Entry:
        """Return the first record from index ``after`` on that fits, waiting for it; raise `NotSeen` with ``what``."""
        position = after
        try:
            async with asyncio.timeout(seconds), self._grown:
                while True:
                    for entry in self.entries[position:]:
                        if fits(entry.record):
                            return entry
                    position = max(position, len(self.entries))
                    if self._cause:
                        raise NotSeen(f"{what}: {self._cause}")
                    await self._grown.wait()
        except TimeoutError:
            raise NotSeen(f"{what}: not in the ledger after {seconds:.0f} s ({self.size:,} records)") from None

    def select(self, fits: Callable[[Record], bool], *, after: int = 0) -> list[Entry]:
        """Return what fits among the records seen so far, from index ``after`` on."""
        return [entry for entry in self.entries[after:] if fits(entry.record)]

    def _read(self) -> list[Entry]:
        first = len(self.entries)
        return [Entry(i, parse_record(content)) for i, _, content in self._reader.read(first, first + PIECE)]
