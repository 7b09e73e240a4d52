"""Receipt by poll: a deviation taken without a record id is asked for until the QMS names one."""

from __future__ import annotations

import asyncio
import contextlib

from gateway.pipeline.receipt_poll import ASKED_MAX, PollPlan, ReceiptPoll
from gateway.ports import WebAnswer
from tests.pipeline.outbox_bench import Bench

PLAN = PollPlan(
    sink="main", url="https://qms.example/records?q={external_id}", every_s=300, id_pointer="/items/0/number"
)


class Records:
    """A QMS that knows some deviations."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self.asked: list[str] = []
        self.status = 200

    async def get(self, url: str) -> WebAnswer:
        self.asked.append(url)
        number = self.known.get(url.partition("q=")[2])
        body = f'{{"items":[{{"number":"{number}"}}]}}' if number else '{"items":[]}'
        return WebAnswer(status=self.status, body=body.encode())


@contextlib.asynccontextmanager
async def polling(bench: Bench, records: Records):
    poll = ReceiptPoll(PLAN, records, bench.outbox.fold, bench.journal, bench.stamp, bench.time.sleep)
    task = asyncio.get_running_loop().create_task(poll.run())
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_qm_06_a_poll_confirms_and_then_asks_no_more() -> None:
    records = Records()
    async with Bench(answer_ids=False) as bench, polling(bench, records):
        bench.raise_deviation()
        await bench.time.run(299)
        assert records.asked == []
        await bench.time.run(2)
        assert records.asked == ["https://qms.example/records?q=DEV-gw01-000042"]
        assert bench.outbox.unconfirmed() == {"DEV-gw01-000042"}
        records.known["DEV-gw01-000042"] = "QE-00123"
        await bench.time.run(300)
        assert [(r.external_id, r.how) for r in bench.delivered("receipt")] == [("QE-00123", "poll")]
        assert bench.outbox.unconfirmed() == set()
        await bench.time.run(3_000)
        assert len(records.asked) == 2


async def test_an_answer_that_is_no_2xx_confirms_nothing() -> None:
    records = Records()
    records.known["DEV-gw01-000042"], records.status = "QE-1", 404
    async with Bench(answer_ids=False) as bench, polling(bench, records):
        bench.raise_deviation()
        await bench.time.run(700)
        assert len(records.asked) == 2
        assert bench.delivered("receipt") == []


async def test_a_round_is_bounded_and_the_next_goes_on_where_it_ended() -> None:
    records = Records()
    async with Bench(answer_ids=False) as bench, polling(bench, records):
        for number in range(1, ASKED_MAX + 21):
            bench.raise_deviation(number)
        while bench.outbox.report("main").undelivered or not bench.outbox.fold.sinks:
            await bench.time.settle()
        await bench.time.run(301)
        assert len(records.asked) == ASKED_MAX
        await bench.time.run(300)
        assert len(set(records.asked)) == ASKED_MAX + 20
