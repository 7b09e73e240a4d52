"""Time that passes only when a test lets it: sleepers wake in order of their deadlines."""

from __future__ import annotations

import asyncio
import heapq
import itertools

from tests.fakes.clock import StillClock

_TURNS = 60
_S = 1_000_000_000


class VirtualTime:
    """A clock and its `sleep`; `run(seconds)` lets everything happen that happens within that time."""

    def __init__(self) -> None:
        self.clock = StillClock()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._number = itertools.count()

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        deadline = self.clock.boot_ns + max(1, round(seconds * _S))
        heapq.heappush(self._sleepers, (deadline, next(self._number), woken))
        await woken

    async def settle(self) -> None:
        """Let every task go on until all wait."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    async def run(self, seconds: float) -> None:
        """Let time pass, sleeper by sleeper."""
        end = self.clock.boot_ns + round(seconds * _S)
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            deadline, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                self.clock.advance(max(0, deadline - self.clock.boot_ns))
                woken.set_result(None)
                await self.settle()
        self.clock.advance(end - self.clock.boot_ns)
        await self.settle()
