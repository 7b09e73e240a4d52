"""One run of a source: climb, pump, and climb again after each loss, with all that runs beside the pump."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeGuard

from gateway.adapters.opcua import ladder
from gateway.adapters.opcua.client import OpcuaClient
from gateway.adapters.opcua.climb import Climber, Standing
from gateway.adapters.opcua.errors import FOREIGN, Trouble, Verdict, judge
from gateway.adapters.opcua.history import Backfill
from gateway.adapters.opcua.link import OpcuaLink
from gateway.adapters.opcua.pump import Pump
from gateway.adapters.opcua.recorder import LINK_DOWN, Recorder, Recovery
from gateway.domain.sample import Sample
from gateway.domain.source_states import SourceEvent, SourceState, next_source_state
from gateway.ports import SystemClock

DOWN_NS = 10_000_000_000
"""No traffic for this long is a gap that may have swallowed values, until the sequence proves that it did not."""

DOWN_LOOK_S = 0.5
TAKEN = 0x002D0000
"""GoodSubscriptionTransferred: another session has the subscription now."""
ITEM_RETRY_S_MAX = 600.0
SERVICE_LEVEL_GOOD = 200


class Running:
    """The one owner of a connection; `own` and `watch_down` run until cancelled."""

    def __init__(
        self,
        link: OpcuaLink,
        recorder: Recorder,
        climber: Climber,
        clock: SystemClock,
        draw: Callable[[], float],
        item_retry_s: float,
    ) -> None:
        self.state = SourceState.LOST
        self._link = link
        self._recorder = recorder
        self._climber = climber
        self._clock = clock
        self._draw = draw
        self._item_retry_s = item_retry_s
        self._pump: Pump | None = None
        self._quiet = False
        self._served = False
        self._recovery: Recovery | None = None
        self._start_ticks = 0
        self._restarted = asyncio.Event()

    def quiesce(self) -> None:
        """Take nothing more from the wire; acknowledge what is committed."""
        self._quiet = True
        if self._pump is not None:
            self._pump.quiet = True

    async def own(self) -> None:
        """Connect, pump, and start again after each loss."""
        attempt = 0
        while True:
            await self._event(SourceEvent.STEP)
            client = OpcuaClient(self._link)
            self._served = False
            try:
                trouble = await self._once(client)
            finally:
                client.drop()
                self._pump = None
            if trouble.verdict is Verdict.SUBSCRIPTION:
                self._climber.forget_subscriptions()
            if trouble.status == TAKEN:
                await self._recorder.tell(self._recorder.link_fact("taken_by_another_client"))
            attempt = 0 if self._served else attempt + 1
            if self._served:
                await self._recorder.tell(self._recorder.link_fact("lost", why=trouble.text))
            await self._event(SourceEvent.CUT, trouble.text)
            await asyncio.sleep(ladder.delay_s(attempt, trouble.verdict, self._draw()))

    async def watch_down(self) -> None:
        """Record a link that has been down for 10 s, while no other gap speaks for it."""
        recorder = self._recorder
        while True:
            await asyncio.sleep(DOWN_LOOK_S)
            silent_ns = self._clock.now().monotonic_ns - recorder.heard_ns
            if self._pump is not None or recorder.heard_ns == 0 or silent_ns <= DOWN_NS:
                continue
            if not any(gap.cause != "no_data" and not gap.addresses for gap in recorder.book.gaps.values()):
                fact = recorder.book.open(LINK_DOWN, "link_down", certainty="possible")
                await recorder.tell(*([fact] if fact is not None else []))

    async def _once(self, client: OpcuaClient) -> Trouble:
        """Make one attempt and serve until the link ends; return why it ended. Our own faults leave."""
        try:
            async with asyncio.timeout(ladder.ATTEMPT_S):
                standing = await self._climber.climb(client)
            await self._serve(client, standing)
        except BaseExceptionGroup as failures:
            return _only_trouble(failures)
        except FOREIGN as error:
            trouble = judge(error)
            assert trouble is not None
            return trouble
        raise AssertionError("a pump does not end by itself")

    async def _serve(self, client: OpcuaClient, standing: Standing) -> None:
        recorder = self._recorder
        pump = Pump(client.session, standing.deliveries, recorder)
        pump.quiet = self._quiet
        self._pump = pump
        self._served = True
        self._start_ticks = standing.facts.start_ticks
        self._restarted.clear()
        recorder.on_watch = self._on_watch
        if standing.available is not None:
            recorder.rejoin()
        await recorder.tell(
            recorder.link_fact(
                "connected", step=standing.step.value, epoch=recorder.epoch, incarnation=recorder.incarnation
            )
        )
        await self._event(SourceEvent.ACCEPTED)
        if standing.flaw:
            await self._event(SourceEvent.FLAW, standing.flaw)
        async with asyncio.TaskGroup() as group:
            group.create_task(pump.run(standing.available))
            group.create_task(client.renew())
            group.create_task(client.watch())
            group.create_task(self._retry_items(client, standing))
            group.create_task(self._backfill(client))
            group.create_task(self._watch_restart())

    async def _retry_items(self, client: OpcuaClient, standing: Standing) -> None:
        delay_s = self._item_retry_s
        while True:
            await asyncio.sleep(delay_s)
            await self._recorder.tell(*await self._climber.retry_items(client, standing.facts))
            delay_s = min(delay_s * 2, ITEM_RETRY_S_MAX)

    async def _backfill(self, client: OpcuaClient) -> None:
        """Read history beside the live stream; what a lost link leaves undone goes on over the next one."""
        worker = Backfill(client, self._recorder, self._clock, self._climber.nodes)
        while True:
            if self._recovery is None:
                self._recovery = await self._recorder.recoveries.get()
            await worker.run(self._recovery)
            self._recovery = None

    async def _watch_restart(self) -> None:
        await self._restarted.wait()
        raise Trouble(Verdict.SUBSCRIPTION, "the server started again")

    def _on_watch(self, samples: Sequence[Sample]) -> None:
        """Judge the server's own state; a new start time means that it has forgotten us."""
        for sample in samples:
            value = str(sample.raw.value)
            if sample.address == "i=2257" and sample.raw.type == "ticks" and int(value) != self._start_ticks:
                self._restarted.set()
            elif sample.address == "i=2259":
                self._judge("" if value == "0" else f"server state {value}")
            elif sample.address == "i=2267" and value.isdigit():
                self._judge("" if int(value) >= SERVICE_LEVEL_GOOD else f"service level {value}")

    def _judge(self, flaw: str) -> None:
        """Take note of a flaw, or that it is gone, in the stream with the next message."""
        after = next_source_state(self.state, SourceEvent.FLAW if flaw else SourceEvent.FLAW_GONE)
        if after is not self.state:
            self.state = after
            self._recorder.pending.append(self._recorder.state_fact(after.value, flaw))

    async def _event(self, event: SourceEvent, reason: str = "") -> None:
        after = next_source_state(self.state, event)
        if after is not self.state:
            self.state = after
            await self._recorder.tell(self._recorder.state_fact(after.value, reason))


def _is_group(error: BaseException) -> TypeGuard[BaseExceptionGroup[BaseException]]:
    return isinstance(error, BaseExceptionGroup)


def _only_trouble(failures: BaseExceptionGroup[BaseException]) -> Trouble:
    """Return the trouble that ended a link; whatever is not the world's is raised as it is."""
    troubles: list[Trouble] = []
    for error in failures.exceptions:
        if _is_group(error):
            troubles.append(_only_trouble(error))
            continue
        trouble = judge(error)
        if trouble is None:
            raise error
        troubles.append(trouble)
    return next((one for one in troubles if one.verdict is not Verdict.LINK), troubles[0])
