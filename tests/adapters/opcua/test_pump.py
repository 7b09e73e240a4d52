"""The pump over a scripted session: acknowledgement after commit, sequence, Republish, silence. No server, no clock."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any

import pytest
from asyncua import ua

from gateway.adapters.opcua.delivery import Delivery
from gateway.adapters.opcua.errors import Trouble, Verdict
from gateway.adapters.opcua.pump import Pump
from gateway.adapters.opcua.recorder import LINK_DOWN, Recorder
from gateway.adapters.opcua.sequence import LAST
from tests.adapters.opcua.messages import change, double, message, publish, republish
from tests.fakes.clock import StillClock
from tests.fakes.inlet import FakeInlet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SUB = 11


class FakeWire:
    """A session that answers Publish in order with what a test gives, and keeps what `kept` says for Republish."""

    def __init__(self) -> None:
        self.acknowledged: list[int] = []
        self.asked_again: list[int] = []
        self.kept: dict[int, Any] = {}
        self.waiting: deque[asyncio.Future[Any]] = deque()
        self.most = 0

    def post_publish(self, acknowledgements: list[tuple[int, int]]) -> asyncio.Future[Any]:
        self.acknowledged += [number for _, number in acknowledgements]
        future = asyncio.get_running_loop().create_future()
        self.waiting.append(future)
        self.most = max(self.most, len(self.waiting))
        return future

    def check_answer(self, answer: Any) -> bytes:
        if isinstance(answer, Exception):
            raise answer
        return bytes(answer)

    async def ask(self, request: Any) -> bytes:
        number = request.Parameters.RetransmitSequenceNumber
        self.asked_again.append(number)
        if number not in self.kept:
            raise ua.UaStatusCodeError(ua.StatusCodes.BadMessageNotAvailable)
        return republish(self.kept[number])

    async def answer(self, content: Any) -> None:
        """Answer the oldest Publish and let the pump work."""
        async with asyncio.timeout(5):
            while not self.waiting:
                await asyncio.sleep(0)
        self.waiting.popleft().set_result(content)
        for _ in range(20):
            await asyncio.sleep(0)

    async def send(self, sequence: int, *values: float) -> None:
        parts = [change([(1, double(value)) for value in values])] if values else []
        await self.answer(publish(SUB, message(sequence, *parts)))


def unreadable(sequence: int) -> bytes:
    """A message that says it holds nine values and holds one."""
    one = publish(SUB, message(sequence, change([(1, double(1.0))])))
    nine = one.replace(b"\x01\0\0\0\x01\0\0\0\x0f", b"\x09\0\0\0\x01\0\0\0\x0f", 1)
    assert nine != one
    return nine


class Bench:
    """Wire, recorder, pump and inlet of one test."""

    def __init__(self, inlet: FakeInlet | None = None, expected: int = 1) -> None:
        self.wire = FakeWire()
        self.inlet = inlet or FakeInlet()
        self.recorder = Recorder("line1", self.inlet, StillClock(), {1: "a"}, history=False)
        self.delivery = Delivery(SUB, "data", 5.0, expected)
        self.pump = Pump(self.wire, {SUB: self.delivery}, self.recorder)
        self.task: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def run(self, available: Any = None) -> AsyncIterator[Bench]:
        self.task = asyncio.get_running_loop().create_task(self.pump.run(available))
        for _ in range(20):
            await asyncio.sleep(0)
        try:
            yield self
        finally:
            self.task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Trouble):
                await self.task

    @property
    def positions(self) -> list[int]:
        return [parcel.position for parcel in self.inlet.parcels if parcel.samples]

    @property
    def gaps(self) -> list[tuple[str, str, Any]]:
        return [(f.kind, f.cause, f.positions) for f in self.inlet.facts if f.kind.startswith("gap")]


async def test_di_02_trap_early_ack_nothing_is_acknowledged_before_its_commit() -> None:
    async with Bench(FakeInlet(settle_at_once=False)).run() as bench:
        await bench.wire.send(1, 1.0)
        await bench.wire.send(2, 2.0)
        await bench.wire.send(3)
        assert bench.wire.acknowledged == []
        bench.inlet.commit(1)
        await bench.wire.send(3)
        assert bench.wire.acknowledged == [1]


async def test_di_05_a_discarded_message_is_never_acknowledged() -> None:
    async with Bench(FakeInlet(settle_at_once=False)).run() as bench:
        await bench.wire.send(1, 1.0)
        bench.inlet.discard(but_kept=True)
        await bench.wire.send(2)
        await bench.wire.send(2)
        assert bench.wire.acknowledged == []


async def test_di_19_eight_uncommitted_messages_stop_the_requests() -> None:
    async with Bench(FakeInlet(settle_at_once=False)).run() as bench:
        for number in range(1, 9):
            await bench.wire.send(number, float(number))
        assert not bench.wire.waiting
        assert bench.delivery.uncommitted == 8
        bench.inlet.commit(1)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(bench.wire.waiting) == 1
        assert bench.wire.acknowledged == [1]


async def test_di_02_trap_one_publish_two_are_out_from_the_start() -> None:
    async with Bench().run() as bench:
        assert len(bench.wire.waiting) == 2


async def test_di_19_fault_08_a_jump_is_filled_by_republish_in_order() -> None:
    async with Bench().run() as bench:
        bench.wire.kept = {2: message(2, change([(1, double(2.0))])), 3: message(3, change([(1, double(3.0))]))}
        await bench.wire.send(1, 1.0)
        await bench.wire.send(4, 4.0)
        assert bench.positions == [1, 2, 3, 4]
        assert [s.provenance for s in bench.inlet.samples] == ["live", "republished", "republished", "live"]
        assert bench.gaps == []


async def test_di_19_fault_08_a_keep_alive_shows_a_hole() -> None:
    async with Bench().run() as bench:
        bench.wire.kept = {2: message(2, change([(1, double(2.0))]))}
        await bench.wire.send(1, 1.0)
        await bench.wire.send(3)
        assert bench.positions == [1, 2]
        await bench.wire.send(3, 3.0)
        assert bench.positions == [1, 2, 3]
        assert bench.wire.asked_again == [2]


async def test_di_19_fault_08_what_the_server_no_longer_has_is_a_gap_before_the_next_value() -> None:
    async with Bench().run() as bench:
        bench.wire.kept = {4: message(4, change([(1, double(4.0))]))}
        await bench.wire.send(1, 1.0)
        await bench.wire.send(6, 6.0)
        assert bench.positions == [1, 4, 6]
        opened = [gap for gap in bench.gaps if gap[0] == "gap_opened"]
        assert opened == [("gap_opened", "sequence_missing", (2, 3)), ("gap_opened", "sequence_missing", (5, 5))]
        order = [
            one
            for parcel in bench.inlet.parcels
            for one in (
                [f.kind for f in parcel.facts if f.kind == "gap_opened"] + [s.raw.value for s in parcel.samples]
            )
        ]
        assert order.index("gap_opened") < order.index("4010000000000000")
        assert [gap[0] for gap in bench.gaps].count("gap_closed") == 2


async def test_di_19_fault_08_the_number_wraps_without_a_gap() -> None:
    async with Bench(expected=LAST).run() as bench:
        await bench.wire.send(LAST, 1.0)
        await bench.wire.send(1, 2.0)
        await bench.wire.send(2)
        assert bench.positions == [LAST, 1]
        assert bench.gaps == []


async def test_di_03_a_message_that_comes_again_is_acknowledged_and_not_offered() -> None:
    async with Bench().run() as bench:
        await bench.wire.send(1, 1.0)
        await bench.wire.send(1, 1.0)
        await bench.wire.send(2)
        assert bench.positions == [1]
        assert bench.delivery.repeats == 1
        assert bench.wire.acknowledged == [1, 1]


async def test_di_02_a_message_that_cannot_be_read_is_asked_for_once_more() -> None:
    async with Bench().run() as bench:
        broken = unreadable(1)
        bench.wire.kept = {1: message(1, change([(1, double(1.0))]))}
        await bench.wire.answer(broken)
        assert bench.positions == [1]
        assert bench.gaps == []
        again = unreadable(2)
        await bench.wire.answer(again)
        await bench.wire.send(3)
        assert [f.kind for f in bench.inlet.facts if f.kind == "quarantine"] == ["quarantine"]
        assert ("gap_opened", "sequence_missing", (2, 2)) in bench.gaps
        await bench.wire.send(3)
        assert bench.wire.acknowledged == [1, 2]


async def test_di_19_fault_11_too_many_requests_means_fewer() -> None:
    async with Bench().run() as bench:
        await bench.wire.answer(ua.UaStatusCodeError(ua.StatusCodes.BadTooManyPublishRequests))
        assert len(bench.wire.waiting) == 1
        await bench.wire.send(1, 1.0)
        assert bench.positions == [1]


@pytest.mark.parametrize("code", ["BadNoSubscription", "BadSubscriptionIdInvalid"])
async def test_di_19_fault_05_no_subscription_is_step_3(code: str) -> None:
    bench = Bench()
    async with bench.run():
        await bench.wire.answer(ua.UaStatusCodeError(getattr(ua.StatusCodes, code)))
        assert bench.task is not None
        with pytest.raises(Trouble) as trouble:
            await bench.task
        assert trouble.value.verdict is Verdict.SUBSCRIPTION


async def test_di_19_fault_05_a_status_change_is_step_3() -> None:
    bench = Bench()
    async with bench.run():
        ended = ua.StatusChangeNotification(Status=ua.StatusCode(ua.StatusCodes.BadTimeout))
        await bench.wire.answer(publish(SUB, message(1, ended)))
        assert bench.task is not None
        with pytest.raises(Trouble) as trouble:
            await bench.task
        assert trouble.value.verdict is Verdict.SUBSCRIPTION


async def test_di_19_catching_up_takes_what_the_server_kept_and_acknowledges_older() -> None:
    bench = Bench(expected=5)
    bench.wire.kept = {n: message(n, change([(1, double(float(n)))])) for n in (5, 6)}
    async with bench.run({SUB: (3, 4, 5, 6)}):
        assert bench.positions == [5, 6]
        assert bench.wire.asked_again == [5, 6, 7]
        assert sorted(bench.wire.acknowledged) == [3, 4, 5, 6]


async def test_di_19_an_unbroken_sequence_closes_a_link_that_was_down() -> None:
    bench = Bench(expected=2)
    fact = bench.recorder.book.open(LINK_DOWN, "link_down", certainty="possible")
    assert fact is not None
    async with bench.run({}):
        await bench.wire.send(2)
        closed = bench.inlet.facts[-1]
        assert (closed.kind, closed.recovery, closed.missing) == ("gap_closed", "full", 0)


async def test_quiesce_takes_nothing_more_and_still_acknowledges() -> None:
    async with Bench(FakeInlet(settle_at_once=False)).run() as bench:
        await bench.wire.send(1, 1.0)
        bench.pump.quiet = True
        await bench.wire.send(2, 2.0)
        bench.inlet.commit()
        await bench.wire.send(2)
        assert bench.positions == [1]
        assert bench.wire.acknowledged == [1]


async def test_al_11_silence_of_a_keep_alive_and_5_s_drops_the_channel() -> None:
    bench = Bench()
    bench.delivery.keepalive_s = -4.9
    async with bench.run():
        assert bench.task is not None
        with pytest.raises(Trouble) as trouble:
            await asyncio.wait_for(bench.task, 5)
        assert trouble.value.verdict is Verdict.LINK


async def test_no_answer_is_no_silence_while_we_hold_back_ourselves() -> None:
    bench = Bench(FakeInlet(settle_at_once=False))
    async with bench.run():
        for number in range(1, 9):
            await bench.wire.send(number, 1.0)
        bench.delivery.keepalive_s = -4.9
        await asyncio.sleep(0.5)
        assert bench.task is not None
        assert not bench.task.done()


async def test_acknowledgements_that_may_not_have_arrived_are_sent_again() -> None:
    bench = Bench()
    async with bench.run():
        await bench.wire.send(1, 1.0)
        await bench.wire.send(2, 2.0)
        assert bench.wire.acknowledged == [1]
    assert bench.delivery.ready == [1, 2]


async def test_di_02_a_link_lost_while_the_intake_is_full_forgets_no_gap_and_no_message() -> None:
    bench = Bench()
    async with bench.run():
        await bench.wire.send(1, 1.0)
        bench.inlet.fill()
        late = double(5.0)
        late = ua.DataValue(late.Value, ua.StatusCode(0x480), late.SourceTimestamp, late.ServerTimestamp)
        lossy = message(2, change([(1, late)]))
        await bench.wire.answer(publish(SUB, lossy))
    assert bench.recorder.position == 1
    bench.inlet.empty()
    bench.wire.kept = {2: lossy}
    bench.pump = Pump(bench.wire, {SUB: bench.delivery}, bench.recorder)
    async with bench.run({}):
        assert bench.positions == [1, 2]
    opened = next(parcel for parcel in bench.inlet.parcels if any(f.kind == "gap_opened" for f in parcel.facts))
    assert opened.position == 2
    assert bench.recorder.position == 2


async def test_di_03_a_last_value_said_once_more_after_rejoining_is_dropped_and_counted() -> None:
    bench = Bench()
    async with bench.run():
        await bench.wire.send(1, 1.0)
        await bench.wire.send(2, 1.0)
        assert bench.positions == [1, 2]
        bench.recorder.rejoin()
        await bench.wire.send(3, 1.0, 2.0)
        await bench.wire.send(4, 2.0)
        assert [s.raw.value for s in bench.inlet.samples][2:] == ["4000000000000000", "4000000000000000"]
        assert bench.recorder.announced == 1
