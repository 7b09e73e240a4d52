"""The judge and batches: deviations follow the batches of their excursions; a waiting event ends as a conflict."""

from __future__ import annotations

import asyncio

from gateway.ledger.records import Deviation, Excursion
from tests.pipeline.judge_bench import JudgeBench


async def test_us_19_two_batches_in_one_room_one_excursion_two_impact_entries():
    bench = JudgeBench()
    async with bench.running():
        await bench.batch("start", "B-1", -60, "BR-1")
        await bench.read(5.0)
        await bench.read(9.0, at_s=1)
        await bench.batch("start", "B-2", 0, "BR-2")
    assert len(bench.raised()) == 1
    assert bench.deviations() == [("opened", 1, ["B-1"], ["main"]), ("updated", 2, ["B-1", "B-2"], ["main"])]
    assert {tuple(one.excursions) for one in bench.found(Deviation)} == {tuple(bench.raised())}


async def test_batches_that_were_not_there_change_nothing():
    bench = JudgeBench()
    async with bench.running():
        await bench.batch("start", "B-1", -60, "BR-1")
        await bench.read(9.0)
        await bench.read(9.0, at_s=30)
        await bench.batch("end", "B-1", 0)
        await bench.batch("start", "B-0", -90, "BR-2")
        await bench.batch("end", "B-0", -80)
        await bench.batch("start", "B-9", 0, "BR-3")
    # B-0 is open for a moment when its start comes alone: it was told, and taken back when its end came
    assert [one[2] for one in bench.deviations()] == [["B-1"], ["B-1", "B-0"], ["B-1"]]


async def test_batch_that_comes_late_is_told_of_an_excursion_that_is_over():
    bench = JudgeBench()
    async with bench.running():
        await bench.read(9.0)
        await bench.read(5.0, at_s=30)
        await bench.read(5.0, at_s=30)
        await bench.batch("end", "B-1", 0)
        await bench.batch("start", "B-1", -10, "BR-1")
    assert bench.batches()[0] == ("B-1", "end", "pending")
    assert [one[2] for one in bench.deviations()] == [[], ["B-1"]]


async def test_dr_1_rule_that_needs_a_batch_raises_when_one_comes_and_once_only():
    bench = JudgeBench(when="batch")
    async with bench.running():
        await bench.read(9.0)
        assert (len(bench.raised()), bench.deviations()) == (1, [])
        await bench.batch("start", "B-1", 0, "BR-1")
        await bench.batch("start", "B-2", 0, "BR-2")
    assert [one[:3] for one in bench.deviations()] == [("opened", 1, ["B-1"]), ("updated", 2, ["B-1", "B-2"])]


async def test_batch_recorded_just_before_a_crash_is_told_after_the_restart_once():
    first = JudgeBench()
    async with first.running():
        await first.read(9.0)
        first.journal.commits_left = 1  # the batch event is durable, what follows from it is not
        await first.batch("start", "B-1", 0, "BR-1")
    assert [one[2] for one in first.deviations()] == [[]]
    kept = [one for one in first.journal.records if not isinstance(one, Deviation) or not one.batches]
    first.journal.__init__(kept)
    again = JudgeBench(first.journal, wall_ns=first.clock.wall_ns)
    async with again.running():
        await again.batch("start", "B-1", 0, "BR-1")
    assert [one[2] for one in again.deviations()] == [[], ["B-1"]]
    assert again.batches() == [("B-1", "start", "applied")]


async def test_waiting_event_is_a_conflict_after_its_window():
    bench = JudgeBench()
    async with bench.running():
        await bench.batch("end", "B-1", 0)
        bench.clock.advance(24 * 3_600_000_000_000)
        async with asyncio.timeout(5):
            while len(bench.batches()) < 2:
                await asyncio.sleep(0.05)
        await bench.settle()
    assert bench.batches() == [("B-1", "end", "pending"), ("B-1", "end", "conflict")]
    assert bench.judge.fold.batches.batch("B-1").pending == []


async def test_batch_that_starts_as_the_excursion_ends_was_not_there():
    bench = JudgeBench()
    async with bench.running():
        await bench.read(9.0)
        bench.clock.advance(1_000_000_000)
        await bench.read(5.0, facts=(bench.fact("start", "B-1", 0, "BR-1"),))
    assert [one.event for one in bench.found(Excursion)] == ["raised", "returned"]
    assert [one[2] for one in bench.deviations()] == [[]]


async def test_dr_1_batch_that_starts_as_the_excursion_ends_raises_nothing():
    bench = JudgeBench(when="batch")
    async with bench.running():
        await bench.read(9.0)
        bench.clock.advance(1_000_000_000)
        await bench.read(5.0, facts=(bench.fact("start", "B-1", 0, "BR-1"),))
    assert ([one.event for one in bench.found(Excursion)], bench.deviations()) == (["raised", "returned"], [])
