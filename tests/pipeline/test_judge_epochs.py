"""Configurations come and go: what was found is told under the one that found it, whatever is in force when it is told."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from structlog.testing import capture_logs

from gateway.domain.limits import Levels
from gateway.ledger.records import Config
from tests.fakes.virtual_loop import S, run_virtually
from tests.pipeline.plant_laws import check_laws, deviations, excursions
from tests.pipeline.plant_life import Life, Plant, epoch, fresh_fold, rule, signal
from tests.pipeline.test_judge_stories import hold, of, rest

ONE = [signal("FRZ-1/temp", "FRZ-1")]
TWO = [*ONE, signal("FRZ-2/temp", "FRZ-2")]


async def hot(plant: Plant, seconds: int = 100, *, cold: int = 0, frames: int | None = None) -> None:
    async with Life(plant) as life:
        await life.level()
        life.store.frames_left = frames
        await hold(life, "FRZ-1/temp", 9.0, seconds)
        if cold:
            await hold(life, "FRZ-1/temp", 5.0, cold)


@pytest.mark.parametrize("frames", [6, 7, 8, 9])
def test_an_excursion_found_before_a_change_is_told_under_the_rules_that_found_it(frames):
    """Power is lost around the reading that decides; the next start brings another limit set."""
    plant = Plant(epoch(1, signals=ONE))
    run_virtually(hot(plant, frames=frames))
    found = len(of(plant.records(), "FRZ-1/temp:high.action"))
    plant.approve(epoch(2, rule(high=Levels(action=Decimal("12.0"))), signals=ONE))
    run_virtually(rest(plant))
    run_virtually(rest(plant))
    records = check_laws(plant)
    told = of(records, "FRZ-1/temp:high.action", "raised")
    assert [one.rule for one in told] in ([], ["SET@1"])
    assert len(told) >= found
    for one in told:
        assert one.config == f"{1:016x}"
        assert [d.sinks for d in deviations(records) if one.excursion in d.excursions][:1] == [["main"]]


def test_the_reading_that_decided_was_the_last_thing_before_the_change():
    plant = Plant(epoch(1, signals=ONE))

    async def story() -> None:
        async with Life(plant) as life:
            await hold(life, "FRZ-1/temp", 9.0, 60)
            await life.level()
            life.store.frames_left = 1
            await life.say("FRZ-1/temp", 9.0)
            await asyncio.sleep(1)

    run_virtually(story())
    assert of(plant.records(), "FRZ-1/temp:high.action") == []
    plant.approve(epoch(2, rule(high=Levels(action=Decimal("12.0"))), signals=ONE))
    run_virtually(rest(plant))
    records = check_laws(plant)
    [raised] = of(records, "FRZ-1/temp:high.action", "raised")
    assert (raised.rule, raised.config) == ("SET@1", f"{1:016x}")
    assert [one.sinks for one in deviations(records)][:1] == [["main"]]


def test_a_signal_that_was_taken_away_raises_nothing_any_more():
    plant = Plant(epoch(1, signals=TWO))

    async def story() -> None:
        async with Life(plant) as life:
            for _ in range(60):
                await life.say("FRZ-1/temp", 5.0)
                if "FRZ-2/temp" in plant.running.plan.signals:
                    await life.say("FRZ-2/temp", 9.0)
                await asyncio.sleep(10)

    run_virtually(story())
    plant.approve(epoch(2, signals=ONE))
    changed_ns = plant.passed_ns
    run_virtually(story())
    records = check_laws(plant)
    raised, returned = of(records, "FRZ-2/temp:high.action")
    assert (raised.event, returned.event) == ("raised", "returned")
    assert returned.facts["ended_by"] == "limit_change"
    later = [one for one in excursions(records) if one.at_ns > records[0].at_ns + changed_ns + S]
    assert [one for one in later if one.condition.startswith("FRZ-2")] == []
    assert deviations(records)[-1].event == "condition_ended"


@pytest.mark.parametrize("lasts", [False, True])
def test_an_epoch_that_is_not_understood_stops_nothing_and_is_told(lasts):
    """An older configuration that this version cannot read: its records stand, what lasts goes on and ends."""
    plant = Plant(epoch(1, signals=ONE))
    run_virtually(hot(plant, cold=0 if lasts else 60))
    plant.approve(epoch(2, signals=ONE))
    plant.epochs["CS-0001"] = None
    with capture_logs() as logs:
        run_virtually(hot(plant, 100, cold=600))
    assert [one["log_level"] for one in logs if one["event"] == "config.unknown"] == ["warning"]
    run_virtually(rest(plant))
    records = check_laws(plant)
    told = of(records, "FRZ-1/temp:high.action")
    assert [one.event for one in told] == (["raised", "returned"] if lasts else ["raised", "returned"] * 2)
    assert deviations(records)[-1].event == "condition_ended"


def test_a_file_beside_the_ledger_is_read_from_there():
    """Content above 48 kB stands in a side object, named by its hash."""
    plant = Plant(epoch(1, signals=ONE))
    big = b"# " + b"x" * 60_000
    seen: list[dict[str, bytes]] = []

    def understand(files, change_set):
        seen.append(dict(files))
        return plant.epochs.get(change_set)

    plant.understand = understand  # type: ignore[method-assign]

    async def story() -> None:
        async with Life(plant, files={"config/a.yaml": b"small", "config/big.yaml": big}) as life:
            await life.level()

    run_virtually(story())
    [file] = [one for one in plant.records() if isinstance(one, Config) and one.path == "config/big.yaml"]
    assert isinstance(file.content.sha256, str)
    plant.approve(epoch(2, signals=ONE))
    run_virtually(rest(plant))
    seen.clear()
    fresh_fold(plant)
    assert seen == [{"config/a.yaml": b"small", "config/big.yaml": big}]


def test_a_signal_that_comes_back_begins_anew():
    """Silent from its first configuration on, taken away, brought back: two silences, not one told twice."""
    plant = Plant(epoch(1, signals=TWO))

    async def silent() -> None:
        async with Life(plant) as life:
            await hold(life, "FRZ-1/temp", 5.0, 60)

    run_virtually(silent())
    for number, signals in ((2, ONE), (3, TWO)):
        plant.approve(epoch(number, signals=signals))
        run_virtually(silent())
    raised = of(check_laws(plant), "FRZ-2/temp:no_data.alert", "raised")
    assert len({one.t0_ns for one in raised}) == len(raised) == 2
