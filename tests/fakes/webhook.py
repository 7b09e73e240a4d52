"""A QMS behind the port `Webhook` that fails both ways: it refused, or it took the event and the answer was lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from gateway.ports import WebAnswer, WebRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.fakes.virtual_time import VirtualTime


class Fault(NamedTuple):
    """How one attempt goes wrong; ``happened``: the QMS has it all the same."""

    status: int | None = None
    happened: bool = False
    cause: str | None = "timeout"
    retry_after_s: float | None = None
    body: bytes = b""


class FakeQms:
    """Receives as the reference receiver does: idempotent by id, newest sequence wins, one record a deviation."""

    def __init__(
        self, time: VirtualTime, faults: Iterable[Fault] = (), *, answer_ids: bool = True, slow_s: float = 0
    ) -> None:
        self.time = time
        self.faults = list(faults)
        self.down = False
        self.status = 202
        self.answer_ids = answer_ids
        self.slow_s = slow_s
        self.requests: list[WebRequest] = []
        self.attempted_ns: list[int] = []
        self.in_flight = 0
        self.in_flight_max = 0
        self.bodies: dict[str, set[bytes]] = {}
        self.deviations: dict[str, tuple[str, int]] = {}
        self.pings = 0

    async def post(self, request: WebRequest) -> WebAnswer:
        self.requests.append(request)
        self.attempted_ns.append(self.time.clock.boot_ns)
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        try:
            if self.slow_s:
                await self.time.sleep(self.slow_s)
            return self._answer(request)
        finally:
            self.in_flight -= 1

    def _answer(self, request: WebRequest) -> WebAnswer:
        if self.down:
            return WebAnswer(status=None, cause="network")
        if self.faults:
            fault = self.faults.pop(0)
            if fault.happened:
                self._take(request)
            return WebAnswer(status=fault.status, cause=fault.cause, retry_after_s=fault.retry_after_s, body=fault.body)
        if not 200 <= self.status < 300:
            return WebAnswer(status=self.status, duration_ms=20)
        return WebAnswer(status=self.status, body=self._take(request), address="127.0.0.1", duration_ms=20)

    def _take(self, request: WebRequest) -> bytes:
        event_id = request.headers["webhook-id"]
        if ":ping:" in event_id:
            self.pings += 1
            return b"{}"
        self.bodies.setdefault(event_id, set()).add(request.body)
        event = json.loads(request.body)
        deviation, sequence = event["data"]["deviation_id"], int(event["sequence"])
        record, highest = self.deviations.get(deviation, (f"QE-{len(self.deviations) + 1:05d}", 0))
        self.deviations[deviation] = (record, max(highest, sequence))
        return json.dumps({"record_id": record, "sequence": highest}).encode() if self.answer_ids else b"{}"
