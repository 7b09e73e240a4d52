"""The sender: every foreign exception has its cause, addresses are judged, bounds hold, nothing is followed."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver

from gateway.adapters.system_clock import OsClock
from gateway.adapters.webhook.address_check import AddressRule, CheckedResolver
from gateway.adapters.webhook.sender import CAUSES, FOREIGN, WebhookSender, cause_of
from gateway.errors import ConfigurationRefused, Refused
from gateway.ports import WebAnswer, WebRequest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LOOPBACK = AddressRule(["127.0.0.1", "localhost"], ["127.0.0.0/8"])


def test_every_exception_class_of_aiohttp_has_its_cause() -> None:
    seen = [kind for kind in _walk(aiohttp.ClientError) if kind is not aiohttp.ClientError]
    assert len(seen) > 20
    for kind in seen:
        assert issubclass(kind, FOREIGN), f"{kind.__name__} would escape the sender"
        assert any(issubclass(kind, known) for known, _ in CAUSES), f"{kind.__name__} has no cause"
    assert cause_of(aiohttp.ServerTimeoutError()) == "timeout"
    assert cause_of(TimeoutError()) == "timeout"
    assert cause_of(ConnectionRefusedError()) == "network"


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("127.0.0.1", False), ("10.20.0.8", True), ("10.21.0.8", False), ("192.168.1.1", False), ("169.254.169.254", False),
        ("169.254.1.1", False), ("224.0.0.1", False), ("0.0.0.0", False), ("8.8.8.8", True), ("::1", False), ("fe80::1", False),
        ("fd00:ec2::254", False), ("ff02::1", False), ("2606:4700::1111", True), ("::ffff:127.0.0.1", False),
        ("::ffff:10.20.0.8", True), ("100.64.0.1", False), ("100.100.100.200", False),
    ],
)  # fmt: skip
def test_qm_10_private_addresses_are_refused_unless_listed(address: str, *, allowed: bool) -> None:
    resolver = CheckedResolver(AddressRule(["qms.example"], ["10.20.0.0/24"]), _Names(address))
    if allowed:
        resolver.check("qms.example", address)
        return
    with pytest.raises(Refused, match=r"HOOK-01: qms.example resolves to .*, outside allow_networks"):
        resolver.check("qms.example", address)


async def test_qm_10_one_forbidden_address_among_good_ones_refuses_them_all() -> None:
    resolver = CheckedResolver(AddressRule(["qms.example"]), _Names("8.8.8.8", "10.0.0.1"))
    with pytest.raises(Refused, match="HOOK-01"):
        await resolver.resolve("qms.example", 443)
    await resolver.close()


@pytest.mark.parametrize(
    ("url", "approval", "text"),
    [
        ("http://127.0.0.1/h", True, "plain HTTP"),
        ("http://qms.example/h", False, "plain HTTP"),
        ("https://user:word@qms.example/h", True, "holds a user"),
        ("https://other.example/h", True, "not in allow_hosts"),
        ("https://qms.example:8443/h", True, "not in ports"),
        ("ftp://qms.example/h", True, "no https URL"),
        ("/h", True, "no https URL"),
    ],
)
def test_qm_10_urls_of_sinks_are_judged_before_anything_is_sent(url: str, approval: bool, text: str) -> None:
    rule = AddressRule(["qms.example", "127.0.0.1"])
    with pytest.raises(ConfigurationRefused, match=text):
        rule.check_url(url, approval=approval)
    assert rule.check_url("https://QMS.example./h", approval=True).host is not None


async def test_qm_02_redirects_are_recorded_and_not_followed() -> None:
    answer, heads = await _post(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n")
    assert (answer.status, answer.location, len(heads)) == (302, "http://169.254.169.254/", 1)
    assert answer.address == "127.0.0.1"


async def test_qm_06_a_poll_asks_the_origin_of_its_sink_only_with_its_own_headers() -> None:
    async with _server(_reply(b'{"record_id":"QE-1"}')) as (port, heads):
        base = f"http://127.0.0.1:{port}"
        headers = {"authorization": "Bearer t"}
        async with WebhookSender(f"{base}/q", LOOPBACK, OsClock(), approval=False, get_headers=headers) as sender:
            answer = await sender.get(f"{base}/q?id=DEV-gw01-000042")
            with pytest.raises(AssertionError, match="origin"):
                await sender.get("http://127.0.0.1:1/q")
    assert answer.body == b'{"record_id":"QE-1"}'
    assert heads[0].startswith(b"GET /q?id=DEV-gw01-000042 HTTP/1.1")
    assert b"bearer t" in heads[0].lower()


async def test_answers_are_cut_at_4_kb_and_never_decompressed() -> None:
    packed = gzip.compress(b"A" * 1_000_000)
    answer, heads = await _post(_reply(packed, b"Content-Encoding: gzip\r\n"))
    assert answer.body == packed[:4096]
    long, _ = await _post(_reply(b"B" * 100_000))
    assert long.body == b"B" * 4096
    assert b"accept-encoding" not in heads[0].lower()
    assert b"cookie" not in heads[0].lower()


async def test_a_body_cut_in_the_middle_still_says_its_status() -> None:
    answer, _ = await _post(b'HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\n{"record')
    assert (answer.status, answer.body) == (202, b'{"record')


@pytest.mark.parametrize(("reply", "cause"), [(b"", "cut"), (b"no HTTP at all\r\n\r\n", "protocol")])
async def test_what_is_no_answer_is_said_as_its_cause(reply: bytes, cause: str) -> None:
    answer, _ = await _post(reply)
    assert (answer.status, answer.cause) == (None, cause)


async def test_silence_is_a_timeout() -> None:
    answer, _ = await _post(None, total_s=0.3)
    assert (answer.status, answer.cause) == (None, "timeout")
    assert answer.duration_ms >= 250


async def test_nobody_there_is_network() -> None:
    async with WebhookSender("http://127.0.0.1:1/h", LOOPBACK, OsClock(), approval=False) as sender:
        answer = await sender.post(WebRequest(url="http://127.0.0.1:1/h", body=b"{}", headers={}))
    assert (answer.status, answer.cause) == (None, "network")


async def test_qm_10_a_listed_host_that_resolves_to_loopback_is_not_connected_to() -> None:
    async with _server(_reply(b"{}")) as (port, heads):
        url = f"http://localhost:{port}/h"
        async with WebhookSender(url, AddressRule(["localhost"]), OsClock(), approval=False) as sender:
            answer = await sender.post(WebRequest(url=url, body=b"{}", headers={}))
        assert answer.status is None
        assert (answer.cause or "").startswith("HOOK-01: localhost resolves to")
        literal = f"http://127.0.0.1:{port}/h"
        async with WebhookSender(literal, AddressRule(["127.0.0.1"]), OsClock(), approval=False) as sender:
            answer = await sender.post(WebRequest(url=literal, body=b"{}", headers={}))
        assert (answer.cause or "").startswith("HOOK-01: 127.0.0.1 resolves to")
        assert heads == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("120", 120.0), ("soon", None), ("Fri, 31 Dec 1999 23:59:59 GMT", 0.0), ("Thu, 31 Dec 2099 23:59:59 GMT", 2e9)],
)
async def test_qm_02_retry_after_is_read_as_seconds_or_date(text: str, seconds: float | None) -> None:
    answer, _ = await _post(b"HTTP/1.1 503 x\r\nContent-Length: 0\r\nRetry-After: " + text.encode() + b"\r\n\r\n")
    assert answer.retry_after_s == (None if seconds is None else pytest.approx(seconds, rel=0.5))


def test_tls_is_1_2_or_newer_with_name_check() -> None:
    from gateway.adapters.webhook.sender import make_tls

    context = make_tls()
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


class _Names(AbstractResolver):
    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list:
        return [
            {"hostname": host, "host": one, "port": port, "family": family, "proto": 0, "flags": 0}
            for one in self._addresses
        ]

    async def close(self) -> None:
        """Nothing to release."""


def _walk(kind: type) -> list[type]:
    return [kind, *(found for below in kind.__subclasses__() for found in _walk(below))]


def _reply(body: bytes, more: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s" % (len(body), more, body)


async def _post(reply: bytes | None, total_s: float = 5.0) -> tuple[WebAnswer, list[bytes]]:
    async with _server(reply) as (port, heads):
        url = f"http://127.0.0.1:{port}/h"
        async with WebhookSender(url, LOOPBACK, OsClock(), approval=False, total_s=total_s) as sender:
            answer = await sender.post(WebRequest(url=url, body=b"{}", headers={"webhook-id": "x"}))
        return answer, heads


@asynccontextmanager
async def _server(reply: bytes | None) -> AsyncIterator[tuple[int, list[bytes]]]:
    heads: list[bytes] = []
    handlers: list[asyncio.Task[None]] = []
    release = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.append(asyncio.current_task())
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        if reply is None:
            await release.wait()
        else:
            writer.write(reply)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], heads
    finally:
        release.set()
        server.close()
        for handler in handlers:
            await handler
