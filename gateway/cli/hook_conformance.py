"""The twelve checks of `gateway hook conformance` against a receiver that answers `{"record_id","sequence"}`."""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal, NamedTuple, cast

from gateway.adapters.webhook.envelope_seal import EnvelopeKeys, seal_envelope
from gateway.cli.hook_sample import format_sample, largest_event, sample_event
from gateway.ports import SystemClock, WebAnswer, Webhook, WebRequest

ANSWER_MS_MAX: Final = 15_000
_NS_PER_S: Final = 1_000_000_000
_STALE_S: Final = 600
_OK: Final = range(200, 300)
_CLIENT_ERRORS: Final = range(400, 500)
_CONFLICT: Final = 409


class CheckResult(NamedTuple):
    """One check: its number, what was sent, ``pass``, ``fail`` or ``?`` (the answers cannot show it), and why."""

    number: int
    sent: str
    verdict: Literal["pass", "fail", "?"]
    why: str


class Conformance:
    """Sends to one receiver; every run uses deviation numbers of its own, so that it may be repeated."""

    def __init__(self, url: str, webhook: Webhook, keys: EnvelopeKeys, clock: SystemClock, first: int) -> None:
        """``keys``: one secret the receiver accepts, and a seed for `v1a`; ``first``: first deviation number of the run."""
        self._url = url
        self._webhook = webhook
        self._keys = keys
        self._clock = clock
        self._number = first
        self._slowest_ms = 0

    async def run(self) -> list[CheckResult]:
        """Run all checks in order; the tenth judges the slowest answer of all."""
        checks: list[tuple[int, str, Callable[[], Awaitable[str]]]] = [
            (1, "valid event", self._valid),
            (2, "wrong signature", self._wrong_seal),
            (3, "stamp 10 min old", self._stale),
            (4, "same id twice", self._twice),
            (5, "revision 2, then 1", self._backwards),
            (6, "unknown field", self._unknown_field),
            (7, "unknown type", self._unknown_type),
            (8, "letters beyond ASCII in title", self._letters),
            (9, "20,000 bytes", self._largest),
            (11, "v1a, unknown v9, v1", self._versions),
            (12, "old + new secret, then retired only", self._rotation),
        ]
        results = [_judge(number, sent, await check()) for number, sent, check in checks]
        slow = self._slowest_ms >= ANSWER_MS_MAX
        results.append(_judge(10, "any", f"slowest answer {self._slowest_ms:,} ms" if slow else ""))
        return sorted(results)

    async def _valid(self) -> str:
        answer = await self._send(sample_event(self._next(), 1))
        return _want_ok(answer) or ("" if _member(answer, "record_id") is not None else "no record id at /record_id")

    async def _wrong_seal(self) -> str:
        answer = await self._send(sample_event(self._next(), 1), keys=EnvelopeKeys((secrets.token_bytes(32),)))
        return "" if answer.status in {401, 403} else f"answered {_said(answer)}, wanted 401 or 403"

    async def _stale(self) -> str:
        answer = await self._send(sample_event(self._next(), 1), back_s=_STALE_S)
        return _want_refusal(answer)

    async def _twice(self) -> str:
        event = sample_event(self._next(), 1)
        first, second = await self._send(event), await self._send(event)
        ids = _member(first, "record_id"), _member(second, "record_id")
        if ids[0] is None:
            return "?no record id to compare"
        return "" if ids[0] == ids[1] else f"record id {ids[0]}, then {ids[1]}"

    async def _backwards(self) -> str:
        number = self._next()
        first = await self._send(sample_event(number, 2))
        second = await self._send(sample_event(number, 1))
        if wrong := _want_ok(first):
            return wrong
        if second.status != _CONFLICT and (wrong := _want_ok(second)):
            return wrong
        sequence = _member(second, "sequence")
        if sequence is None:
            return "?no sequence in the answer"
        return "" if str(sequence) == "2" else f"sequence went back to {sequence}"

    async def _unknown_field(self) -> str:
        event = sample_event(self._next(), 1, added_in_some_later_version={"a": [1]})
        return _want_ok(await self._send(event | {"another": "x"}))

    async def _unknown_type(self) -> str:
        event = sample_event(self._next(), 1)
        return _want_ok(await self._send(event | {"type": "gxp.gateway.deviation.something_new.v1"}))

    async def _letters(self) -> str:
        return _want_ok(await self._send(sample_event(self._next(), 1, title="°µ – 日本")))

    async def _largest(self) -> str:
        return _want_ok(await self._send(largest_event(self._next())))

    async def _versions(self) -> str:
        event = sample_event(self._next(), 1)
        return _want_ok(await self._send(event, arrange=lambda seals: [seals[1], "v9,abcd", seals[0]]))

    async def _rotation(self) -> str:
        retired = secrets.token_bytes(32)
        both = EnvelopeKeys((retired, *self._keys.secrets))
        if wrong := _want_ok(await self._send(sample_event(self._next(), 1), keys=both)):
            return f"both: {wrong}"
        alone = await self._send(sample_event(self._next(), 1), keys=EnvelopeKeys((retired,)))
        return _want_refusal(alone)

    async def _send(
        self,
        event: dict[str, Any],
        *,
        keys: EnvelopeKeys | None = None,
        back_s: int = 0,
        arrange: Callable[[list[str]], list[str]] | None = None,
    ) -> WebAnswer:
        body = format_sample(event)
        stamp = self._clock.now().wall_ns // _NS_PER_S - back_s
        seals = seal_envelope(self._keys if keys is None else keys, event["id"], stamp, body).split(" ")
        headers = {
            "content-type": "application/cloudevents+json",
            "webhook-id": event["id"],
            "webhook-timestamp": str(stamp),
            "webhook-signature": " ".join(seals if arrange is None else arrange(seals)),
        }
        answer = await self._webhook.post(WebRequest(url=self._url, body=body, headers=headers))
        self._slowest_ms = max(self._slowest_ms, answer.duration_ms)
        return answer

    def _next(self) -> int:
        self._number += 1
        return self._number


