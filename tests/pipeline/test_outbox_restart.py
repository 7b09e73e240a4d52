"""Kill the outbox between any two of its steps: a new process goes on from the records and loses nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.webhook import Fault
from tests.pipeline.outbox_bench import Bench

FIRST = "gw-01:dev:000042:1"


@pytest.mark.req("QM-03")
@pytest.mark.parametrize("commits", range(8))
async def test_qm_03_killed_after_any_commit_it_is_delivered_after_restart(commits: int) -> None:
    bench = Bench(faults=[Fault(503), Fault(None, happened=True)])
    bench.journal.records = [bench.deviation(revision=1), bench.deviation(revision=2)]
    bench.start(commits_left=commits)
    await bench.time.run(120)
    await bench.kill()
    bench.start()
    await bench.time.run(600)
    await bench.kill()
    for revision in (1, 2):
        event_id = f"gw-01:dev:000042:{revision}"
        assert bench.state(event_id) == "confirmed"
        assert len(bench.main.bodies[event_id]) == 1, "every attempt sent the same bytes"
        assert len([r for r in bench.delivered("prepared") if r.delivery == event_id]) == 1
    assert bench.main.deviations == {"DEV-gw01-000042": ("QE-00001", 2)}


async def test_killed_before_the_answer_is_recorded_it_is_sent_again_with_the_same_bytes() -> None:
    bench = Bench()
    bench.journal.records = [bench.deviation()]
    bench.start(commits_left=1)
    await bench.time.run(1)
    assert len(bench.main.requests) == 1
    await bench.restart()
    await bench.time.run(1)
    await bench.kill()
    assert [request.body for request in bench.main.requests] == [bench.main.requests[0].body] * 2
    assert bench.state() == "confirmed"


async def test_without_an_index_it_folds_the_whole_ledger_before_it_sends_anything() -> None:
    bench = Bench()
    bench.journal.records = [bench.deviation(number) for number in range(1, 6)]
    bench.start()
    await bench.time.run(5)
    await bench.kill()
    sent, made = len(bench.main.requests), len(bench.maker.made)
    assert sent == made == 5
    bench.start(rebuilt=False, piece=1)
    await bench.time.run(3_600)
    await bench.kill()
    assert (len(bench.main.requests), len(bench.maker.made)) == (sent, made)


async def test_killed_in_flight_it_returns_to_the_row_before() -> None:
    bench = Bench(slow_s=10)
    bench.journal.records = [bench.deviation()]
    bench.start()
    await bench.time.run(5)
    await bench.restart()
    assert bench.state() == "prepared"
    await bench.time.run(20)
    await bench.kill()
    assert bench.state() == "confirmed"


FAULTS = st.sampled_from(
    [Fault(503), Fault(None), Fault(503, happened=True), Fault(None, happened=True), Fault(409, happened=True)]
)


@settings(deadline=None, max_examples=40)
@given(faults=st.lists(FAULTS, max_size=6), kills=st.lists(st.integers(0, 12), max_size=4), revisions=st.integers(1, 3))
async def test_qm_08_whatever_fails_and_whenever_it_is_killed_each_event_arrives_once_by_id(
    faults: list[Fault], kills: list[int], revisions: int
) -> None:
    bench = Bench(faults=faults)
    bench.journal.records = [
        bench.deviation(number, revision) for revision in range(1, revisions + 1) for number in (42, 43)
    ]
    for commits in kills:
        bench.start(commits_left=commits)
        await bench.time.run(45)
        await bench.kill()
    bench.start()
    await bench.time.run(3 * 3600)
    await bench.kill()
    for number in (42, 43):
        assert bench.main.deviations[f"DEV-gw01-{number:06d}"][1] == revisions
        for revision in range(1, revisions + 1):
            event_id = f"gw-01:dev:{number:06d}:{revision}"
            assert bench.state(event_id) in {"confirmed", "transported"}
            assert len(bench.main.bodies[event_id]) == 1
