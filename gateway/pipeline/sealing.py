"""Sealing of segments in the background: one at a time, when commits leave room for it (`ledger.md` 3, sealing a segment)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from msgspec import Struct

from gateway.errors import DiskFull, LedgerDoubt, Unavailable
from gateway.pipeline.committer import CommitFigures
from gateway.ports import Packer

LOOK_S: Final = 2.0
IDLE_S: Final = 10.0
"""How long to wait where nothing is ready: looking means reading a folder."""
CALM_LEAVES: Final = 2_000
"""Leaves committed in one look, up to which the load is no burst."""
PATIENCE_S: Final = 60.0
"""How long a segment waits for calm at most: under steady load the disk must not fill instead."""
RETRY_S: Final = 300.0

_log = structlog.get_logger(component="sealing")


class SealingStanding(Struct, kw_only=True):
    """What telemetry is told: segments packed in this run, the bytes they took before and take now, what is wrong."""

    packed: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    problem: str = ""


class Sealing:
    """Packs what is ready; a pause as long as the work follows each, so that it takes half of one core at most."""

    def __init__(
        self,
        packer: Packer,
        figures: CommitFigures,
        on_damage: Callable[[LedgerDoubt], None],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._packer = packer
        self._figures = figures
        self._on_damage = on_damage
        self._sleep = sleep
        self.standing = SealingStanding()

    async def run(self) -> None:
        """Pack until cancelled."""
        while True:
            await self._calm()
            await self._sleep(await self._once())

    async def _calm(self) -> None:
        """Wait until no burst is committed, but not longer than patience allows."""
        waited_s = 0.0
        while waited_s < PATIENCE_S:
            before = self._figures.leaves
            await self._sleep(LOOK_S)
            waited_s += LOOK_S
            if self._figures.leaves - before <= CALM_LEAVES:
                return

    async def _once(self) -> float:
        """Pack one segment if one is ready; return how long to pause."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            packed = await self._packer.pack_next()
        except LedgerDoubt as doubt:
            self._tell(doubt.text, doubt.remedy)
            self._on_damage(doubt)
            return LOOK_S
        except (DiskFull, Unavailable) as error:
            self._tell(error.text, error.remedy)
            return RETRY_S
        if packed is None:
            return IDLE_S
        standing = self.standing
        standing.packed += 1
        standing.bytes_before += packed.bytes_before
        standing.bytes_after += packed.bytes_after
        standing.problem = ""
        _log.info("segment.packed", first=packed.first, bytes=packed.bytes_after, before=packed.bytes_before)
        return loop.time() - began

    def _tell(self, text: str, remedy: str) -> None:
        if text != self.standing.problem:
            _log.warning("segment.not_packed", error=text, remedy=remedy)
        self.standing.problem = text
