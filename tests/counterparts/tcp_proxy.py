"""A TCP proxy that breaks a connection on purpose: cut, refuse, black hole, delay, half close."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

LOOPBACK = "127.0.0.1"


class TcpProxy:
    """Stands on `port` before `target_port`; lives in the test's own loop.

    `cut()` resets every connection and refuses new ones until `mend()`. `black_hole()` keeps connections open and
    swallows bytes both ways: what a pulled cable looks like. `delay_s` holds every piece back. `half_close()` ends our
    sending side towards the client only.
    """

    def __init__(self, target_port: int, port: int = 0) -> None:
        self.target_port = target_port
        self.port = port
        self.delay_s = 0.0
        self.connections = 0
        self.refusing = False
        self._swallowing = False
        self._server: asyncio.Server | None = None
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self._reset()
        while self._tasks:  # each ends by itself once its sockets are gone
            await asyncio.sleep(0.01)

    def cut(self) -> None:
        """Reset what is open, refuse what comes."""
        self.refusing = True
        self._reset()

    def mend(self) -> None:
        """Let everything through again."""
        self.refusing = self._swallowing = False

    def black_hole(self) -> None:
        """Let nothing through and say nothing."""
        self._swallowing = True

    def half_close(self) -> None:
        """End the stream towards the client; what the client sends still arrives."""
        for client, _ in self._pairs:
            with contextlib.suppress(OSError):
                client.write_eof()

    def _reset(self) -> None:
        for pair in list(self._pairs):
            for writer in pair:
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.transport.abort()
            return
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            far_reader, far_writer = await asyncio.open_connection(LOOPBACK, self.target_port)
        except OSError:
            writer.transport.abort()
            self._tasks.discard(task)
            return
        pair = (writer, far_writer)
        self._pairs.add(pair)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, far_writer))
                group.create_task(self._pass(far_reader, writer))
        finally:
            self._pairs.discard(pair)
            self._tasks.discard(task)
            for one in pair:
                one.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass bytes on, each piece `delay_s` after it came: latency, not a slower line."""
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read(reader, pieces))
            group.create_task(self._write(writer, pieces))

    async def _read(self, reader: asyncio.StreamReader, pieces: asyncio.Queue[tuple[float, bytes]]) -> None:
        piece = b"\0"
        while piece:
            try:
                piece = await reader.read(65536)
            except OSError:
                piece = b""
            pieces.put_nowait((asyncio.get_running_loop().time() + self.delay_s, piece))

    async def _write(self, writer: asyncio.StreamWriter, pieces: asyncio.Queue[tuple[float, bytes]]) -> None:
        while True:
            due, piece = await pieces.get()
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            if not piece:
                writer.transport.abort()
                return
            if self._swallowing:
                continue
            try:
                writer.write(piece)
                await writer.drain()
            except OSError:
                return
