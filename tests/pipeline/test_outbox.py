"""Outbox on virtual time: order, retries, receipts, stops and exhaustion."""

from __future__ import annotations

import pytest

from gateway.domain.retry import delay_ns
from tests.fakes.webhook import Fault
from tests.pipeline.outbox_bench import Bench, S

FIRST = "gw-01:dev:000042:1"
HOUR = 3600


async def test_qm_03_prepared_is_committed_before_the_first_attempt_and_the_receipt_confirms() -> None:
    async with Bench() as bench:
        bench.raise_deviation()
        await bench.time.run(1)
        assert [record.event for record in bench.delivered("prepared")] == ["prepared"]
        assert [record.external_id for record in bench.delivered("receipt")] == ["QE-00001"]
        assert bench.state() == "confirmed"
        (request,) = bench.main.requests
        assert request.headers["webhook-id"] == FIRST
        assert request.headers["webhook-signature"].startswith(f"v1,{FIRST}.")
        assert request.body == bench.delivered("prepared")[0].content.utf8.encode()
        assert bench.outbox.unconfirmed() == set()


async def test_qm_05_202_without_record_id_is_transport_and_stays_unconfirmed() -> None:
    async with Bench(answer_ids=False) as bench:
        bench.raise_deviation()
        await bench.time.run(1)
        assert bench.state() == "transported"
        assert bench.outbox.unconfirmed() == {"DEV-gw01-000042"}
        bench.act("receipt", external_id="QE-9", how="callback")
        await bench.time.run(1)
        assert bench.state() == "confirmed"
        assert bench.outbox.unconfirmed() == set()


async def test_qm_01_id_and_bytes_are_constant_over_retries_and_time_is_of_the_attempt() -> None:
    async with Bench(faults=[Fault(503), Fault(None), Fault(503, happened=True)]) as bench:
        bench.raise_deviation()
        await bench.time.run(400)
        assert len(bench.main.requests) == 4
        assert len({request.body for request in bench.main.requests}) == 1
        assert {request.headers["webhook-id"] for request in bench.main.requests} == {FIRST}
        stamps = [int(request.headers["webhook-timestamp"]) for request in bench.main.requests]
        assert stamps == sorted(set(stamps))
        waits = [b - a for a, b in zip(bench.main.attempted_ns, bench.main.attempted_ns[1:], strict=False)]
        assert waits == [delay_ns(FIRST, attempt) for attempt in (2, 3, 4)]
        assert bench.main.bodies[FIRST] == {bench.main.requests[0].body}
        assert bench.state() == "confirmed"


async def test_qm_02_retry_after_lengthens_the_wait() -> None:
    async with Bench(faults=[Fault(429, retry_after_s=90.0)]) as bench:
        bench.raise_deviation()
        await bench.time.run(89)
        assert len(bench.main.requests) == 1
        await bench.time.run(2)
        assert len(bench.main.requests) == 2


async def test_qm_08_revisions_of_a_deviation_go_in_order_and_a_dead_one_lets_the_next_try() -> None:
    async with Bench(faults=[Fault(503), Fault(422)]) as bench:
        bench.raise_deviation(revision=1)
        bench.raise_deviation(revision=2)
        await bench.time.run(3)
        assert [request.headers["webhook-id"] for request in bench.main.requests] == [FIRST]
        await bench.time.run(10)
        assert bench.state(FIRST) == "dead"
        assert bench.state("gw-01:dev:000042:2") == "confirmed"
        assert [record.cause for record in bench.delivered("dead")] == ["refused"]


async def test_four_deviations_in_parallel_and_no_more() -> None:
    async with Bench(slow_s=2) as bench:
        for number in range(1, 10):
            bench.raise_deviation(number)
        await bench.time.run(30)
        assert bench.main.in_flight_max == 4
        assert len(bench.main.deviations) == 9


async def test_sinks_do_not_wait_for_each_other() -> None:
    async with Bench(sinks=("main", "other")) as bench:
        bench.main.down = True
        bench.raise_deviation()
        await bench.time.run(1)
        assert bench.state(sink="other") == "confirmed"
        assert bench.state(sink="main") == "waiting"


async def test_qm_03_75_hours_down_is_a_dead_letter_and_never_dropped() -> None:
    async with Bench() as bench:
        bench.main.down = True
        bench.raise_deviation()
        began_ns = bench.time.clock.boot_ns
        await bench.time.run(76 * HOUR)
        (dead,) = bench.delivered("dead")
        assert dead.cause == "exhausted"
        assert dead.boot_ns - began_ns == pytest.approx(75 * HOUR * S, abs=S)
        deliveries = [request for request in bench.main.requests if request.headers["webhook-id"] == FIRST]
        assert 79 <= len(deliveries) <= 83
        assert bench.outbox.report("main").dead == 1


