"""What the judge tells by phases and states of a batch, and of rooms that batches share."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import msgspec

from gateway.domain.batch_event import NodeUse
from gateway.domain.limits import DeviationRule, Levels
from gateway.domain.times import format_time
from tests.fakes.virtual_loop import S, run_virtually
from tests.pipeline.plant_laws import check_laws, deviations, excursions
from tests.pipeline.plant_life import Life, Plant, epoch, rule


def of(records, condition, *events):
    return [one for one in excursions(records) if one.condition == condition and (not events or one.event in events)]


async def hold(life: Life, name: str, value: float, seconds: int, every: int = 10) -> None:
    for _ in range(seconds // every):
        await life.say(name, value)
        await asyncio.sleep(every)


def test_al_06_phases_choose_the_rule():
    plant = Plant(epoch(1, rule(phases=("growth",))))

    async def story() -> None:
        async with Life(plant) as life:
            node = (NodeUse(node="FRZ-1"),)
            await life.batch("B-1", "start", "k1", nodes=node)
            await life.batch("B-1", "phase", "k2", phase="heat")
            await hold(life, "FRZ-1/temp", 9.0, 200)
            await life.batch("B-1", "phase", "k3", phase="growth")
            await hold(life, "FRZ-1/temp", 9.0, 100)
            await life.batch("B-1", "phase", "k4", phase="harvest")
            await hold(life, "FRZ-1/temp", 9.0, 100)

    run_virtually(story())
    records = check_laws(plant)
    raised, returned = of(records, "FRZ-1/temp:high.action")
    assert (raised.event, returned.event) == ("raised", "returned")
    assert returned.facts["ended_by"] == "phase_change"
    growth, harvest = (one.at_ns for one in records if getattr(one, "phase", "") in ("growth", "harvest"))
    assert (raised.t0_ns, returned.t1_ns) == (growth, harvest)


def test_al_06_a_phase_told_ahead_of_its_time_comes_into_force():
    plant = Plant(epoch(1, rule(phases=("growth",))))

    async def story() -> None:
        async with Life(plant) as life:
            await life.batch("B-1", "start", "k1", nodes=(NodeUse(node="FRZ-1"),))
            await life.batch("B-1", "phase", "k2", phase="heat")
            await hold(life, "FRZ-1/temp", 9.0, 50)
            ahead = format_time(life.now_ns() + 30 * S)
            await life.batch("B-1", "phase", "k3", phase="growth", effective_time=ahead)
            await hold(life, "FRZ-1/temp", 9.0, 150)

    run_virtually(story())
    assert len(of(check_laws(plant), "FRZ-1/temp:high.action", "raised")) == 1


DOORS = (
    rule("shut", ["FRZ-1/temp"], when={"FRZ-1/door": "shut"}),
    rule("open", ["FRZ-1/temp"], when={"FRZ-1/door": "open"}, high=Levels(action=Decimal("12.0"))),
)


def test_al_06_states_choose_the_rule_and_an_unknown_one_leaves_every_rule_in_force():
    plant = Plant(epoch(1, *DOORS))

    async def story() -> None:
        async with Life(plant) as life:
            await life.say("FRZ-1/door", "open")
            await hold(life, "FRZ-1/temp", 9.0, 200)
            await life.say("FRZ-1/door", "open", source_status="80000000")
            await hold(life, "FRZ-1/temp", 9.0, 100)

    run_virtually(story())
    [raised] = of(check_laws(plant), "FRZ-1/temp:high.action", "raised")
    assert raised.t0_ns - plant_start(plant) >= 200 * S


def test_al_06_an_old_state_out_of_a_history_does_not_change_the_present():
    plant = Plant(epoch(1, *DOORS))

    async def story() -> None:
        async with Life(plant) as life:
            await life.say("FRZ-1/door", "open")
            await hold(life, "FRZ-1/temp", 9.0, 100)
            await life.say("FRZ-1/door", "shut", te_ns=life.now_ns() - 300 * S, late=True)
            await hold(life, "FRZ-1/temp", 9.0, 200)

    run_virtually(story())
    assert of(check_laws(plant), "FRZ-1/temp:high.action") == []


def plant_start(plant: Plant) -> int:
    return plant.records()[0].at_ns


def test_al_06_the_rule_that_was_broken_is_named_with_its_limit():
    """Two rules of one set on one signal: the deviation follows the one that was in force."""
    shut, opened = DOORS
    opened = msgspec.structs.replace(opened, deviation=DeviationRule(sink="other", severity="critical"))
    plant = Plant(epoch(1, shut, opened))

    async def story() -> None:
        async with Life(plant) as life:
            await life.say("FRZ-1/door", "shut")
            await hold(life, "FRZ-1/temp", 9.0, 100)

    run_virtually(story())
    [first] = [one for one in deviations(check_laws(plant)) if one.revision == 1]
    assert (first.sinks, first.severity) == (["main"], "major")


def test_di_20_signals_of_one_room_do_not_see_each_others_batches():
    plant = Plant(epoch(1, rule(), rule("room", ["R-1/temp"])))

    async def story() -> None:
        async with Life(plant) as life:
            await life.batch("B-1", "start", "k1", nodes=(NodeUse(node="FRZ-1"),))
            await life.batch("B-2", "start", "k2", nodes=(NodeUse(node="FRZ-2"),))
            for _ in range(10):
                await life.say("FRZ-1/temp", 9.0)
                await life.say("R-1/temp", 9.0)
                await asyncio.sleep(10)

    run_virtually(story())
    opened = {one.excursions[0]: one.batches for one in deviations(check_laws(plant)) if one.event == "opened"}
    assert sorted(opened.values()) == [["B-1"], ["B-1", "B-2"]]
