"""A bench for witnessing: a log that grows, its witnesses, and the head that publishes."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from gateway.errors import LedgerDoubt
from gateway.ledger.policy import Witness, make_policy
from gateway.ledger.records import Anchor, Gateway
from gateway.pipeline.publisher import Publisher
from gateway.pipeline.stamp import Stamper
from gateway.pipeline.witness_exchange import Party
from gateway.pipeline.witnessing import Witnessing, WitnessSettings
from gateway.ports import WitnessMemory
from tests.fakes.clock import StillClock
from tests.fakes.grown_log import GrownLog
from tests.fakes.journal import FakeJournal
from tests.fakes.log import SEALER
from tests.fakes.witness import FakeWitness

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

S = 1_000_000_000


class Keep:
    """The memory of earlier runs."""

    def __init__(self):
        self.notes: dict[str, WitnessMemory] = {}

    def load(self, name: str) -> WitnessMemory:
        return self.notes.get(name, WitnessMemory())

    def keep(self, name: str, memory: WitnessMemory) -> None:
        self.notes[name] = memory


class Head:
    def __init__(self, log: GrownLog):
        self._log = log

    @property
    def size(self) -> int:
        return self._log.size

    @property
    def checkpoint(self) -> bytes:
        return self._log.note


class Bench:
    """A gateway's outside on a log in memory, with `count` witnesses; `life()` runs it."""

    def __init__(self, log: GrownLog, witnesses: list[FakeWitness], memory: Keep | None = None):
        self.log, self.witnesses = log, witnesses
        self.clock = StillClock()
        self.journal = FakeJournal()
        self.memory = memory or Keep()
        self.halted: list[LedgerDoubt] = []
        self.publisher = Publisher(Head(log), log.store)
        self.policy = make_policy([SEALER.key], [], [Witness(f"w{n}", one.key) for n, one in enumerate(witnesses)])
        parties = [Party(f"w{n}", one.key, one) for n, one in enumerate(witnesses)]
        settings = WitnessSettings(policy=self.policy, seals=(SEALER.key,), gateway="gw-01", run=2)
        stamp = Stamper(self.clock, dev=False, run=2, clock_number=1)
        self.subject = Witnessing(
            settings, parties, log.store, self.publisher, self.journal, self.halt, stamp, self.clock, self.memory
        )
        self.publisher.on_published = self.subject.published

    async def halt(self, doubt: LedgerDoubt) -> None:
        self.halted.append(doubt)

    @asynccontextmanager
    async def life(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(self.subject.run()),
                tasks.create_task(self.publisher.watch(self.journal, self.journal.next_index)),
            ]
            yield
            for one in running:
                one.cancel()

    async def publish(self, count: int = 0) -> None:
        """Grow, publish, and wait until every witness was asked about it."""
        if count:
            self.log.grow(count)
        await self.publisher.now()
        await self.subject.settle(2.0)
        await asyncio.sleep(0.02)

    @property
    def checkpoint(self) -> bytes:
        return self.log.store.medium.checkpoint

    @property
    def anchors(self) -> list[Anchor]:
        return [one for one in self.journal.records if isinstance(one, Anchor)]

    @property
    def notices(self) -> list[str]:
        return [one.code for one in self.journal.records if isinstance(one, Gateway)]


def bench(count: int = 1, *frames: int, memory: Keep | None = None) -> Bench:
    return Bench(GrownLog(*(frames or (3,))), [FakeWitness(n) for n in range(count)], memory)
