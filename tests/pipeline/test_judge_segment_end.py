"""An append that crosses the end of a segment is two frames: power lost between them leaves an excursion alone."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from gateway.domain.batch_event import NodeUse
from gateway.domain.times import format_time
from gateway.errors import LedgerDoubt
from gateway.ledger.records import Batch, Deviation, Excursion, Gateway
from gateway.ledger.segment import SEGMENT_ENTRIES
from gateway.pipeline.batch_desk import Told
from tests.fakes.virtual_loop import S, run_virtually
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


async def _until_batch_cut(plant: Plant) -> None:
    async with Life(plant) as life:
        await life.level()
        early = Told(act="end", effective_time=format_time(life.now_ns() + 2 * S))
        answer, _ = await life.desk.record("B-1", early, "end-1", "P-000002", may_create=True)
        assert answer["effect"] == "pending"
        await life.level()
        filler = Gateway(**life.stamp(), event="notice", gateway="gw-01", run=1)
        life.committer.append([filler] * (SEGMENT_ENTRIES - 1 - life.committer.next_index))
        await life.level()
        life.store.frames_left = 1
        begun = Told(act="start", effective_time=format_time(life.now_ns()), nodes=(NodeUse(node="FRZ-1"),))
        with suppress(LedgerDoubt):
            await life.desk.record("B-1", begun, "start-1", "P-000002", may_create=True)
        assert life.dead


def test_ba_06_a_waiting_end_that_a_start_placed_when_power_was_lost_is_placed_after_the_restart():
    plant = Plant()
    run_virtually(_until_batch_cut(plant))
    records = plant.records()
    assert len(records) == SEGMENT_ENTRIES
    assert (records[-1].event, records[-1].effect) == ("start", "applied")

    async def told_again() -> dict:
        async with Life(plant) as life:
            await life.level()
            begun = Told(
                act="start", effective_time=format_time(records[-1].effective_ns), nodes=(NodeUse(node="FRZ-1"),)
            )
            answer, repeated = await life.desk.record("B-1", begun, "start-1", "P-000002", may_create=True)
            assert repeated
            return {**answer, "shown": life.desk.show("B-1")}

    for _ in range(2):
        answer = run_virtually(told_again())
        assert (answer["ledger_index"], answer["shown"]["state"]) == (SEGMENT_ENTRIES - 1, "ended")
        assert answer["shown"]["pending"] == 0
    story = [(one.event, one.effect) for one in plant.records() if isinstance(one, Batch)]
    assert story == [("end", "pending"), ("start", "applied"), ("end", "applied")]
    check_laws(plant)
