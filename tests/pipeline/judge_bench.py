"""Intake, journal, fold and judge together, as `run` composes them: readings and batch events in, records out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from gateway.domain.batch import Rolls
from gateway.domain.batch_plan import BatchSettings
from gateway.domain.limits import DeviationRule, Levels, LimitSet, Rule
from gateway.domain.plan import Node, Plan
from gateway.domain.sample import Raw, Sample
from gateway.ledger.records import Batch, Config, Deviation, Excursion, Record
from gateway.pipeline.batch_book import BatchBook
from gateway.pipeline.fold import Epoch, Fold
from gateway.pipeline.intake import Intake
from gateway.pipeline.judge import Judge, JudgeSettings
from gateway.pipeline.stamp import Stamper
from gateway.pipeline.standing import Standing
from gateway.ports import Fact, Parcel
from tests.fakes.clock import StillClock
from tests.fakes.journal import FakeJournal
from tests.pipeline.test_intake import plan, signal

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
NODES = {
    "R-1": Node(id="R-1", level="room", name="Room"),
    "BR-1": Node(id="BR-1", level="unit", name="Reactor 1", room="R-1"),
    "BR-2": Node(id="BR-2", level="unit", name="Reactor 2", room="R-1"),
    "BR-3": Node(id="BR-3", level="unit", name="Reactor 3"),
}
ROOM = "FRZ-01/room"


def room_plan() -> Plan:
    """One sensor of the room, one of a reactor in it."""
    made = plan(signal("room", node="R-1"), signal("jacket", node="BR-1"))
    return replace(made, nodes=NODES)


def limits(when: Any = "always") -> LimitSet:
    rule = Rule(
        name="warm",
        signals=(ROOM,),
        unit="Cel",
        justification="test",
        deviation=DeviationRule(sink="main", when=when),
        high=Levels(action=Decimal(8)),
    )
    return LimitSet(id="LIM", version=1, title="Room", document="SPEC", revision="1", rules=(rule,))


class JudgeBench:
    """One life of the pipeline on a journal that another life may have filled."""

    def __init__(self, journal: FakeJournal | None = None, *, when: Any = "always", wall_ns: int | None = None) -> None:
        self.clock = StillClock() if wall_ns is None else StillClock(wall_ns)
        self.journal = journal or FakeJournal()
        self.stamp = Stamper(self.clock, dev=True, run=1, clock_number=0)
        made, rolls = room_plan(), Rolls(0, 0)
        self.book = BatchBook(BatchSettings(auto_create=frozenset({"mes"})), NODES, rolls, self.stamp)
        self.intake = Intake(
            made, Standing(), self.journal, self.journal, self.stamp, early={}, batches=self.book
        )  # fmt: skip
        fold = Fold(Epoch(made, (limits(when),)), lambda _files, _change: None, rolls, lambda _sha: None)
        fold.batch_notes.append(self.book.note)
        self.judge = Judge(
            fold,
            JudgeSettings(required_sinks=("main",)),
            self.journal,
            self.stamp,
            _no_readings,
            self.book,
            level_at=len(self.journal.records),
        )
        self._position = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.judge.run())
            effective = Config(
                **self.stamp(), event="effective", change_set="CS-0001", config=self.judge.fold.plan.config
            )
            self.journal.append([effective])
            await self.settle()
            yield
            await self.settle()
            task.cancel()

    async def settle(self) -> None:
        """Let everything that follows from what was appended be appended, committed and folded."""
        for _ in range(200):
            await asyncio.sleep(0)

    async def read(self, value: float, *, at_s: int = 0, facts: tuple[Fact, ...] = ()) -> None:
        """A reading of the room after ``at_s`` seconds, with ``facts`` in the same parcel."""
        self.clock.advance(at_s * SECOND)
        now = self.clock.now()
        sample = Sample(
            address="room",
            raw=Raw("num", str(value)),
            source_ns=now.wall_ns,
            received_ns=now.wall_ns,
            boot_ns=now.boot_ns,
        )
        await self._offer(samples=(sample,), facts=facts)

    async def batch(self, act: str, batch: str, minute: int, *nodes: str, key: str = "") -> None:
        """The plant tells of a batch; ``minute`` is relative to now."""
        await self._offer(facts=(self.fact(act, batch, minute, *nodes, key=key),))

    def fact(self, act: str, batch: str, minute: int, *nodes: str, key: str = "") -> Fact:
        """What a source makes of such a message."""
        told = {
            "adapter": "mes",
            "batch": batch,
            "act": act,
            "effective_ns": self.clock.wall_ns + minute * MINUTE,
            "basis": "source",
            "key": key or f"{batch}:{act}",
            "nodes": [{"node": node} for node in nodes],
        }
        return Fact(kind="batch", address="mes", content=b"{}", detail=told)

    async def _offer(self, **what: Any) -> None:
        self._position += 1
        parcel = Parcel(
            source="line1", incarnation=1, epoch=1, position=self._position, settle=lambda _outcome: None, **what
        )
        await self.intake.offer(parcel)
        await self.settle()

    def found(self, kind: type[Record]) -> list[Any]:
        return [one for one in self.journal.records if type(one) is kind]

    def deviations(self) -> list[tuple[str, int, list[str], list[str]]]:
        return [(one.event, one.revision, one.batches, one.sinks) for one in self.found(Deviation)]

    def raised(self) -> list[str]:
        return [one.excursion for one in self.found(Excursion) if one.event == "raised"]

    def batches(self) -> list[tuple[str, str, str]]:
        return [(one.batch, one.event, one.effect) for one in self.found(Batch)]


async def _no_readings(_signal: str, _from_ns: int, _to_ns: int) -> list[Any]:
    return []
