"""An HTTP server that goes wrong as asked: refuses, is busy, is slow, hangs up in the middle of its answer."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from types import TracebackType


class Fault(NamedTuple):
    """One answer: status, body, headers; ``cut``: the body ends early, ``slow_s``: it comes late."""

    status: int = 204
    body: bytes = b""
    headers: tuple[str, ...] = ()
    cut: bool = False
    slow_s: float = 0.0


class FaultServer:
    """Answers requests by `faults` in turn, then 204; keeps the request heads and the lines it was sent."""

    def __init__(self, *faults: Fault) -> None:
        self.faults = list(faults)
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self._handlers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for handler in self._handlers:
            handler.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await handler

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handler = asyncio.current_task()
        assert handler is not None
        self._handlers.append(handler)
        try:
            await self._answer(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:"))
        body = await reader.readexactly(length)
        self.heads.append(head)
        self.bodies.append(gzip.decompress(body) if "content-encoding: gzip" in head.lower() else body)
        fault = self.faults.pop(0) if self.faults else Fault()
        await asyncio.sleep(fault.slow_s)
        size = len(fault.body) + (100 if fault.cut else 0)
        lines = [f"HTTP/1.1 {fault.status} x", f"Content-Length: {size}", "Connection: close", *fault.headers]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + fault.body)
        await writer.drain()
