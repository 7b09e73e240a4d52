"""Packs segments beside the gateway: a process of its own at the lowest priority, so that no commit waits for it (`ledger.md` 3)."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from typing import Any, Final

import msgspec

from gateway.adapters.segment_store.child import run_child
from gateway.adapters.segment_store.disk import SyncFailed
from gateway.adapters.segment_store.pack import files_of
from gateway.adapters.segment_store.upkeep import StoreUpkeep
from gateway.errors import DiskFull, LedgerDoubt
from gateway.ports import PackedSegment

CHILD: Final = "gateway.adapters.segment_store.pack_child"


class PackProcess:
    """Implements `gateway.ports.Packer` on one store.

    ``alone`` is held while files are touched: pruning waits for it. ``on_swapped`` is told when files of a segment are gone.
    """

    def __init__(self, store: StoreUpkeep, alone: asyncio.Lock, on_swapped: Callable[[], None] | None = None) -> None:
        self._alone = alone
        self._store = store
        self._on_swapped = on_swapped
        self._damaged: set[int] = set()

    async def pack_next(self) -> PackedSegment | None:
        """Pack the oldest segment that is ready, None if there is none; see the port."""
        async with self._alone:
            return await self._pack_next()

    async def _pack_next(self) -> PackedSegment | None:
        first = await asyncio.to_thread(self._store.next_to_pack, self._damaged)
        if first is None:
            return None
        before = await asyncio.to_thread(self._size, first)
        if await asyncio.to_thread(self._store.free_bytes) < before:
            raise DiskFull(f"no room to pack segment {first:,}", remedy="make space; it is tried again by itself")
        told = await run_child(CHILD, str(self._store.layout.root), str(first))
        said = msgspec.json.decode(told, type=dict[str, Any])
        if "doubt" in said:
            self._damaged.add(first)
            raise LedgerDoubt(said["doubt"], remedy=said["remedy"])
        if "errno" in said:
            raise self._refused(first, said)
        temporary = self._store.layout.seg / str(said["temporary"])
        await asyncio.to_thread(self._store.take_packed, first, temporary)
        if self._on_swapped is not None:
            self._on_swapped()
        return PackedSegment(first=first, bytes_before=before, bytes_after=said["bytes"])

    def _refused(self, first: int, said: dict[str, Any]) -> DiskFull | LedgerDoubt:
        """Return what an error of the disk means: a failed read names the segment, a failed write or sync halts."""
        if said["errno"] == errno.ENOENT:
            return DiskFull(f"segment {first:,} changed while it was packed", remedy="it is tried again by itself")
        made = SyncFailed if said["sync"] else OSError
        return self._store.judged(made(said["errno"], said["text"]))

    def _size(self, first: int) -> int:
        layout = self._store.layout
        return sum(layout.segment(name).stat().st_size for name in files_of(layout, first))
