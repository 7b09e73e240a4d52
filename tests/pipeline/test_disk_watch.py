"""A full disk: nothing is acknowledged, the same frames are tried again, and the ledger says from when until when."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from gateway.ledger.records import Gateway, Reading
from gateway.pipeline.disk_watch import DiskWatch
from tests.fakes.virtual_loop import S, run_virtually
from tests.pipeline.plant_laws import check_laws
from tests.pipeline.plant_life import Life, Plant, epoch, signal

ONE = [signal("FRZ-1/temp", "FRZ-1")]


class FullDisk:
    """Makes every commit of a store fail for a while."""

    def __init__(self, store) -> None:
        self.full = False
        self._commit, store.commit = store.commit, self.commit
        self._store = store

    def commit(self, frames, side_objects=()):
        self._store.fail_next = "full" if self.full else ""
        self._commit(frames, side_objects)


def test_di_05_the_stretch_of_a_full_disk_stands_in_the_ledger():
    plant = Plant(epoch(1, signals=ONE))

    async def story() -> tuple[int, int]:
        async with Life(plant) as life:
            await life.level()
            disk = FullDisk(life.store)
            watch = DiskWatch(life.committer.figures, life.committer, life.stamp, "gw-01")
            task = asyncio.get_running_loop().create_task(watch.run())
            disk.full = True
            began_ns = life.now_ns()
            await life.say("FRZ-1/temp", 5.0)
            await asyncio.sleep(20)
            assert len(plant.unsettled) == 1, "acknowledged although it is not on disk"
            disk.full = False
            await asyncio.sleep(5)
            assert plant.unsettled == []
            await life.say("FRZ-1/temp", 5.0)
            await life.level()
            task.cancel()
            return began_ns, life.store.tree.size

    with capture_logs() as logs:
        began_ns, _ = run_virtually(story())
    records = check_laws(plant)
    [full] = [one for one in records if isinstance(one, Gateway) and one.event == "disk_full"]
    [over] = [one for one in records if isinstance(one, Gateway) and one.event == "disk_ok"]
    assert began_ns <= full.at_ns <= began_ns + S
    assert over.facts == {"full_since_ns": full.at_ns}
    assert began_ns + 20 * S <= over.at_ns <= began_ns + 22 * S
    assert len([one for one in records if isinstance(one, Reading)]) == 2
    assert [one["event"] for one in logs if one["event"].startswith("commit")] == ["commit.failed", "commit.resumed"]


def test_di_05_a_disk_that_was_never_full_says_nothing():
    plant = Plant(epoch(1, signals=ONE))

    async def story() -> None:
        async with Life(plant) as life:
            watch = DiskWatch(life.committer.figures, life.committer, life.stamp, "gw-01")
            for _ in range(3):
                watch.look()
            await life.level()

    run_virtually(story())
    assert {one.event for one in plant.records() if isinstance(one, Gateway)} == {"start"}
