"""`hook conformance`: the reference receiver passes all twelve checks; each kind of bad receiver fails its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from gateway.adapters.receiver import Answer, ReferenceReceiver, receiver_app, serve_receiver
from gateway.adapters.system_clock import OsClock
from gateway.adapters.webhook.address_check import AddressRule
from gateway.adapters.webhook.envelope_seal import EnvelopeKeys, EnvelopeVerdict
from gateway.adapters.webhook.models import check_body
from gateway.adapters.webhook.sender import WebhookSender
from gateway.cli.hook_conformance import CheckResult, Conformance, format_junit, summarise
from gateway.cli.hook_sample import format_sample, largest_event, sample_event

if TYPE_CHECKING:
    from typing import Any

pytestmark = pytest.mark.integration

SECRET = bytes(range(32))


async def test_interface_18_the_reference_receiver_passes_all_twelve() -> None:
    results = await run(ReferenceReceiver((SECRET,)))
    assert [one.number for one in results] == list(range(1, 13))
    assert summarise(results, strict=True) == ("12 checks: 12 passed", True)


class Forgetful(ReferenceReceiver):
    """Takes the last one it hears for the newest."""

    def _upsert(self, subject: str, sequence: int, event: dict[str, Any]) -> dict[str, Any]:
        record, _ = self.records.get(subject, (f"QE-{len(self.records) + 1:05d}", 0))
        self.records[subject] = (record, sequence)
        return {"record_id": record, "sequence": sequence}


class Credulous(ReferenceReceiver):
    """Believes everybody."""

    def _answer(self, event_id: str, verdict: EnvelopeVerdict, event: dict[str, Any] | None) -> Answer:
        return super()._answer(event_id, EnvelopeVerdict("ok", "ok", fresh=True), event)


class Doubling(ReferenceReceiver):
    """Makes a record of every request."""

    def _answer(self, event_id: str, verdict: EnvelopeVerdict, event: dict[str, Any] | None) -> Answer:
        self._answered.clear()
        answer = super()._answer(event_id, verdict, event)
        self.count = getattr(self, "count", 0) + 1
        return (
            Answer(answer.status, answer.content | {"record_id": f"QE-{self.count}"})
            if answer.status == 202
            else answer
        )


class Mute(ReferenceReceiver):
    """Says nothing but 202."""

    def _upsert(self, subject: str, sequence: int, event: dict[str, Any]) -> dict[str, Any]:
        return {}


class Pedantic(ReferenceReceiver):
    """Knows only what it knows."""

    def _answer(self, event_id: str, verdict: EnvelopeVerdict, event: dict[str, Any] | None) -> Answer:
        try:
            check_body(json.dumps(event).encode())
        except ValueError:
            return Answer(422, {"error": "unknown"})
        return super()._answer(event_id, verdict, event)


@pytest.mark.parametrize(
    ("kind", "failed"),
    [(Forgetful, {5}), (Credulous, {2, 3, 12}), (Doubling, {4}), (Mute, {1}), (Pedantic, {6, 7})],
)
async def test_each_fault_of_a_receiver_is_named(kind: type[ReferenceReceiver], failed: set[int]) -> None:
    results = await run(kind((SECRET,)))
    assert {one.number for one in results if one.verdict == "fail"} == failed
    text, passed = summarise(results, strict=False)
    assert not passed
    if kind is Forgetful:
        assert text == "12 checks: 11 passed, 1 failed (5: sequence went back to 1)"
    if kind is Mute:
        assert {one.number for one in results if one.verdict == "?"} == {4, 5}


def test_samples_are_whole_events_and_the_largest_has_exactly_20_000_bytes() -> None:
    for event in (sample_event(1, 1), sample_event(1, 2), largest_event(2)):
        check_body(format_sample(event))
    assert len(format_sample(largest_event(3))) == 20_000


def test_junit_names_what_failed() -> None:
    results = [CheckResult(1, "valid event", "pass", ""), CheckResult(5, "revision <2>", "fail", "went back")]
    assert 'tests="2" failures="1"' in format_junit(results)
    assert '<testcase classname="hook" name="5 revision &lt;2&gt;"><failure message="went back"/>' in format_junit(
        results
    )


async def run(receiver: ReferenceReceiver) -> list[CheckResult]:
    clock = OsClock()
    async with serve_receiver(receiver_app(receiver, clock, lambda _: None)) as port:
        url = f"http://127.0.0.1:{port}/"
        rule = AddressRule(["127.0.0.1"], ["127.0.0.0/8"])
        async with WebhookSender(url, rule, clock, approval=False) as sender:
            return await Conformance(url, sender, EnvelopeKeys((SECRET,), (SECRET,)), clock, 100).run()
