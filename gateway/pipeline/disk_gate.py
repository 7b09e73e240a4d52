"""Disk gate: while the disk is short, parcels with readings wait in front of the intake; what explains their absence passes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from gateway.ports import Inlet, Parcel, Resume

PASSING: Final = frozenset({"gap_opened", "gap_bounded", "gap_closed", "link"})
"""Facts that become `gap` and `gateway` records: the reserve is kept for them (`ledger.md` 3, disk)."""


class DiskGate:
    """Implements `gateway.ports.Inlet` in front of another one. Order within a source is kept: it offers one after the other."""

    def __init__(self, inlet: Inlet) -> None:
        self._inlet = inlet
        self._open = asyncio.Event()
        self._open.set()
        self.held = ""

    def close(self, why: str) -> None:
        """Let no reading pass; ``why`` is for people."""
        self.held = why
        self._open.clear()

    def open(self) -> None:
        """Let everything pass again."""
        self.held = ""
        self._open.set()

    async def offer(self, parcel: Parcel) -> None:
        """Pass a parcel on, at once if it holds nothing but gaps and links, else when the gate is open."""
        if self.held and (parcel.samples or any(fact.kind not in PASSING for fact in parcel.facts)):
            await self._open.wait()
        await self._inlet.offer(parcel)

    async def offer_run(self, parcels: Sequence[Parcel]) -> None:
        """Pass parcels on together; while the gate is closed each by itself."""
        if not self.held:
            await self._inlet.offer_run(parcels)
            return
        for parcel in parcels:
            await self.offer(parcel)

    def resume(self, source: str) -> Resume:
        """Return where a source stood."""
        return self._inlet.resume(source)
