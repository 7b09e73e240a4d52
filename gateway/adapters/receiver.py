"""Reference receiver of our webhooks: checks the seal, is idempotent by id, keeps the highest sequence, names a record.

For integrators and for tests; nothing here touches a ledger. `gateway hook listen` and `examples/receivers` serve it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.adapters.http.server import bind, serve
from gateway.adapters.webhook.envelope_seal import EnvelopeVerdict, check_envelope

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from gateway.ports import SystemClock

BODY_BYTES_MAX: Final = 65_536
_NS_PER_S: Final = 1_000_000_000


class Answer(NamedTuple):
    """Status and JSON body of one answer."""

    status: int
    content: dict[str, Any]


class Received(NamedTuple):
    """One request as the console shows it."""

    event_id: str
    word: str
    verdict: EnvelopeVerdict
    size: int
    status: int


class ReferenceReceiver:
    """Keeps records in memory: one a subject (deviation), updated only by a higher sequence.

    ``faults`` are statuses to answer first, without keeping anything (`--fail 503x3`).
    """

    def __init__(
        self,
        secrets: tuple[bytes, ...],
        public_keys: tuple[bytes, ...] = (),
        *,
        faults: tuple[int, ...] = (),
    ) -> None:
        self._secrets = secrets
        self._public_keys = public_keys
        self._faults = list(faults)
        self._answered: dict[str, Answer] = {}
        self.records: dict[str, tuple[str, int]] = {}
        self.states: dict[str, Any] = {}

    def receive(self, headers: dict[str, str], body: bytes, now_s: int) -> tuple[Answer, Received]:
        """Judge one request (header names in lower case) and return the answer and its line."""
        verdict = check_envelope(headers, body, now_s=now_s, secrets=self._secrets, public_keys=self._public_keys)
        event_id = headers.get("webhook-id", "")
        event = _read_event(headers, body)
        answer = self._answer(event_id, verdict, event)
        word = _word(str(event.get("type", ""))) if event else "?"
        return answer, Received(event_id, word, verdict, len(body), answer.status)

    def _answer(self, event_id: str, verdict: EnvelopeVerdict, event: dict[str, Any] | None) -> Answer:
        if self._faults:
            return Answer(self._faults.pop(0), {"error": "as asked for"})
        if not verdict.accepted:
            return Answer(
                401, {"error": "seal does not hold" if verdict.fresh else "time stamp too far from our clock"}
            )
        if event_id in self._answered:
            return self._answered[event_id]
        if event is None:
            return Answer(400, {"error": "no CloudEvents JSON"})
        sequence = str(event.get("sequence", ""))
        subject = event.get("subject")
        if not sequence.isdecimal() or not isinstance(subject, str):
            return Answer(400, {"error": "subject and sequence are needed"})
        answer = Answer(202, self._upsert(subject, int(sequence), event))
        self._answered[event_id] = answer
        return answer

    def _upsert(self, subject: str, sequence: int, event: dict[str, Any]) -> dict[str, Any]:
        if not subject.startswith("deviation/"):
            return {}
        record, highest = self.records.get(subject, (f"QE-{len(self.records) + 1:05d}", 0))
        if sequence > highest:
            self.states[subject] = event.get("data")
        applied = max(sequence, highest)
        self.records[subject] = (record, applied)
        return {"record_id": record, "sequence": applied}


def receiver_app(receiver: ReferenceReceiver, clock: SystemClock, show: Callable[[Received], None]) -> Starlette:
    """Return the ASGI application; POST to any path."""

    async def post(request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > BODY_BYTES_MAX:
                return Response(status_code=413)
        answer, received = receiver.receive(dict(request.headers), body, clock.now().wall_ns // _NS_PER_S)
        show(received)
        return Response(json.dumps(answer.content), answer.status, media_type="application/json")

    return Starlette(routes=[Route("/{path:path}", post, methods=["POST"])])


@asynccontextmanager
async def serve_receiver(app: Starlette, port: int = 0) -> AsyncGenerator[int, None]:
    """Serve on loopback while inside; yields the port (a free one for 0). Raises `Unavailable` if it is taken."""
    listening = bind(f"127.0.0.1:{port}")
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(serve(app, listening))
        try:
            yield listening.getsockname()[1]
        finally:
            serving.cancel()


def format_received(received: Received, wall_ns: int) -> str:
    """Return `03:06:21  gw-01:dev:000042:1  opened  v1 ok  v1a ok  3,400 B  503`."""
    second = wall_ns // _NS_PER_S % 86_400
    at = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
    verdict = received.verdict
    stamp = "" if verdict.fresh else "  stamp refused"
    return (
        f"{at}  {received.event_id or '-'}  {received.word}  v1 {verdict.v1}  v1a {verdict.v1a}{stamp}"
        f"  {received.size:,} B  {received.status}"
    )


def _read_event(headers: dict[str, str], body: bytes) -> dict[str, Any] | None:
    """Return the event of structured or binary mode, None if it is neither."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    if "ce-specversion" in headers:
        attributes = {name[3:]: value for name, value in headers.items() if name.startswith("ce-")}
        return {**attributes, "data": content}
    return cast("dict[str, Any]", content)


def _word(event_type: str) -> str:
    """Return the event word: `opened` for a deviation, else the type without frame."""
    inner = event_type.removeprefix("gxp.gateway.").removesuffix(".v1")
    return inner.removeprefix("deviation.") or "?"
