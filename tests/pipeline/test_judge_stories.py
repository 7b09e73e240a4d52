"""What the judge tells of a plant's day: late readings, flapping, silence, lost links, phases, changed limits."""

from __future__ import annotations

import asyncio
import itertools
from decimal import Decimal

import pytest

from gateway.domain.batch_event import NodeUse
from gateway.domain.limits import DeviationRule, Levels
from gateway.ports import Fact
from tests.fakes.virtual_loop import S, run_virtually
from tests.pipeline.plant_laws import check_laws, deviations, excursions, notes
from tests.pipeline.plant_life import Life, Plant, epoch, rule, signal

ALONE = [signal("FRZ-1/temp", "FRZ-1")]
GAP = {"cause": "link_down", "key": "link"}


def of(records, condition, *events):
    return [one for one in excursions(records) if one.condition == condition and (not events or one.event in events)]


async def hold(life: Life, name: str, value: float, seconds: int, every: int = 10) -> None:
    for _ in range(seconds // every):
        await life.say(name, value)
        await asyncio.sleep(every)


async def with_gap(plant: Plant, backfill: list[float], frames: int | None = None) -> None:
    """Readings, a gap of 300 s, readings again, then the history of the gap, then its end."""
    async with Life(plant) as life:
        await hold(life, "FRZ-1/temp", 5.0, 60)
        lost_ns = life.now_ns()
        await life.say("FRZ-1/temp", None, facts=(Fact(kind="gap_opened", **GAP),))
        await asyncio.sleep(300)
        await hold(life, "FRZ-1/temp", 5.0, 30)
        for n, value in enumerate(backfill):
            await life.say("FRZ-1/temp", value, te_ns=lost_ns + n * 10 * S, late=True)
        await life.level()
        life.store.frames_left = frames
        await life.say("FRZ-1/temp", None, facts=(Fact(kind="gap_closed", recovery="full", recovered=30, **GAP),))
        await asyncio.sleep(5)


async def rest(plant: Plant, seconds: float = 10.0) -> Life:
    async with Life(plant) as life:
        await life.level()
        await asyncio.sleep(seconds)
        await life.level()
    return life


BREACH_IN_GAP = [5.0] * 5 + [9.0] * 12 + [5.0] * 12


def test_al_05_a_breach_inside_a_gap_becomes_one_late_excursion_with_its_deviation():
    plant = Plant(epoch(1, signals=ALONE))
    run_virtually(with_gap(plant, BREACH_IN_GAP))
    records = check_laws(plant)
    [late] = of(records, "FRZ-1/temp:high.action")
    assert late.event == "late"
    assert late.t1_ns - late.t0_ns == 120 * S
    assert late.breach_ns == 120 * S
    assert "late" in late.doubts
    [opened] = [one for one in deviations(records) if late.excursion in one.excursions and one.event == "opened"]
    assert opened.revision == 1
    assert [one.facts["signal"] for one in notes(records, "evaluated") if one.code == "late_settled"] == ["FRZ-1/temp"]


@pytest.mark.parametrize("frames", range(8))
def test_al_05_late_excursion_is_told_once_wherever_power_is_lost(frames):
    plant = Plant(epoch(1, signals=ALONE))
    run_virtually(with_gap(plant, BREACH_IN_GAP, frames))
    run_virtually(rest(plant, 120))
    asked = run_virtually(rest(plant, 1000)).late_asked
    records = check_laws(plant)
    told = of(records, "FRZ-1/temp:high.action")
    assert [one.event for one in told] == ["late"]
    settled = [one for one in notes(records, "evaluated") if one.code == "late_settled"]
    assert len(settled) == 1
    assert asked == 0, "a settled job ran again"


def test_al_05_nothing_late_means_no_job():
    plant = Plant(epoch(1, signals=ALONE))
    run_virtually(with_gap(plant, []))
    records = check_laws(plant)
    assert [one for one in notes(records, "evaluated") if one.code == "late_settled"] == []


async def breach_into_gap_end(plant: Plant) -> None:
    async with Life(plant) as life:
        await hold(life, "FRZ-1/temp", 5.0, 60)
        lost_ns = life.now_ns()
        await life.say("FRZ-1/temp", None, facts=(Fact(kind="gap_opened", **GAP),))
        await asyncio.sleep(200)
        await hold(life, "FRZ-1/temp", 9.0, 20)
        for n in range(18):
            await life.say("FRZ-1/temp", 9.0 if n > 5 else 5.0, te_ns=lost_ns + n * 10 * S, late=True)
        await life.say("FRZ-1/temp", None, facts=(Fact(kind="gap_closed", recovery="full", recovered=18, **GAP),))
        await hold(life, "FRZ-1/temp", 9.0, 120)
        await hold(life, "FRZ-1/temp", 5.0, 600)


def test_al_05_a_breach_that_lasts_beyond_the_gap_is_one_excursion():
    plant = Plant(epoch(1, signals=ALONE))
    run_virtually(breach_into_gap_end(plant))
    records = check_laws(plant)
    told = of(records, "FRZ-1/temp:high.action")
    assert len({one.excursion for one in told}) == 1, [(one.event, one.t0_ns, one.t1_ns) for one in told]
    assert "returned" in {one.event for one in told}
    assert deviations(records)[-1].event == "condition_ended"


def test_al_03_flapping_is_one_deviation_updated_once_a_minute():
    """50 breaches, one each 72 s: 1 opened, 49 updated, 1 condition_ended (deviations.md 1)."""
    plant = Plant(epoch(1, rule(on_delay_s=0, off_delay_s=0), signals=ALONE))

    async def story() -> None:
        async with Life(plant) as life:
            await hold(life, "FRZ-1/temp", 5.0, 20)
            for _ in range(50):
                await hold(life, "FRZ-1/temp", 9.0, 36, 12)
                await hold(life, "FRZ-1/temp", 5.0, 36, 12)
            await hold(life, "FRZ-1/temp", 5.0, 600)

    run_virtually(story())
    records = check_laws(plant)
    assert len(of(records, "FRZ-1/temp:high.action", "raised")) == 50
    events = [one.event for one in deviations(records)]
    assert events == ["opened", *["updated"] * 49, "condition_ended"]
    assert all(one.sinks == ["main"] for one in deviations(records))
    ended, last = deviations(records)[-1], of(records, "FRZ-1/temp:high.action", "returned")[-1]
    assert 300 * S <= ended.at_ns - last.t1_ns < 302 * S


def test_al_03_fast_flapping_sends_at_most_one_update_a_minute():
    """50 crossings, one each 20 s: each is recorded, what is sent waits its minute."""
    worst = DeviationRule(sink="main", severity="critical")  # nothing can make it worse, which would be told at once
    plant = Plant(epoch(1, rule(on_delay_s=0, off_delay_s=0, deviation=worst), signals=ALONE))

    async def story() -> None:
        async with Life(plant) as life:
            for _ in range(50):
                await hold(life, "FRZ-1/temp", 9.0, 10)
                await hold(life, "FRZ-1/temp", 5.0, 10)
            await hold(life, "FRZ-1/temp", 5.0, 600)

    run_virtually(story())
    records = check_laws(plant)
    sent = [one for one in deviations(records) if one.sinks]
    assert [sent[0].event, sent[-1].event] == ["opened", "condition_ended"]
    updates = [one.at_ns for one in sent if one.event == "updated"]
    assert all(b - a >= 60 * S for a, b in itertools.pairwise(updates))
    assert len(set(deviations(records)[-1].excursions)) == 50


def test_al_11_silence_raises_no_data_by_a_timer_and_one_deviation_for_the_source():
    plant = Plant()

    async def story() -> None:
        async with Life(plant) as life:
            for _ in range(6):
                await life.say("FRZ-1/temp", 5.0)
                await life.say("FRZ-2/temp", 5.0)
                await asyncio.sleep(10)
            await asyncio.sleep(400)
            for _ in range(60):
                await life.say("FRZ-1/temp", 5.0)
                await life.say("FRZ-2/temp", 5.0)
                await asyncio.sleep(10)

    run_virtually(story())
    records = check_laws(plant)
    for name in ("FRZ-1/temp", "FRZ-2/temp"):
        [raised] = of(records, f"{name}:no_data.action", "raised")
        assert raised.cause == "timer"
        assert raised.raised_ns - raised.t0_ns == 280 * S
        assert len(of(records, f"{name}:no_data.action", "returned")) == 1
    found = {one.deviation for one in deviations(records)}
    assert len(found) == 1
    assert set(deviations(records)[0].facts["all_sinks"]) == {"main"}
    assert deviations(records)[-1].event == "condition_ended"
    assert len(deviations(records)[-1].excursions) == 2


def test_al_11_a_lost_link_is_comm_lost_by_the_gap_that_says_so():
    plant = Plant(epoch(1, signals=ALONE))

    async def story() -> None:
        async with Life(plant) as life:
            await hold(life, "FRZ-1/temp", 5.0, 30)
            await life.say("FRZ-1/temp", None, facts=(Fact(kind="gap_opened", **GAP),))
            await asyncio.sleep(400)
            await life.say("FRZ-1/temp", 5.0, facts=(Fact(kind="gap_closed", recovery="none", **GAP),))
            await hold(life, "FRZ-1/temp", 5.0, 600)

    run_virtually(story())
    records = check_laws(plant)
    [raised] = of(records, "line1:comm_lost.action", "raised")
    assert raised.raised_ns - raised.t0_ns == 300 * S
    [back] = of(records, "line1:comm_lost.action", "returned")
    assert back.t1_ns - back.t0_ns == 400 * S


def test_al_11_bad_quality_is_no_limit_and_a_condition_of_its_own():
    plant = Plant(epoch(1, signals=ALONE))

    async def story() -> None:
        async with Life(plant) as life:
            await hold(life, "FRZ-1/temp", 5.0, 30)
            for _ in range(40):
                await life.say("FRZ-1/temp", 99.0, source_status="80000000")
                await asyncio.sleep(10)
            await hold(life, "FRZ-1/temp", 5.0, 200)

    run_virtually(story())
    records = check_laws(plant)
    assert of(records, "FRZ-1/temp:high.action") == []
    assert len(of(records, "FRZ-1/temp:bad_quality.action", "raised")) == 1
    assert len(of(records, "FRZ-1/temp:bad_quality.action", "returned")) == 1


@pytest.mark.parametrize(("minutes", "severity"), [(300, "major"), (60_000, "minor")])
def test_al_11_severity_of_missing_data_is_its_share_of_the_batch(minutes, severity):
    """SEV-3: major above 1 % of a batch, else minor."""
    plant = Plant(epoch(1, signals=ALONE))

    async def story() -> None:
        async with Life(plant) as life:
            began = f"{_iso(life.now_ns() - minutes * 60 * S)}"
            await life.batch("B-1", "start", "k1", effective_time=began, nodes=(NodeUse(node="FRZ-1"),))
            await hold(life, "FRZ-1/temp", 5.0, 30)
            await asyncio.sleep(400)

    run_virtually(story())
    records = check_laws(plant)
    first = deviations(records)[0]
    assert (first.severity, first.severity_basis, first.batches) == (severity, ["SEV-3"], ["B-1"])


def _iso(at_ns: int) -> str:
    from gateway.domain.times import format_time

    return format_time(at_ns)


def test_tighter_limits_judge_only_what_comes_after_them():
    plant = Plant(epoch(1))

    async def before() -> None:
        async with Life(plant) as life:
            await hold(life, "FRZ-1/temp", 7.0, 600)

    async def after() -> None:
        async with Life(plant) as life:
            await life.level()
            await hold(life, "FRZ-1/temp", 7.0, 120)
            await hold(life, "FRZ-1/temp", 5.0, 60)

    run_virtually(before())
    plant.approve(epoch(2, rule(high=Levels(action=Decimal("6.0")))))
    changed_ns = plant.passed_ns
    run_virtually(after())
    for _ in range(2):
        run_virtually(rest(plant))
    records = check_laws(plant)
    [raised] = of(records, "FRZ-1/temp:high.action", "raised")
    assert raised.t0_ns >= records[0].at_ns + changed_ns
    assert raised.rule == "SET@2"


@pytest.mark.parametrize("understood", [True, False])
def test_wider_limits_do_not_take_back_what_the_old_ones_found(understood):
    plant = Plant(epoch(1))

    async def hot() -> None:
        async with Life(plant) as life:
            await hold(life, "FRZ-1/temp", 9.0, 100)
            await hold(life, "FRZ-1/temp", 5.0, 60)

    run_virtually(hot())
    plant.approve(epoch(2, rule(high=Levels(action=Decimal("12.0")))))
    if not understood:
        plant.epochs["CS-0001"] = None
    run_virtually(hot())
    run_virtually(rest(plant))
    records = check_laws(plant)
    told = of(records, "FRZ-1/temp:high.action")
    assert [(one.event, one.rule) for one in told] == [("raised", "SET@1"), ("returned", "SET@1")]
