"""Disk watch: below the reserve no reading is taken, and what matters most is written into the space kept aside (`ledger.md` 3, disk).

Both edges are records. A source that cannot wait, because nobody keeps its values meanwhile, gets a gap over the stretch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import structlog

from gateway.errors import DiskFull, LedgerDoubt
from gateway.ledger.records import Gateway
from gateway.pipeline.committer import CommitFigures
from gateway.pipeline.disk_gate import DiskGate
from gateway.pipeline.stamp import Stamper
from gateway.ports import Fact, Journal, Outcome, Parcel, Space

LOOK_S: Final = 0.5
STEADY_S: Final = 60.0
"""How long there must be space again before readings are taken."""
USED_UP_S: Final = 5.0
"""How long commits may find no space although the reserve was given up."""
GAP: Final = "disk_full"

_log = structlog.get_logger(component="disk")


class DiskWatch:
    """Holds readings back while space is short. ``waitless`` are the sources that cannot wait; ``halt`` ends the commits."""

    def __init__(
        self,
        space: Space,
        reserve_bytes: int,
        gate: DiskGate,
        figures: CommitFigures,
        journal: Journal,
        stamp: Stamper,
        gateway: str,
        halt: Callable[[LedgerDoubt], Awaitable[None]],
        *,
        waitless: Sequence[str] = (),
        in_thread: Callable[..., Awaitable[Any]] = asyncio.to_thread,
    ) -> None:
        self._space = space
        self._reserve_bytes = reserve_bytes
        self._gate = gate
        self._figures = figures
        self._journal = journal
        self._stamp = stamp
        self._gateway = gateway
        self._halt = halt
        self._waitless = waitless
        self._in_thread = in_thread
        self._since: dict[str, Any] | None = None
        self._steady_s = self._used_up_s = 0.0
        self._left_open = True
        self.spare_bytes = 0

    @property
    def held(self) -> str:
        """Why no reading is taken, "" while all is well."""
        return self._gate.held

    async def run(self) -> None:
        """Look until cancelled, first of all at once."""
        try:
            while True:
                await self.look()
                await asyncio.sleep(LOOK_S)
        finally:
            self._gate.open()  # whoever waits is told by the ledger itself why nothing is taken

    async def look(self) -> None:
        """Notice the edges of a short disk, and act at them."""
        self.spare_bytes = await self._in_thread(self._space.spare_bytes)
        full = self._figures.disk_full
        if self._since is None:
            if full or self.spare_bytes < self._reserve_bytes:
                await self._hold()
            elif self._left_open:  # by a run before this one
                await self._tell_gap("gap_closed")
                self._left_open = False
        elif full:
            await self._still_full()
        elif self.spare_bytes * 10 >= self._reserve_bytes * 11:
            await self._spare_again()
        else:
            self._steady_s = self._used_up_s = 0.0
            await self._tell_gap("gap_opened")

    async def _hold(self) -> None:
        since = self._since = self._stamp()
        self._steady_s = self._used_up_s = 0.0
        self._gate.close(
            f"disk full: {self.spare_bytes >> 20:,} MB free, {self._reserve_bytes >> 20:,} MB are kept back"
        )
        _log.error(
            "disk.full",
            error=f"{self.spare_bytes >> 20:,} MB free, below the reserve of {self._reserve_bytes >> 20:,} MB: "
            "no reading is taken or acknowledged, sources hold their data",
            remedy="make space; recording goes on by itself, nothing has to be restarted",
        )
        released = await self._in_thread(self._space.release_reserve)
        facts = {"free_bytes": max(self.spare_bytes, 0), "reserve_bytes": self._reserve_bytes, "released": released}
        full = Gateway(
            **since, event="disk_full", gateway=self._gateway, run=self._stamp.run, facts=dict(sorted(facts.items()))
        )
        self._journal.append([full], urgent=True)
        await self._tell_gap("gap_opened")

    async def _still_full(self) -> None:
        """The commits find no space even in what the reserve gave: after a while that is the end of it."""
        self._steady_s = 0.0
        self._used_up_s += LOOK_S
        if self._used_up_s >= USED_UP_S:
            self._gate.open()
            raise await self._ended()

    async def _ended(self) -> LedgerDoubt:
        doubt = LedgerDoubt(
            "the disk is full and the reserve is used up",
            code=GAP,
            remedy="make space on the ledger's disk, then start again",
        )
        await self._halt(doubt)
        return doubt

    async def _spare_again(self) -> None:
        self._steady_s += LOOK_S
        if self._steady_s < STEADY_S:
            return
        try:
            await self._in_thread(self._space.build_reserve)
        except DiskFull:
            self._steady_s = 0.0
            return
        assert self._since is not None, "space was short"
        facts = {"full_since_ns": self._since["at_ns"]}
        over = Gateway(**self._stamp(), event="disk_ok", gateway=self._gateway, run=self._stamp.run, facts=facts)
        self._journal.append([over], urgent=True)
        self._since = None
        await self._tell_gap("gap_closed")
        self._gate.open()
        _log.warning("disk.ok", error="the disk was full", remedy="see the disk_full record in the ledger")

    async def _tell_gap(self, kind: str) -> None:
        """Open or close the gap of each source that cannot wait, where that is not done yet.

        A pool at its bound is not waited for: the next look tries again.
        """
        for source in self._waitless:
            at = self._gate.resume(source)
            if (GAP in at.gaps_open) == (kind == "gap_opened"):
                continue
            fact = Fact(kind=kind, key=GAP, cause=GAP, certainty="possible")
            parcel = Parcel(
                source=source,
                incarnation=at.incarnation,
                epoch=at.epoch,
                position=at.position,
                facts=(fact,),
                settle=_nothing,
            )
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._gate.offer(parcel)
            except TimeoutError:
                return


def _nothing(_outcome: Outcome) -> None:
    """Nobody waits for the word of these parcels: they are told again until they stand."""
