"""The cable of the demo: it passes bytes on, a cut drops them without a word, mended it passes on again."""

from __future__ import annotations

import asyncio

import pytest

from gateway.cli.demo_story.cut import Cable
from gateway.cli.demo_story.ports import free_ports


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def ask(port: int, line: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(line)
        await writer.drain()
        return await asyncio.wait_for(reader.readline(), 5)
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()


async def reachable(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.01)
        else:
            writer.transport.abort()
            return


async def test_a_cable_is_cut_and_mended():
    here, there = free_ports(2)
    assert here != there
    server = await asyncio.start_server(echo, "127.0.0.1", there)
    async with server, asyncio.TaskGroup() as tasks:
        cable = Cable(here, there)
        running = tasks.create_task(cable.run())
        await asyncio.wait_for(reachable(here), 5)
        assert await ask(here, b"one\n") == b"one\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", here)
        writer.write(b"two\n")
        assert await reader.readline() == b"two\n"
        cable.cut()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 5)
        assert await ask(here, b"three\n") == b""
        cable.mend()
        assert await ask(here, b"four\n") == b"four\n"
        writer.transport.abort()
        running.cancel()
