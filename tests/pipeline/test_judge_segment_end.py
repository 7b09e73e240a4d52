"""An append that crosses the end of a segment is two frames: power lost between them leaves an excursion alone."""

from __future__ import annotations

import asyncio

from gateway.ledger.records import Deviation, Excursion, Gateway
from gateway.ledger.segment import SEGMENT_ENTRIES
from tests.fakes.virtual_loop import run_virtually
from tests.pipeline.plant_laws import check_laws, deviations, excursions
from tests.pipeline.plant_life import Life, Plant


async def _until_cut(plant: Plant) -> None:
    async with Life(plant) as life:
        for _ in range(6):
            await life.say("FRZ-1/temp", 9.0)
            await asyncio.sleep(10)
        await life.level()
        room = SEGMENT_ENTRIES - 2 - life.committer.next_index
        filler = Gateway(**life.stamp(), event="notice", gateway="gw-01", run=1)
        life.committer.append([filler] * room)
        await life.level()
        life.store.frames_left = 2
        await life.say("FRZ-1/temp", 9.0)
        await asyncio.sleep(0.5)
        assert life.dead


async def _next(plant: Plant, seconds: float = 3.0) -> None:
    async with Life(plant) as life:
        await life.level()
        await asyncio.sleep(seconds)
        await life.level()


def test_qm_02_an_excursion_whose_deviation_was_cut_off_gets_it_after_the_restart():
    plant = Plant()
    run_virtually(_until_cut(plant))
    records = plant.records()
    assert len(records) == SEGMENT_ENTRIES
    assert isinstance(records[-1], Excursion)
    assert records[-1].event == "raised"
    assert deviations(records) == []
    for _ in range(3):
        run_virtually(_next(plant))
    records = check_laws(plant)
    [raised] = [one for one in excursions(records) if one.event == "raised" and one.class_ == "process"]
    opened = [one for one in deviations(records) if raised.excursion in one.excursions]
    assert [(one.event, one.revision) for one in opened] == [("opened", 1)]
    assert isinstance(records[SEGMENT_ENTRIES], Gateway)
    assert records[SEGMENT_ENTRIES].event == "carry"
    assert any(isinstance(one, Deviation) for one in records[SEGMENT_ENTRIES:])
