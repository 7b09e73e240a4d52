"""`witness_stale` and `timestamp_stale` are conditions like any other: raised, held over a restart, ended when the cause is gone."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from gateway.ledger.records import Anchor, Gateway
from gateway.pipeline.fold import Epoch
from tests.fakes.virtual_loop import S, run_virtually
from tests.pipeline.plant_laws import check_laws, deviations, excursions
from tests.pipeline.plant_life import Life, Plant, epoch, signal

EVERY_S = 600
ALONE = [signal("FRZ-1/temp", "FRZ-1")]


def watched(**changes):
    """A plant with witnesses and an authority."""
    made = epoch(1, signals=ALONE)
    given = {"witnessed": True, "stamp_every_ns": EVERY_S * S}
    return Plant(Epoch(replace(made.plan, **given | changes), made.limit_sets))


def notice(life: Life, code: str, **facts) -> None:
    life.committer.append([Gateway(**life.stamp(), event="notice", gateway="gw-01", run=1, code=code, facts=facts)])


def anchor(life: Life, event: str) -> None:
    life.committer.append([Anchor(**life.stamp(), event=event, size=1, root="00" * 32)])


async def wait(life: Life, seconds: float) -> None:
    await life.level()
    await asyncio.sleep(seconds)
    await life.level()


def told(plant: Plant, condition: str):
    return [one for one in excursions(check_laws(plant)) if one.condition == condition]


STORIES = [
    ("witness_stale", "system:witness_stale", 60, 900, "cosigned", "witness_quorum"),
    ("timestamp_stale", "system:timestamp_stale", 3 * EVERY_S, 86_400, "timestamped", "timestamp_back"),
]


@pytest.mark.req("AL-10")
@pytest.mark.parametrize(("code", "track", "alert_s", "action_s", "shown", "over"), STORIES)
@pytest.mark.parametrize("by_anchor", [True, False])
def test_al_10_raised_at_both_levels_from_the_onset_and_ended_a_minute_after_its_cause(
    code, track, alert_s, action_s, shown, over, by_anchor
):
    plant = watched()

    async def story():
        async with Life(plant) as life:
            await wait(life, alert_s)
            began = life.now_ns()
            notice(life, code, level="alert", seconds=alert_s)
            await wait(life, 10)
            assert [one.event for one in told(plant, f"{track}.alert")] == ["raised"]
            assert told(plant, f"{track}.action") == []
            assert life.fold.anchor_flags.up == {track: began - alert_s * S}
            await wait(life, action_s - alert_s)
            notice(life, code, level="action", seconds=action_s)  # the second notice of one stretch changes nothing
            await wait(life, 100)
            (anchor if by_anchor else notice)(life, shown if by_anchor else over)
            ended = life.now_ns()
            await wait(life, 30)
            assert [one.event for one in told(plant, f"{track}.action")] == ["raised"]
            await wait(life, 60)
        return began, ended

    began, ended = run_virtually(story())
    for level, delay_s in (("alert", alert_s), ("action", action_s)):
        first, last = told(plant, f"{track}.{level}")
        assert (first.event, last.event) == ("raised", "returned")
        assert (first.class_, first.level) == ("system", level)
        assert first.t0_ns == began - alert_s * S
        assert first.raised_ns == first.t0_ns + delay_s * S
        assert last.t1_ns == ended
        assert not isinstance(first.signal, str)
    ours = {one.excursion for one in excursions(plant.records()) if one.class_ == "system"}
    assert [one for one in deviations(plant.records()) if ours & set(one.excursions)] == []


@pytest.mark.req("AL-10")
def test_a_restart_neither_ends_nor_repeats_it_and_the_first_quorum_after_it_does():
    plant = watched()

    async def first():
        async with Life(plant) as life:
            await wait(life, 60)
            notice(life, "witness_stale", level="alert", seconds=60)
            await wait(life, 20)

    async def second():
        async with Life(plant) as life:
            await wait(life, 60)
            notice(life, "witness_stale", level="alert", seconds=60)  # of its own start: the flag is up already
            await wait(life, 10)
            assert len(told(plant, "system:witness_stale.alert")) == 1
            anchor(life, "cosigned")
            await wait(life, 70)

    run_virtually(first())
    run_virtually(second())
    assert [one.event for one in told(plant, "system:witness_stale.alert")] == ["raised", "returned"]
    assert told(plant, "system:witness_stale.action") == []


def test_a_second_stretch_is_an_excursion_of_its_own_and_begins_no_earlier_than_the_first_one_ended():
    plant = watched()

    async def story():
        async with Life(plant) as life:
            await wait(life, 60)
            notice(life, "witness_stale", level="alert", seconds=60)
            await wait(life, 30)
            anchor(life, "cosigned")
            await wait(life, 65)
            notice(life, "witness_stale", level="alert", seconds=66)  # a head published just before that anchor
            await wait(life, 5)
            notice(life, "witness_quorum")
            await wait(life, 70)

    run_virtually(story())
    rows = told(plant, "system:witness_stale.alert")
    assert [one.event for one in rows] == ["raised", "returned", "raised", "returned"]
    assert rows[0].excursion != rows[2].excursion
    assert rows[2].t0_ns >= rows[1].t1_ns


def test_without_witness_and_authority_there_is_no_such_condition_and_a_quorum_that_never_lacked_says_nothing():
    plant = watched(witnessed=False, stamp_every_ns=None)

    async def story():
        async with Life(plant) as life:
            anchor(life, "cosigned")
            notice(life, "witness_stale", seconds=60)
            await wait(life, 1000)
            anchor(life, "previous")
            notice(life, "disk_hint")
            await wait(life, 1)

    run_virtually(story())
    assert [one for one in excursions(plant.records()) if one.condition.startswith("system:")] == []
