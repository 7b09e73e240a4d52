"""Certificates of the demo: they hold for TLS on loopback and for the gateway's own check of an OPC UA server."""

from __future__ import annotations

import asyncio
import ssl
import stat

import pytest

from gateway.adapters.opcua.security import check_server_certificate
from gateway.cli.demo_story.certificates import Authority, write_private

NOW_NS = 1_795_316_780_000_000_000


def test_the_freezers_certificate_passes_the_gateways_check():
    leaf = Authority(NOW_NS).leaf("FRZ-01", uri="urn:demo.invalid:freezer", use_rsa=True)
    check_server_certificate(leaf.der, host="127.0.0.1", application_uri="urn:demo.invalid:freezer", wall_ns=NOW_NS)


def test_private_keys_are_for_their_owner_only(tmp_path):
    leaf = Authority(NOW_NS).leaf("broker")
    _, key = leaf.write_pem(tmp_path, "broker")
    write_private(tmp_path / "secret", b"x")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


async def test_tls_asks_for_a_certificate_of_the_demos_authority(tmp_path, wall_ns):
    ours, strangers = Authority(wall_ns), Authority(wall_ns)
    ours.write_pem(tmp_path / "ca.pem")
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tmp_path / "ca.pem")
    server.load_cert_chain(*ours.leaf("server").write_pem(tmp_path, "server"))
    server.verify_mode = ssl.CERT_REQUIRED

    async def say(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"let in\n")
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(say, "127.0.0.1", 0, ssl=server)
    port = listening.sockets[0].getsockname()[1]
    async with listening:
        assert await ask(port, tmp_path, ours, "gateway") == b"let in\n"
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await ask(port, tmp_path, strangers, "stranger")


async def ask(port: int, folder, authority: Authority, name: str) -> bytes:
    client = ssl.create_default_context(cafile=folder / "ca.pem")
    client.load_cert_chain(*authority.leaf(name).write_pem(folder, name))
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client)
    try:
        line = await reader.readline()
        if not line:
            raise ConnectionResetError
        return line
    finally:
        writer.close()


@pytest.fixture
def wall_ns() -> int:
    from time import CLOCK_REALTIME, clock_gettime_ns

    return clock_gettime_ns(CLOCK_REALTIME)
