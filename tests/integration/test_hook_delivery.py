"""Outbox, sender and reference receiver over loopback: what is raised arrives once, sealed, confirmed."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from gateway.adapters.receiver import Received, ReferenceReceiver, format_received, receiver_app, serve_receiver
from gateway.adapters.system_clock import OsClock
from gateway.adapters.webhook.address_check import AddressRule
from gateway.adapters.webhook.envelope_seal import EnvelopeKeys, format_public_key, parse_public_key, seal_envelope
from gateway.adapters.webhook.sender import WebhookSender
from gateway.ledger.records import Deviation
from gateway.pipeline.deviation_body import BundleRef, ExcursionStory, build_deviation_event
from gateway.pipeline.event_body import EventBody, format_event
from gateway.pipeline.outbox import Outbox, Sink
from gateway.pipeline.stamp import Stamper
from gateway.ports import Committed, WebRequest
from tests.fakes.journal import FakeJournal
from tests.paths import ROOT
from tests.pipeline import deviation_examples as page

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

SEED = bytes(range(32))
KEYS = EnvelopeKeys((b"n" * 32, SEED), (SEED,))
RULE = AddressRule(["127.0.0.1"], ["127.0.0.0/8"])
PUBLIC = parse_public_key(format_public_key(SEED))


class PageMaker:
    """Makes the bodies of the page's deviation."""

    async def make(self, index: int, record: Deviation, sink: str, commit: Committed) -> EventBody:
        story = ExcursionStory(page.excursion(), page.excursion())
        return format_event(
            build_deviation_event(record, [story], page.context(), page.proven(6, 8), BundleRef("b5" * 32, 9))
        )

    def ping(self, sink: str, number: int, at_ns: int) -> tuple[str, EventBody]:
        raise AssertionError("nobody asks for a ping in these tests")


@pytest.mark.parametrize("secret", [SEED, b"n" * 32])
async def test_qm_01_deviations_arrive_over_real_http_through_faults_and_a_rotation(secret: bytes) -> None:
    clock = OsClock()
    seen: list[Received] = []
    receiver = ReferenceReceiver((secret,), (PUBLIC,), faults=(503, 429))
    async with serve_receiver(receiver_app(receiver, clock, seen.append)) as port:
        url = f"http://127.0.0.1:{port}/hooks/gw"
        async with WebhookSender(url, RULE, clock, approval=False) as sender:
            journal = FakeJournal([page.deviation(revision=1), page.deviation(event="updated", revision=2)])
            sink = Sink(name="main", url=url, webhook=sender, seal=lambda *about: seal_envelope(KEYS, *about))
            stamp = Stamper(clock, dev=True, run=1, clock_number=1)
            outbox = Outbox("gw-01", [sink], PageMaker(), journal, stamp, clock, lambda s: asyncio.sleep(min(s, 0.02)))
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(outbox.run())
                outbox_time = _Hurry(outbox)
                while outbox.report("main").undelivered or not outbox.fold.sinks:
                    outbox_time.hurry()
                    await asyncio.sleep(0.02)
                running.cancel()
    assert receiver.records == {"deviation/DEV-gw01-000042": ("QE-00001", 2)}
    assert [(one.word, one.status) for one in seen] == [
        ("opened", 503),
        ("opened", 429),
        ("opened", 202),
        ("updated", 202),
    ]
    assert all(one.verdict.v1 == one.verdict.v1a == "ok" for one in seen)
    assert [(r.external_id, r.address) for r in journal.records if r.kind == "delivery" and r.event == "receipt"] != []
    assert outbox.unconfirmed() == set()


class _Hurry:
    """Makes what waits due at once: the schedule itself is tested on virtual time."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def hurry(self) -> None:
        for key, (due_ns, _) in self._outbox._deadlines.items():
            self._outbox._deadlines[key] = (due_ns, 0)


async def test_qm_08_receiver_keeps_the_highest_sequence_and_answers_repeats_alike() -> None:
    receiver = ReferenceReceiver((SEED,))
    clock = OsClock()
    now_s = clock.now().wall_ns // 1_000_000_000
    story = ExcursionStory(page.excursion(), page.excursion())

    def send(revision: int, mode: str = "structured") -> tuple[int, dict]:
        record = page.deviation(revision=revision)
        event = build_deviation_event(record, [story], page.context(), page.proven(6, 8), BundleRef("b5" * 32, 9))
        body = format_event(event, mode=mode)
        sealed = seal_envelope(EnvelopeKeys((SEED,)), event.id, now_s, body.content)
        headers = {**body.headers, "webhook-id": event.id, "webhook-timestamp": str(now_s), "webhook-signature": sealed}
        answer, _ = receiver.receive(headers, body.content, now_s)
        return answer.status, answer.content

    assert send(2) == (202, {"record_id": "QE-00001", "sequence": 2})
    assert send(1, "binary") == (202, {"record_id": "QE-00001", "sequence": 2})
    assert send(1) == send(1)
    assert send(3) == (202, {"record_id": "QE-00001", "sequence": 3})


async def test_hook_listen_prints_a_line_a_request(tmp_path: Path) -> None:
    secret_file = tmp_path / "s.txt"
    secret_file.write_text("whsec_" + base64.b64encode(SEED).decode() + "\n")
    command = ["-m", "gateway", "hook", "listen", "--port", "0", "--secret-file", str(secret_file), "--fail", "503x3"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, env={"PYTHONUNBUFFERED": "1"}
    )
    try:
        assert process.stdout is not None
        first = (await asyncio.wait_for(process.stdout.readline(), 20)).decode().rstrip()
        url, _, rest = first.removeprefix("listening on ").partition(", ")
        assert rest == '503 three times, then 202 {"record_id":"QE-00001"}'
        lines = []
        async with WebhookSender(url, RULE, OsClock(), approval=False) as sender:
            for _ in range(4):
                body = page.published(1)
                seconds = OsClock().now().wall_ns // 1_000_000_000
                headers = {
                    "webhook-id": "gw-01:dev:000042:1",
                    "webhook-timestamp": str(seconds),
                    "webhook-signature": seal_envelope(
                        EnvelopeKeys((SEED,), (SEED,)), "gw-01:dev:000042:1", seconds, body
                    ),
                }
                answer = await sender.post(WebRequest(url=url, body=body, headers=headers))
                lines.append((await asyncio.wait_for(process.stdout.readline(), 20)).decode().rstrip()[10:])
        assert lines[:3] == ["gw-01:dev:000042:1  opened  v1 ok  v1a unchecked  3,400 B  503"] * 3
        assert lines[3].endswith("  202")
        assert answer.body == b'{"record_id": "QE-00001", "sequence": 1}'
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.wait(), 20)
        process._transport.close()


def test_the_line_of_the_page() -> None:
    receiver = ReferenceReceiver((SEED,), (PUBLIC,), faults=(503,))
    stamp = page.ns("03:06:21") // 1_000_000_000
    body = page.published(1)
    sealed = seal_envelope(EnvelopeKeys((SEED,), (SEED,)), "gw-01:dev:000042:1", stamp, body)
    headers = {"webhook-id": "gw-01:dev:000042:1", "webhook-timestamp": str(stamp), "webhook-signature": sealed}
    _, received = receiver.receive(headers, body, stamp)
    shown = format_received(received, page.ns("03:06:21"))
    assert shown == "03:06:21  gw-01:dev:000042:1  opened  v1 ok  v1a ok  3,400 B  503"
