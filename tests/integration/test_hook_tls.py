"""The sender over TLS: own authority, client certificate, name check, old versions, each fault with its cause."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from gateway.adapters.system_clock import OsClock
from gateway.adapters.webhook.address_check import AddressRule
from gateway.adapters.webhook.sender import WebhookSender, make_tls
from gateway.cli.demo_story.certificates import Authority
from gateway.errors import ConfigurationRefused
from gateway.ports import WebAnswer, WebRequest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.integration

REPLY = b'HTTP/1.1 202 x\r\nContent-Length: 20\r\n\r\n{"record_id":"QE-1"}'


class Ends:
    """One authority with a server's and a client's certificate below a folder, and a stranger's authority."""

    def __init__(self, folder: Path) -> None:
        now_ns = OsClock().now().wall_ns
        authority, stranger = Authority(now_ns), Authority(now_ns)
        self.ca, self.strange_ca = folder / "ca.pem", folder / "strange.pem"
        authority.write_pem(self.ca)
        stranger.write_pem(self.strange_ca)
        self.leaf = authority.leaf("127.0.0.1")
        self.server = self.leaf.write_pem(folder, "server")
        self.client = authority.leaf("gateway").write_pem(folder, "client")


@pytest.fixture
def ends(tmp_path: Path) -> Ends:
    return Ends(tmp_path)


async def test_qm_10_mutual_tls_with_our_own_authority_and_the_certificate_is_recorded(ends: Ends) -> None:
    async with _server(ends, ask_client=True) as port:
        answer = await _post(port, make_tls(ends.ca, *ends.client))
        assert (answer.status, answer.address) == (202, "127.0.0.1")
        assert answer.certificate_sha256 == sha256(ends.leaf.der).hexdigest()
        refused = await _post(port, make_tls(ends.ca))
        assert refused.status is None
        assert refused.cause in {"tls", "cut", "network"}


async def test_hook_02_a_certificate_of_a_stranger_is_named(ends: Ends) -> None:
    async with _server(ends) as port:
        answer = await _post(port, make_tls(ends.strange_ca))
    assert answer.status is None
    assert (answer.cause or "").startswith("HOOK-02: certificate: ")


async def test_hook_02_a_certificate_of_another_name_is_named(ends: Ends) -> None:
    async with _server(ends, host="127.0.0.2") as port:
        answer = await _post(port, make_tls(ends.ca), host="127.0.0.2")
    assert answer.status is None
    assert (answer.cause or "").startswith("HOOK-02: certificate: ")


async def test_a_server_that_speaks_no_tls_is_named(ends: Ends) -> None:
    async with _server(ends, plain=True) as port:
        answer = await _post(port, make_tls(ends.ca))
    assert (answer.status, answer.cause) == (None, "tls")


def test_unreadable_certificates_are_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for path in (tmp_path / "ca.pem", tmp_path / "missing.pem"):
        with pytest.raises(ConfigurationRefused, match="check ca, client_certificate and client_key"):
            make_tls(path)


async def _post(port: int, tls: ssl.SSLContext, host: str = "127.0.0.1") -> WebAnswer:
    url = f"https://{host}:{port}/hooks/gw"
    rule = AddressRule([host], ["127.0.0.0/8"], [port])
    async with WebhookSender(url, rule, OsClock(), tls=tls) as sender:
        return await sender.post(WebRequest(url=url, body=b"{}", headers={"webhook-id": "x"}))


@asynccontextmanager
async def _server(
    ends: Ends, *, ask_client: bool = False, host: str = "127.0.0.1", plain: bool = False
) -> AsyncIterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*map(str, ends.server))
    if ask_client:
        context.load_verify_locations(str(ends.ca))
        context.verify_mode = ssl.CERT_REQUIRED
    handlers: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.append(asyncio.current_task())
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError):
            if not plain:
                await reader.readuntil(b"\r\n\r\n")
            writer.write(REPLY)
            await writer.drain()
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, host, 0, ssl=None if plain else context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for handler in handlers:
            handler.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await handler