async def test_qm_04_endpoint_down_five_days_then_all_arrive_in_order() -> None:
    async with Bench() as bench:
        bench.main.down = True
        for revision in (1, 2, 3):
            bench.raise_deviation(revision=revision)
        bench.raise_deviation(43)
        await bench.time.run(120 * HOUR)
        assert {record.cause for record in bench.delivered("dead")} <= {"exhausted"}
        bench.main.down = False
        before = len(bench.main.requests)
        await bench.time.run(80 * HOUR)
        assert [record.cause for record in bench.delivered("replay")].count("sink_recovered") >= 2
        assert bench.main.deviations["DEV-gw01-000042"][1] == 3
        assert set(bench.main.deviations) == {"DEV-gw01-000042", "DEV-gw01-000043"}
        mine = [
            request.headers["webhook-id"]
            for request in bench.main.requests[before:]
            if ":dev:000042" in request.headers["webhook-id"]
        ]
        assert mine == [f"gw-01:dev:000042:{revision}" for revision in (2, 1, 3)], "the one that ran out of time first"
        assert bench.outbox.report("main").undelivered == 0


async def test_hook_08_410_holds_the_sink_until_a_person_enables_it() -> None:
    async with Bench(faults=[Fault(410)]) as bench:
        bench.raise_deviation(42)
        await bench.time.run(1)
        bench.raise_deviation(43)
        await bench.time.run(10 * HOUR)
        assert bench.state() == "held"
        assert len(bench.main.requests) == 1
        assert bench.outbox.report("main").stopped_ns is not None
        await bench.restart()
        await bench.time.run(HOUR)
        assert len(bench.main.requests) == 1
        bench.act("enabled")
        await bench.time.run(1)
        assert [request.headers["webhook-id"] for request in bench.main.requests[1:]] == [FIRST, "gw-01:dev:000043:1"]
        assert bench.state() == "confirmed"


@pytest.mark.parametrize("status", [301, 302, 400, 401, 403, 404, 422])
async def test_qm_04_refusals_are_dead_letters_that_a_person_can_replay(status: int) -> None:
    async with Bench() as bench:
        bench.main.status = status
        bench.raise_deviation()
        await bench.time.run(100 * HOUR)
        assert len(bench.main.requests) == 1
        assert bench.state() == "dead"
        bench.main.status = 202
        await bench.restart()
        bench.act("replay", person="P-000003", reason="receiver corrected")
        await bench.time.run(1)
        assert bench.main.requests[1].body == bench.main.requests[0].body
        assert bench.state() == "confirmed"


async def test_409_is_transport_and_its_record_id_is_looked_up_in_the_answer() -> None:
    async with Bench(faults=[Fault(409, happened=True, body=b'{"record_id":"QE-7"}')]) as bench:
        bench.raise_deviation()
        await bench.time.run(1)
        assert bench.state() == "confirmed"
        assert [(record.external_id, record.how) for record in bench.delivered("receipt")] == [("QE-7", "answer_409")]


async def test_hook_07_two_record_ids_for_one_deviation_are_both_kept() -> None:
    async with Bench() as bench:
        bench.raise_deviation()
        await bench.time.run(1)
        bench.act("receipt", external_id="QE-99999", how="callback")
        await bench.time.run(1)
        (contradiction,) = bench.outbox.fold.contradictions
        assert (contradiction.first, contradiction.second) == ("QE-00001", "QE-99999")
        shipment = bench.outbox.fold.shipment("main", FIRST)
        assert shipment is not None
        assert shipment.record_ids == ["QE-00001", "QE-99999"]
        assert bench.state() == "confirmed"


async def test_not_confirmed_in_time_is_overdue_once() -> None:
    async with Bench(answer_ids=False) as bench:
        bench.raise_deviation(revision=1)
        bench.raise_deviation(revision=2)
        await bench.time.run(4 * HOUR - 10)
        assert bench.delivered("overdue") == []
        await bench.time.run(5 * HOUR)
        assert [record.delivery for record in bench.delivered("overdue")] == [FIRST]


async def test_a_step_of_the_wall_clock_neither_hurries_nor_delays_a_retry() -> None:
    async with Bench(faults=[Fault(503)] * 4) as bench:
        bench.raise_deviation()
        await bench.time.run(60)
        assert len(bench.main.requests) == 3
        bench.time.clock.wall_ns += 30 * 24 * HOUR * S
        await bench.time.run(1)
        assert len(bench.main.requests) == 3
        bench.time.clock.wall_ns -= 60 * 24 * HOUR * S
        await bench.time.run(150)
        assert len(bench.main.requests) == 4
        await bench.restart()
        await bench.time.run(400)
        assert bench.state() == "confirmed"


async def test_the_end_of_the_journal_ends_the_outbox() -> None:
    async with Bench() as bench:
        bench.raise_deviation()
        await bench.time.run(1)
        bench.journal.end()
        await bench.time.settle()
        assert bench._task is not None
        assert bench._task.done()
        assert bench._task.exception() is None
