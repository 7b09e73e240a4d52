"""The judge on the loop it shares: it lets others have their turn, and its own faults neither stop it nor fold twice."""

from __future__ import annotations

import asyncio

from gateway.errors import Unavailable
from gateway.ledger.records import Gateway, Reading
from gateway.pipeline.supervisor import supervise
from tests.fakes.virtual_loop import S, run_virtually
from tests.pipeline.plant_laws import excursions
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


def test_timers_do_not_wait_for_an_index_that_is_behind():
    """Late readings are due while the index cannot answer: silence is told all the same, and they when it can."""
    plant = Plant(epoch(1, signals=ONE))

    async def story() -> list[str]:
        async with Life(plant) as life:
            behind, readings = True, life.judge._late._readings

            async def asked(*given):
                if behind:
                    raise Unavailable("the index is behind")
                return await readings(*given)

            life.judge._late._readings = asked
            for n in range(4):
                await life.say("FRZ-1/temp", 5.0, te_ns=life.now_ns() + n * S)
            for n in range(10):
                await life.say("FRZ-1/temp", 9.0, te_ns=life.now_ns() - (200 - n * 10) * S, late=True)
            await asyncio.sleep(400)
            silent = [one.condition for one in excursions(plant.records())]
            plant.medium.locked = True
            behind = False
            await asyncio.sleep(2)
            return silent

    assert run_virtually(story()) == ["FRZ-1/temp:no_data.alert", "FRZ-1/temp:no_data.action"]
    late = [one for one in excursions(plant.records()) if one.event == "late"]
    assert [one.condition for one in late] == ["FRZ-1/temp:high.action"]


def test_readings_count_once_they_are_committed_and_from_this_start_on():
    plant = Plant(epoch(1, signals=ONE))

    async def story(lost: int) -> list[int]:
        async with Life(plant) as life:
            await life.level()
            counted = [life.judge.readings.total()]
            for _ in range(3):
                await life.say("FRZ-1/temp", 5.0)
            counted.append(life.judge.readings.total())
            await life.level()
            counted.append(life.judge.readings["good"])
            if lost:
                life.store.frames_left = 0
                await life.say("FRZ-1/temp", 5.0)
                await asyncio.sleep(1)
                assert life.dead
                counted.append(life.judge.readings.total())
            return counted

    assert run_virtually(story(1)) == [0, 0, 3, 3], "what waits for its commit, or never gets it, is none"
    assert run_virtually(story(0)) == [1, 1, 4], "those of an earlier life were counted then; one was sent again"
