"""What people may do to deliveries: each state's answer to a replay, copies, and the end of a stop."""

from __future__ import annotations

import pytest

from gateway.errors import Refused
from gateway.pipeline.outbox_acts import Choice, choose, copy_to, enable, replay
from tests.fakes.webhook import Fault
from tests.pipeline.outbox_bench import Bench

FIRST = "gw-01:dev:000042:1"
WHO = ("P-000003", "receiver corrected")


async def test_hook_06_a_confirmed_event_is_only_sent_as_a_copy_with_the_same_bytes() -> None:
    async with Bench(sinks=("main", "archive")) as bench:
        bench.raise_deviation(sinks=["main"])
        await bench.time.run(1)
        with pytest.raises(
            Refused, match="HOOK-06: gw-01:dev:000042:1 is confirmed as QE-00001; use --to SINK for a copy"
        ):
            replay(bench.outbox.fold, "main", FIRST, bench.stamp(), *WHO)
        bench.journal.append(copy_to(bench.delivered("prepared")[0], "archive", bench.stamp(), *WHO))
        await bench.time.run(1)
        assert bench.qms["archive"].requests[0].body == bench.main.requests[0].body
        assert bench.state(sink="archive") == "confirmed"
        await bench.restart()
        await bench.time.run(10)
        assert len(bench.qms["archive"].requests) == 1


async def test_hook_08_a_stopped_sink_refuses_a_replay_until_it_is_enabled() -> None:
    async with Bench(faults=[Fault(410)]) as bench:
        bench.raise_deviation()
        await bench.time.run(1)
        with pytest.raises(
            Refused, match=r"HOOK-08: main stopped \(410 at .*Z\): enable it with gateway hook test main --enable"
        ):
            replay(bench.outbox.fold, "main", FIRST, bench.stamp(), *WHO)
        bench.journal.append([enable(bench.outbox.fold, "main", bench.stamp(), *WHO)])
        await bench.time.run(1)
        assert bench.state() == "confirmed"
        with pytest.raises(Refused, match="main is not stopped"):
            enable(bench.outbox.fold, "main", bench.stamp(), *WHO)


async def test_qm_04_failed_ones_are_sent_again_in_the_order_of_the_ledger() -> None:
    async with Bench() as bench:
        bench.main.status = 422
        for number, revision in ((43, 1), (42, 1), (42, 2)):
            bench.raise_deviation(number, revision)
        await bench.time.run(1)
        bench.main.status = 202
        bench.main.requests.clear()
        found, confirmed = choose(bench.outbox.fold, Choice())
        assert confirmed == 0
        records = [replay(bench.outbox.fold, one.sink, one.event_id, bench.stamp(), *WHO) for one in found]
        assert [record.delivery for record in records] == ["gw-01:dev:000043:1", FIRST, "gw-01:dev:000042:2"]
        assert {(record.person, record.reason) for record in records} == {WHO}
        bench.journal.append(records)
        await bench.time.run(1)
        assert bench.outbox.report("main").undelivered == 0
        lane = [
            request.headers["webhook-id"]
            for request in bench.main.requests
            if ":000042:" in request.headers["webhook-id"]
        ]
        assert lane == [FIRST, "gw-01:dev:000042:2"]


async def test_a_waiting_event_is_tried_now() -> None:
    async with Bench(faults=[Fault(503)] * 6) as bench:
        bench.raise_deviation()
        await bench.time.run(500)
        tried = len(bench.main.requests)
        bench.journal.append([replay(bench.outbox.fold, "main", FIRST, bench.stamp(), *WHO)])
        await bench.time.run(0.5)
        assert len(bench.main.requests) == tried + 1


async def test_hook_05_a_body_that_cannot_be_made_is_a_dead_letter_and_a_replay_makes_it_anew() -> None:
    async with Bench() as bench:
        bench.maker.refusal = Refused("body 20,001 bytes exceeds 20,000 after shortening", code="HOOK-05")
        bench.raise_deviation(revision=1)
        await bench.time.run(1)
        assert [(r.cause, r.reason) for r in bench.delivered("dead")] == [("HOOK-05", bench.maker.refusal.text)]
        bench.maker.refusal = None
        await bench.restart()
        assert bench.state() == "dead"
        bench.journal.append([replay(bench.outbox.fold, "main", FIRST, bench.stamp(), *WHO)])
        await bench.time.run(1)
        assert bench.state() == "confirmed"


def test_an_event_that_does_not_exist_is_said() -> None:
    from gateway.pipeline.outbox_fold import OutboxFold

    with pytest.raises(Refused, match="no delivery 'x' to main"):
        replay(OutboxFold("gw-01"), "main", "x", {}, *WHO)


async def test_qm_04_since_a_time_everything_that_is_not_confirmed_or_copies_of_all() -> None:
    async with Bench(sinks=("main", "archive")) as bench:
        bench.raise_deviation(41, sinks=["main"])
        await bench.time.run(60)
        since_ns = bench.time.clock.now().wall_ns
        bench.raise_deviation(42, sinks=["main", "archive"])
        await bench.time.run(1)
        bench.main.status = 503
        bench.raise_deviation(43, sinks=["main"])
        await bench.time.run(1)
        fold = bench.outbox.fold

        def found(**given) -> tuple[list[tuple[str, str]], int]:
            shipments, confirmed = choose(fold, Choice(**given))
            return [(one.event_id[-8:], one.sink) for one in shipments], confirmed

        assert found(since_ns=since_ns) == ([("000043:1", "main")], 2)
        assert found(since_ns=since_ns, sink="archive") == ([], 1)
        both = [("000042:1", "archive"), ("000043:1", "main")]
        assert found(since_ns=since_ns, to="main") == (both, 0), "one copy of an event, whatever sinks it had"
        assert found(since_ns=0, to="archive")[0][0] == ("000041:1", "main")
        assert found() == ([], 0), "nothing is dead"
