"""The cable: a TCP relay between gateway and freezer that can be cut, and mended, as a cable can."""

from __future__ import annotations

import asyncio
from typing import Final

PIECE_BYTES: Final = 65_536


class Cable:
    """Relays loopback ``port`` to ``target``; while it is cut, connections are dropped and none is made."""

    def __init__(self, port: int, target: int) -> None:
        self._port = port
        self._target = target
        self._whole = True
        self._ends: set[asyncio.StreamWriter] = set()

    async def run(self) -> None:
        """Relay until cancelled."""
        server = await asyncio.start_server(self._relay, "127.0.0.1", self._port)
        async with server:
            try:
                await server.serve_forever()
            finally:
                self.cut()

    def cut(self) -> None:
        """Drop every connection without a word and refuse new ones."""
        self._whole = False
        for end in list(self._ends):
            end.transport.abort()

    def mend(self) -> None:
        """Let connections be made again."""
        self._whole = True

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ends.add(writer)
        try:
            if not self._whole:
                return
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            self._ends.add(far_writer)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._pass_on(reader, far_writer))
                    both.create_task(self._pass_on(far_reader, writer))
            finally:
                self._drop(far_writer)
        except OSError:
            return
        finally:
            self._drop(writer)

    def _drop(self, end: asyncio.StreamWriter) -> None:
        self._ends.discard(end)
        end.transport.abort()

    @staticmethod
    async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass bytes on until this side ends; the other side then ends too."""
        try:
            while piece := await reader.read(PIECE_BYTES):
                writer.write(piece)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.transport.abort()
