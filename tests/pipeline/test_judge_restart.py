"""Power may be lost at any frame: at the end the ledger tells the same excursions, each once, each in one deviation."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.ports import Fact
from tests.fakes.virtual_loop import S, run_virtually
from tests.pipeline.plant_laws import check_laws, excursions
from tests.pipeline.plant_life import Life, Plant, epoch, fresh_fold, rule

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


async def _play(life: Life, step: tuple[Any, ...]) -> None:
    match step:
        case ("wait", seconds):
            await asyncio.sleep(seconds)
        case ("read", signal, value):
            await life.say(signal, value)
        case ("hold", signal, value, count):
            for _ in range(count):
                await life.say(signal, value)
                await asyncio.sleep(10)
        case ("received", signal, value):
            await life.say(signal, value, received=True)
        case ("bad", signal):
            await life.say(signal, 5.0, source_status="80000000")
        case ("late", signal, value, ago_s):
            await life.say(signal, value, te_ns=life.now_ns() - ago_s * S, late=True)
        case ("gap", kind, cause):
            await life.say("FRZ-1/temp", None, facts=(Fact(kind=kind, cause=cause, key=cause),))
        case ("batch", batch, act, node):
            from gateway.domain.batch_event import NodeUse

            nodes = (NodeUse(node=node),) if act in {"start", "use", "release"} else ()
            phase = "growth" if act == "phase" else None
            key = f"{batch}-{act}-{life.now_ns()}"
            await life.batch(batch, act, key, nodes=nodes, phase=phase)
        case _:
            raise AssertionError(step)


async def _one_life(plant: Plant, steps: list[tuple[Any, ...]], frames: int | None) -> int:
    """Play steps until they are over or power is lost; return how many were played."""
    life = Life(plant, frames)
    played = 0
    async with life:
        for step in steps:
            if life.dead:
                break
            await _play(life, step)
            played += 1
            await asyncio.sleep(0.2)
        if frames is None:
            await life.level()
            await asyncio.sleep(3.0)
            await life.level()
            live = life.fold
            cold = fresh_fold(plant)
            plant.medium.locked = True
            assert live.evaluator.snapshot() == cold.evaluator.snapshot()
            assert {d.deviation: d for d in live.deviations.all()} == {d.deviation: d for d in cold.deviations.all()}
    return played


def play(plant: Plant, steps: list[tuple[Any, ...]], cuts: list[int]) -> None:
    """Play all steps over as many lives as there are cuts, and one more that ends well."""
    left = list(steps)
    for frames in cuts:
        left = left[run_virtually(_one_life(plant, left, frames)) :]
    run_virtually(_one_life(plant, left, None))


VALUES = st.sampled_from([5.0, 7.4, 7.8, 8.0, 8.1, 9.0])
LIMITED = st.sampled_from(["FRZ-1/temp", "FRZ-2/temp"])
READ = st.tuples(st.just("read"), LIMITED, VALUES)
WAIT = st.tuples(st.just("wait"), st.sampled_from([5, 9, 15, 40, 70]))
HOLD = st.tuples(st.just("hold"), LIMITED, VALUES, st.integers(1, 12))
CUTS = st.lists(st.integers(0, 30), max_size=4)


def told(plant: Plant) -> set[tuple[Any, ...]]:
    return {
        (one.condition, one.t0_ns, one.raised_ns, one.t1_ns if one.event == "returned" else None, one.event)
        for one in excursions(check_laws(plant))
        if one.class_ == "process" and one.event in {"raised", "returned"}
    }


@settings(max_examples=40, deadline=None, suppress_health_check=SLOW)
@given(steps=st.lists(READ | WAIT | HOLD, max_size=25), cuts=CUTS)
def test_power_loss_anywhere_changes_no_excursion(steps, cuts):
    whole, cut = Plant(), Plant()
    play(whole, steps, [])
    play(cut, steps, cuts)
    if whole.passed_ns == cut.passed_ns:
        assert told(cut) == told(whole)
    check_laws(cut)


EVENT = st.one_of(
    READ,
    HOLD,
    WAIT,
    st.tuples(st.just("received"), LIMITED, VALUES),
    st.tuples(st.just("bad"), LIMITED),
    st.tuples(st.just("late"), LIMITED, VALUES, st.sampled_from([30, 90, 300])),
    st.tuples(
        st.just("gap"), st.sampled_from(["gap_opened", "gap_closed"]), st.sampled_from(["link_down", "overflow"])
    ),
    st.tuples(
        st.just("batch"),
        st.sampled_from(["B-1", "B-2"]),
        st.sampled_from(["start", "phase", "release", "end"]),
        st.sampled_from(["FRZ-1", "FRZ-2"]),
    ),
    st.tuples(st.just("wait"), st.sampled_from([200, 400, 1000])),
)


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
@given(steps=st.lists(EVENT, max_size=40), cuts=CUTS)
def test_whatever_happens_nothing_is_told_twice(steps, cuts):
    plant = Plant(epoch(1, rule(phases=("growth",)), rule("room", ["R-1/temp"])))
    play(plant, steps, cuts)
    check_laws(plant)
