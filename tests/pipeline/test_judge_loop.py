"""The judge on the loop it shares: it lets others have their turn, and its own faults neither stop it nor fold twice."""

from __future__ import annotations

import asyncio

from gateway.ledger.records import Gateway, Reading
from gateway.pipeline.supervisor import supervise
from tests.fakes.virtual_loop import run_virtually
from tests.pipeline.plant_life import Life, Plant, epoch, signal

ONE = [signal("FRZ-1/temp", "FRZ-1")]


def test_a_large_commit_is_folded_in_slices():
    plant = Plant(epoch(1, signals=ONE))

    async def story() -> int:
        async with Life(plant) as life:
            await life.level()
            notice = Gateway(**life.stamp(), event="notice", gateway="gw-01", run=1)
            life.committer.append([notice] * 5_000)
            await life.committer.committed(life.committer.next_index - 1)
            turns = 0
            while life.judge.size < life.committer.next_index:
                turns += 1
                await asyncio.sleep(0)
            return turns

    assert run_virtually(story()) >= 5_000 / 250 - 1, "the first slice may be taken before we look"


def test_a_fault_of_ours_in_one_record_folds_nothing_twice():
    plant = Plant(epoch(1, signals=ONE))

    async def story() -> list[int]:
        async with Life(plant) as life:
            await life.level()
            taken: list[int] = []
            take = life.fold.take

            def faulty(index, record):
                if isinstance(record, Reading):
                    taken.append(record.n)
                    if record.n == 3 and len(taken) == 3:
                        raise ZeroDivisionError
                take(index, record)

            life.fold.take = faulty
            loop = asyncio.get_running_loop()
            life._tasks.pop().cancel()
            life._tasks.append(loop.create_task(supervise("judge", life.judge.run, monotonic=loop.time)))
            for _ in range(5):
                await life.say("FRZ-1/temp", 5.0)
            await asyncio.sleep(2)
            return taken

    assert run_virtually(story()) == [1, 2, 3, 4, 5]