def summarise(results: list[CheckResult], *, strict: bool) -> tuple[str, bool]:
    """Return the last line, and whether the receiver passed; ``?`` fails only when strict."""
    failed = [one for one in results if one.verdict == "fail" or (strict and one.verdict == "?")]
    unknown = sum(one.verdict == "?" for one in results)
    text = f"{len(results)} checks: {sum(one.verdict == 'pass' for one in results)} passed"
    if failed:
        text += f", {len(failed)} failed ({'; '.join(f'{one.number}: {one.why}' for one in failed)})"
    if unknown and not strict:
        text += f", {unknown} not shown by the answers"
    return text, not failed


def format_junit(results: list[CheckResult]) -> str:
    """Return the results as JUnit XML."""
    from xml.sax.saxutils import quoteattr

    cases: list[str] = []
    for one in results:
        inner = {"fail": f"<failure message={quoteattr(one.why)}/>", "?": "<skipped/>", "pass": ""}[one.verdict]
        cases.append(f'<testcase classname="hook" name={quoteattr(f"{one.number} {one.sent}")}>{inner}</testcase>')
    failures = sum(one.verdict == "fail" for one in results)
    return f'<testsuite name="hook conformance" tests="{len(results)}" failures="{failures}">{"".join(cases)}</testsuite>\n'


def _judge(number: int, sent: str, why: str) -> CheckResult:
    if why.startswith("?"):
        return CheckResult(number, sent, "?", why[1:])
    return CheckResult(number, sent, "fail" if why else "pass", why)


def _want_ok(answer: WebAnswer) -> str:
    return "" if answer.status in _OK else f"answered {_said(answer)}, wanted 2xx"


def _want_refusal(answer: WebAnswer) -> str:
    return "" if answer.status in _CLIENT_ERRORS else f"answered {_said(answer)}, wanted 4xx"


def _said(answer: WebAnswer) -> str:
    return str(answer.status) if answer.status is not None else f"nothing ({answer.cause})"


def _member(answer: WebAnswer, name: str) -> Any:
    try:
        content = json.loads(answer.body)
    except ValueError:
        return None
    return cast("dict[str, Any]", content).get(name) if isinstance(content, dict) else None
