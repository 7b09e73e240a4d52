"""An outbox on virtual time between a fake journal and a fake QMS, and deviation records to feed it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any, Self

from gateway.errors import Refused
from gateway.ledger.records import Delivery, Deviation, ObjectRef
from gateway.pipeline.event_body import EventBody
from gateway.pipeline.outbox import Outbox, Sink
from gateway.pipeline.stamp import Stamper
from tests.fakes.journal import FakeJournal
from tests.fakes.virtual_time import VirtualTime
from tests.fakes.webhook import FakeQms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.ledger.records import Record
    from gateway.ports import Committed

S = 1_000_000_000


class PlainMaker:
    """Makes small bodies that name the frame they were made from; counts how often."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.refusal: Refused | None = None

    async def make(self, index: int, record: Deviation, sink: str, commit: Committed) -> EventBody:
        assert commit.first == index
        if self.refusal is not None:
            raise self.refusal
        self.made.append(f"{record.deviation}:{record.revision}")
        data = {"deviation_id": record.deviation, "index": index}
        body = {"sequence": str(record.revision), "data": data, "type": f"gxp.gateway.deviation.{record.event}.v1"}
        return EventBody(json.dumps(body).encode(), {"content-type": "application/cloudevents+json"})

    def ping(self, sink: str, number: int, at_ns: int) -> tuple[str, EventBody]:
        return f"gw-01:ping:{number:06d}:1", EventBody(
            b'{"type":"gxp.gateway.ping.v1"}', {"content-type": "application/json"}
        )


class Bench:
    """`async with Bench() as bench`: an outbox that runs; `restart()` is a kill and a new process from the records."""

    def __init__(self, time: VirtualTime | None = None, *, sinks: Sequence[str] = ("main",), **qms: Any) -> None:
        self.time = time or VirtualTime()
        self.qms = {name: FakeQms(self.time, **qms) for name in sinks}
        self.main = self.qms[sinks[0]]
        self.stamp = Stamper(self.time.clock, dev=False, run=1, clock_number=1)
        self.journal = FakeJournal()
        self.maker = PlainMaker()
        self.options: dict[str, Any] = {}
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    def start(self, commits_left: int = 1_000_000, *, rebuilt: bool = True, piece: int = 1_000_000) -> None:
        """Begin as a new process does: rebuild from what is durable, then run."""
        self.journal = FakeJournal(self.journal.records, commits_left=commits_left, piece=piece)
        sinks = [
            Sink(
                name=name,
                url="https://qms.example/h",
                webhook=qms,
                seal=lambda event, s, _: f"v1,{event}.{s}",
                **self.options,
            )
            for name, qms in self.qms.items()
        ]
        self.outbox = Outbox("gw-01", sinks, self.maker, self.journal, self.stamp, self.time.clock, self.time.sleep)
        if rebuilt:
            self.outbox.rebuild(enumerate(self.journal.records), len(self.journal.records))
        self._task = asyncio.get_running_loop().create_task(self.outbox.run())

    async def kill(self) -> None:
        """End the process at whatever it awaits."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def restart(self) -> None:
        await self.kill()
        self.start()

    def raise_deviation(self, number: int = 42, revision: int = 1, sinks: Sequence[str] | None = None) -> int:
        """Append a deviation record, as the evaluator does in the frame of the excursion."""
        return self.journal.append([self.deviation(number, revision, sinks)])

    def deviation(self, number: int = 42, revision: int = 1, sinks: Sequence[str] | None = None) -> Deviation:
        return Deviation(
            **self.stamp(),
            event="opened" if revision == 1 else "updated",
            deviation=f"DEV-gw01-{number:06d}",
            revision=revision,
            scope="site",
            state="open",
            excursions=["EXC-2XTLFAWY"],
            severity="major",
            severity_basis=["SEV-1"],
            batches=[],
            sinks=list(self.qms) if sinks is None else list(sinks),
        )

    def act(self, event: str, event_id: str = "gw-01:dev:000042:1", sink: str = "main", **members: Any) -> None:
        """Append a record that a person or the inbound route wrote."""
        number, revision = event_id.split(":")[2:]
        about = ObjectRef(kind="deviation", id=f"DEV-gw01-{number}", version=int(revision))
        self.journal.append(
            [Delivery(**self.stamp(), event=event, delivery=event_id, object=about, sink=sink, **members)]
        )

    def delivered(self, event: str) -> list[Delivery]:
        """Delivery records of one event word, in order."""
        return [r for r in self._records() if isinstance(r, Delivery) and r.event == event]

    def state(self, event_id: str = "gw-01:dev:000042:1", sink: str = "main") -> str:
        shipment = self.outbox.fold.shipment(sink, event_id)
        assert shipment is not None
        return str(shipment.state)

    def _records(self) -> list[Record]:
        return self.journal.records
