"""Receipt by poll: asks a QMS for the record id of deviations it took without naming one (`deviations.md` 6)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol
from urllib.parse import quote

from msgspec import Struct

from gateway.domain.delivery_states import DeliveryState
from gateway.ledger.records import Delivery
from gateway.pipeline.outbox_answer import object_ref, read_record_id
from gateway.pipeline.outbox_fold import OutboxFold, Shipment
from gateway.ports import Journal, Stamp, WebAnswer

ASKED_MAX: Final = 100
"""Deviations asked for in one round; the others come in the next ones."""

_OK: Final = range(200, 300)


class Asker(Protocol):
    """Asks one approved address; never raises for the world, follows nothing."""

    async def get(self, url: str) -> WebAnswer:
        """GET once, at most 20 s in all; answers are cut at 4 kB."""
        ...


class PollPlan(Struct, frozen=True, kw_only=True):
    """`receipt.poll` of one sink; ``url`` holds `{external_id}`, which is replaced by the deviation id."""

    sink: str
    url: str
    every_s: int = 300
    id_pointer: str = "/record_id"


class ReceiptPoll:
    """One sink's questions, one after the other, every ``every_s`` seconds while something is unconfirmed."""

    def __init__(
        self,
        plan: PollPlan,
        asker: Asker,
        fold: OutboxFold,
        journal: Journal,
        stamp: Stamp,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._plan = plan
        self._asker = asker
        self._fold = fold
        self._journal = journal
        self._stamp = stamp
        self._sleep = sleep
        self._last = ""

    async def run(self) -> None:
        """Ask until cancelled; a receipt is a record before it counts."""
        while True:
            await self._sleep(self._plan.every_s)
            for shipment in self._open():
                answer = await self._asker.get(self._plan.url.replace("{external_id}", quote(shipment.lane, safe="")))
                self._last = shipment.lane
                record_id = read_record_id(answer.body, self._plan.id_pointer) if answer.status in _OK else None
                if record_id is not None:
                    await self._receive(shipment, record_id)

    def _open(self) -> list[Shipment]:
        """Return the newest transported shipment of each unconfirmed deviation, beginning after the last one asked."""
        fold = self._fold.sinks.get(self._plan.sink)
        if fold is None:
            return []
        newest: dict[str, Shipment] = {}
        confirmed: set[str] = set()
        for shipment in fold.shipments.values():
            if shipment.record_ids:
                confirmed.add(shipment.lane)
            elif shipment.state is DeliveryState.TRANSPORTED:
                newest[shipment.lane] = shipment
        lanes = sorted(newest.keys() - confirmed)
        turned = [lane for lane in lanes if lane > self._last] + [lane for lane in lanes if lane <= self._last]
        return [newest[lane] for lane in turned[:ASKED_MAX]]

    async def _receive(self, shipment: Shipment, record_id: str) -> None:
        record = Delivery(
            **self._stamp(),
            event="receipt",
            delivery=shipment.event_id,
            object=object_ref(shipment),
            sink=shipment.sink,
            external_id=record_id,
            how="poll",
        )
        await self._journal.committed(self._journal.append([record]))
