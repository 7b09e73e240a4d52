"""A broker that does exactly what a test says, byte by byte: for what no real broker can be made to do on time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Self


def varint(value: int) -> bytes:
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def publish_packet(
    topic: str, payload: bytes, mid: int = 0, *, dup: bool = False, retain: bool = False, properties: bytes = b""
) -> bytes:
    """PUBLISH of MQTT 5; QoS 1 if it has a message id."""
    name = topic.encode()
    body = (
        len(name).to_bytes(2)
        + name
        + (mid.to_bytes(2) if mid else b"")
        + varint(len(properties))
        + properties
        + payload
    )
    return bytes([0x30 | dup << 3 | (2 if mid else 0) | retain]) + varint(len(body)) + body


class Session:
    """One accepted connection: what came in, packet by packet, and a way to send."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self.packets: list[tuple[int, bytes]] = []
        self.reads: list[int] = []
        self.changed = asyncio.Event()
        self.ended = False

    async def packet(self) -> tuple[int, bytes]:
        first = (await self._reader.readexactly(1))[0]
        length, shift = 0, 0
        while True:
            byte = (await self._reader.readexactly(1))[0]
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        found = first, await self._reader.readexactly(length)
        self.packets.append(found)
        self.changed.set()
        return found

    def send(self, *packets: bytes) -> None:
        self.writer.write(b"".join(packets))

    def acked(self) -> list[int]:
        """Message ids of the PUBACKs that came, in order."""
        return [int.from_bytes(body[:2]) for first, body in self.packets if first == 0x40]

    async def until_acked(self, *mids: int) -> None:
        async with asyncio.timeout(5):
            while self.acked() != list(mids):
                self.changed.clear()
                await self.changed.wait()

    def drop(self) -> None:
        self.writer.transport.abort()


class ScriptedBroker:
    """Answers CONNECT, SUBSCRIBE and PINGREQ by itself; `session` waits for the n-th connection (from 0) to be subscribed."""

    def __init__(self) -> None:
        self.port = 0
        self.sessions: list[Session] = []
        self.connack = b"\x20\x03\x00\x00\x00"
        self.connack_again = b"\x20\x03\x01\x00\x00"
        self.suback = 1
        self.pong = True
        self.queue: list[bytes] = []
        self._new = asyncio.Event()
        self._ready: list[Session] = []

    async def session(self, number: int) -> Session:
        async with asyncio.timeout(10):
            while len(self._ready) <= number:
                self._new.clear()
                await self._new.wait()
        return self._ready[number]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(reader, writer)
        self.sessions.append(session)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                first, body = await session.packet()
                if first == 0x10:
                    session.send(self.connack_again if self._ready else self.connack)
                elif first == 0x82:
                    session.send(*self.queue)
                    self.queue = []
                    session.send(b"\x90\x04" + body[:2] + b"\x00" + bytes([self.suback]))
                    if session not in self._ready:
                        self._ready.append(session)
                    self._new.set()
                elif first & 0xF0 == 0x30:
                    size = int.from_bytes(body[:2])
                    session.send(b"\x40\x02" + body[2 + size : 4 + size])
                elif first == 0xC0 and self.pong:
                    session.send(b"\xd0\x00")
        session.ended = True
        session.changed.set()
        writer.close()

    @classmethod
    @contextlib.asynccontextmanager
    async def start(cls) -> AsyncIterator[Self]:
        broker = cls()
        server = await asyncio.start_server(broker._accept, "127.0.0.1", 0)
        broker.port = server.sockets[0].getsockname()[1]
        try:
            yield broker
        finally:
            server.close()
            for session in broker.sessions:
                session.drop()
            await asyncio.sleep(0)
