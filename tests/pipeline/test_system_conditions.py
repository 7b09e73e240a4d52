"""Conditions of the gateway itself: a damaged file, a halt, a short disk, each once under its own name (AL-10)."""

from __future__ import annotations

import asyncio

import pytest

from gateway.ledger.records import Gateway
from tests.fakes.virtual_loop import run_virtually
from tests.pipeline.plant_laws import check_laws, deviations, excursions
from tests.pipeline.plant_life import Life, Plant

FINDING = {"finding": ["FAILED at record 41: content hash differs"], "finding_file": ["0.seg"], "findings": 1}


def of_us(plant):
    return [one for one in excursions(check_laws(plant)) if one.condition.startswith("system:")]


def tell(life, event, **facts):
    record = Gateway(**life.stamp(), event=event, gateway="gw-01", run=life.stamp.run, facts=facts)
    life.committer.append([record], urgent=True)


def live(plant, *acts, wait_s=5.0):
    async def story():
        async with Life(plant) as life:
            await life.level()
            for event, facts in acts:
                tell(life, event, **facts)
                await asyncio.sleep(wait_s)
            await life.level()

    run_virtually(story())


@pytest.mark.parametrize(
    ("event", "facts"), [("scrub", FINDING), ("halted", {"cause": "fdatasync failed", "errno": 5})]
)
def test_al_10_damage_is_critical_and_a_deviation_that_does_not_end_by_itself(event, facts):
    plant = Plant()
    live(plant, (event, facts), ("scrub", {"findings": 0}), wait_s=120.0)
    [raised] = of_us(plant)
    assert (raised.event, raised.condition, raised.level) == ("raised", "system:ledger_integrity.critical", "critical")
    [deviation] = deviations(plant.records())
    assert (deviation.excursions, deviation.severity) == ([raised.excursion], "critical")
    live(plant, ("scrub", FINDING))  # another start: it lasts, and is not raised twice
    assert [one.event for one in of_us(plant)] == ["raised"]


def test_al_10_a_sound_scrub_and_a_halt_for_want_of_space_raise_no_doubt():
    plant = Plant()
    live(plant, ("scrub", {"findings": 0}), ("halted", {"code": "disk_full", "cause": "the disk is full"}))
    assert of_us(plant) == []


def test_al_10_a_short_disk_lasts_until_there_is_space_or_another_start():
    plant = Plant()
    live(plant, ("disk_full", {"free_bytes": 5}), ("disk_ok", {}), wait_s=90.0)
    assert [(one.event, one.condition) for one in of_us(plant)] == [
        ("raised", "system:disk.critical"),
        ("returned", "system:disk.critical"),
    ]
    live(plant, ("disk_full", {"free_bytes": 5}))
    live(plant, ("scrub", {"findings": 0}), wait_s=90.0)
    assert [one.event for one in of_us(plant)] == ["raised", "returned"] * 2
    assert deviations(plant.records()) == []
