"""A short disk: no reading is taken below the reserve, what explains it is written all the same, and both edges are recorded."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from gateway.errors import DiskFull, LedgerDoubt
from gateway.ledger.records import Gap, Gateway, Reading
from gateway.pipeline.disk_gate import DiskGate
from gateway.pipeline.disk_watch import LOOK_S, STEADY_S, USED_UP_S, DiskWatch
from gateway.ports import Fact, Parcel
from tests.fakes.virtual_loop import S, run_virtually
from tests.pipeline.plant_laws import check_laws
from tests.pipeline.plant_life import Life, Plant, epoch, signal

MB = 1 << 20
RESERVE = 256 * MB
ONE = [signal("FRZ-1/temp", "FRZ-1")]


class SmallDisk:
    """Implements `gateway.ports.Space`; ``free`` is what others leave. Without any, commits find no space."""

    def __init__(self, store, free=1_000 * MB) -> None:
        self.free, self.held, self.kept = free, True, 64 * MB
        self.builds = 0
        self._store, self._commit = store, store.commit
        store.commit = self.commit

    def spare_bytes(self) -> int:
        return self.free - self.kept

    def release_reserve(self) -> bool:
        held, self.held = self.held, False
        return held

    def build_reserve(self) -> None:
        self.builds += 1
        if self.free < self.kept:
            raise DiskFull("no room")
        self.held = True

    def commit(self, frames, side_objects=()):
        self._store.fail_next = "full" if self.free - self.held * self.kept <= 0 else ""
        self._commit(frames, side_objects)


class Watched:
    """A life with a gate in front of its intake and a watch over its disk."""

    def __init__(self, life: Life, *, waitless=(), free=1_000 * MB) -> None:
        self.disk = SmallDisk(life.store, free)
        self.gate = life.intake = DiskGate(life.intake)
        self.watch = DiskWatch(
            self.disk,
            RESERVE,
            self.gate,
            life.committer.figures,
            life.committer,
            life.stamp,
            "gw-01",
            life.committer.halt,
            waitless=waitless,
        )
        self.tasks = [asyncio.get_running_loop().create_task(self._run())]
        self.life = life

    async def _run(self):
        with suppress(LedgerDoubt):
            await self.watch.run()

    def say(self, number):
        """Offer a reading without waiting for its way through the gate."""
        self.tasks.append(asyncio.get_running_loop().create_task(self.life.say("FRZ-1/temp", number)))

    async def end(self):
        for task in self.tasks:
            task.cancel()
        await asyncio.wait(self.tasks)


def told(records, event):
    return [one for one in records if isinstance(one, Gateway) and one.event == event]


def readings(records):
    return [one.value for one in records if isinstance(one, Reading)]


def test_di_05_below_the_reserve_no_reading_is_taken_and_the_ledger_says_so():
    plant = Plant(epoch(1, signals=ONE))

    async def story() -> tuple[int, int]:
        async with Life(plant) as life:
            await life.level()
            watched = Watched(life)
            await life.say("FRZ-1/temp", 1.0)
            await asyncio.sleep(2)
            watched.disk.free = RESERVE + 60 * MB  # 4 MB short
            full_ns = life.now_ns()
            await asyncio.sleep(1)
            watched.say(2.0)
            await asyncio.sleep(20)
            assert not watched.disk.held, "the reserve is for what explains"
            assert "disk full" in watched.watch.held
            assert len(plant.unsettled) == 1, "a reading was acknowledged below the reserve"
            watched.disk.free = RESERVE + 64 * MB + 20 * MB  # above 1, below 1.1: still held
            await asyncio.sleep(120)
            assert len(plant.unsettled) == 1
            watched.disk.free = 2 * RESERVE
            await asyncio.sleep(STEADY_S - 5)
            assert len(plant.unsettled) == 1, "space must last"
            await asyncio.sleep(10)
            assert plant.unsettled == []
            assert watched.disk.held
            assert watched.watch.held == ""
            await life.level()
            await watched.end()
            return full_ns, life.now_ns()

    with capture_logs() as logs:
        full_ns, _ = run_virtually(story())
    records = check_laws(plant)
    [full], [over] = told(records, "disk_full"), told(records, "disk_ok")
    assert full_ns <= full.at_ns <= full_ns + S
    assert full.facts == {"free_bytes": RESERVE - 4 * MB, "released": True, "reserve_bytes": RESERVE}
    assert over.facts == {"full_since_ns": full.at_ns}
    assert over.at_ns - full.at_ns > (120 + STEADY_S) * S
    assert readings(records) == [1.0, 2.0]
    assert [one["event"] for one in logs if one["event"].startswith("disk")] == ["disk.full", "disk.ok"]


def test_eu_17_a_disk_that_is_full_at_once_lets_the_reserve_take_what_is_on_its_way():
    plant = Plant(epoch(1, signals=ONE))

    async def story() -> None:
        async with Life(plant) as life:
            await life.level()
            watched = Watched(life)
            await asyncio.sleep(1)
            watched.disk.free = 64 * MB  # all of it is the reserve
            await life.say("FRZ-1/temp", 5.0)
            await asyncio.sleep(5)
            assert plant.unsettled == [], "the pool on its way is written into the reserve"
            assert told(plant.records(), "disk_full")
            watched.disk.free = 1_000 * MB
            await asyncio.sleep(STEADY_S + 5)
            await life.level()
            await watched.end()

    run_virtually(story())
    assert len(told(check_laws(plant), "disk_ok")) == 1


def test_eu_17_a_reserve_that_is_used_up_halts():
    plant = Plant(epoch(1, signals=ONE))

    async def story() -> None:
        async with Life(plant) as life:
            await life.level()
            watched = Watched(life)
            await asyncio.sleep(1)
            watched.disk.free = 0
            await life.say("FRZ-1/temp", 5.0)
            await asyncio.sleep(USED_UP_S - 2)
            assert life.committer.halted is None
            await asyncio.sleep(4)
            assert life.committer.halted is not None
            assert "reserve is used up" in life.committer.halted.text
            assert len(plant.unsettled) == 1, "nothing was acknowledged"
            assert watched.gate.held == "", "whoever waits is told by the ledger"
            await watched.end()

    run_virtually(story())
    assert readings(plant.records()) == []


def test_di_05_a_source_that_cannot_wait_has_a_gap_over_the_stretch_also_across_a_restart():
    plant = Plant(epoch(1, signals=ONE))

    async def first() -> None:
        async with Life(plant) as life:
            await life.level()
            watched = Watched(life, waitless=["line1"], free=100 * MB)
            await asyncio.sleep(5)
            await life.level()
            await watched.end()

    async def second() -> None:
        async with Life(plant) as life:
            await life.level()
            watched = Watched(life, waitless=["line1"])
            await asyncio.sleep(2)
            await life.level()
            watched.disk.free = 10 * MB
            await asyncio.sleep(2)
            watched.disk.free = 1_000 * MB
            await asyncio.sleep(STEADY_S + 5)
            await life.level()
            await watched.end()

    run_virtually(first())
    gaps = [one for one in plant.records() if isinstance(one, Gap)]
    assert [(one.event, one.source, one.cause, one.certainty) for one in gaps] == [
        ("opened", "line1", "disk_full", "possible")
    ]
    run_virtually(second())
    gaps = [one for one in check_laws(plant) if isinstance(one, Gap)]
    assert [(one.event, one.gap) for one in gaps] == [
        ("opened", "G-000001"),
        ("closed", "G-000001"),
        ("opened", "G-000002"),
        ("closed", "G-000002"),
    ]


def test_di_05_a_disk_that_was_never_short_says_nothing():
    plant = Plant(epoch(1, signals=ONE))

    async def story() -> None:
        async with Life(plant) as life:
            watched = Watched(life, waitless=["line1"])
            await asyncio.sleep(10 * LOOK_S)
            await life.level()
            await watched.end()

    run_virtually(story())
    assert {one.event for one in plant.records() if isinstance(one, Gateway)} <= {"start", "evaluated"}


@pytest.mark.parametrize(
    ("kinds", "waits"),
    [(["link"], False), (["gap_opened", "gap_closed"], False), (["quarantine"], True), (["link", "batch"], True)],
)
def test_eu_17_the_gate_lets_gaps_and_links_pass_and_nothing_else(kinds, waits):
    class Inlet:
        def __init__(self):
            self.offered = []

        async def offer(self, parcel):
            self.offered.append(parcel)

    async def story() -> None:
        inlet = Inlet()
        gate = DiskGate(inlet)
        gate.close("disk full")
        facts = tuple(Fact(kind=kind) for kind in kinds)
        parcel = Parcel(source="line1", incarnation=1, epoch=1, position=1, facts=facts, settle=lambda _: None)
        offering = asyncio.get_running_loop().create_task(gate.offer(parcel))
        await asyncio.sleep(1)
        assert (inlet.offered == []) == waits
        gate.open()
        await offering
        assert inlet.offered == [parcel]

    run_virtually(story())
