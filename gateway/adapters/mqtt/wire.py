"""The wire: one non-blocking socket with a receive buffer that paho reads and a send buffer that goes out in one write.

paho asks a socket for one byte, then one more, and writes packet by packet; here both are memory, and the kernel is asked
once per wake-up and once per commit.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Final

RECEIVE_BYTES: Final = 131_072
ROUND_BYTES_MAX: Final = 1_048_576
"""Most bytes taken in one turn of the loop: other tasks wait no longer than this lasts."""


class Wire:
    """A socket as paho knows it (recv, send, close, fileno, setblocking), with buffers on both sides.

    Made in a worker thread by the connect call; `attach` hands it to the loop, and from then on it lives there alone.
    """

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw
        self._inbox = b""
        self._outbox = bytearray()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reading = self._writing = False
        self.open = True
        self.on_bytes: Callable[[bytes], None] | None = None
        self.on_lost: Callable[[str], None] | None = None

    # what paho calls

    def recv(self, buffer_size: int) -> bytes:
        """Return bytes of the packet that is being handed to paho."""
        if not self._inbox:
            raise BlockingIOError
        part, self._inbox = self._inbox[:buffer_size], self._inbox[buffer_size:]
        return part

    def send(self, buffer: bytes | bytearray) -> int:
        """Take all bytes; they leave with the next `flush`."""
        self._outbox += buffer
        return len(buffer)

    def close(self) -> None:
        """Drop the socket: no shutdown, nothing said."""
        if not self.open:
            return
        self.open = False
        self.pause()
        self._stop_writing()
        self._raw.close()

    def fileno(self) -> int:
        """Descriptor of the socket."""
        return self._raw.fileno()

    def setblocking(self, flag: bool) -> None:
        """Set the socket's mode."""
        self._raw.setblocking(flag)

    # what the connection calls, on the loop

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to read and write on ``loop``."""
        self._loop = loop
        self._raw.setblocking(False)
        self.resume()
        self.flush()

    def serve(self, packet: bytes) -> None:
        """Put one whole packet where paho will read it."""
        self._inbox = packet

    def pause(self) -> None:
        """Take the reader off the loop: TCP then holds the broker back."""
        if self._reading and self._loop is not None:
            self._loop.remove_reader(self._raw.fileno())
        self._reading = False

    def resume(self) -> None:
        """Put the reader on the loop; TLS may hold bytes that no readiness will announce."""
        if self._reading or not self.open or self._loop is None:
            return
        self._reading = True
        self._loop.add_reader(self._raw.fileno(), self._readable)
        if self._pending():
            self._loop.call_soon(self._readable)

    def flush(self) -> None:
        """Write what waits; what the kernel does not take now leaves when it can."""
        try:
            while self._outbox and self.open:
                sent = self._raw.send(self._outbox)
                del self._outbox[:sent]
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError, InterruptedError):
            self._start_writing()
            return
        except OSError as error:
            self._lost(f"send: {error}")
            return
        self._stop_writing()

    @property
    def unsent(self) -> int:
        """Bytes not yet taken by the kernel."""
        return len(self._outbox)

    def _readable(self) -> None:
        """Take all there is, up to the bound of one turn, and hand it on in one piece."""
        chunks: list[bytes] = []
        size, ended = 0, ""
        while self._reading and size < ROUND_BYTES_MAX:
            try:
                chunk = self._raw.recv(RECEIVE_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError, InterruptedError):
                break
            except OSError as error:
                ended = f"receive: {error}"
                break
            if not chunk:
                ended = "closed by the broker"
                break
            chunks.append(chunk)
            size += len(chunk)
            if len(chunk) < RECEIVE_BYTES and not self._pending():
                break
        if chunks and self.on_bytes is not None:
            self.on_bytes(chunks[0] if len(chunks) == 1 else b"".join(chunks))
        if ended:
            self._lost(ended)
        elif self._reading and self._loop is not None and self._pending():
            self._loop.call_soon(self._readable)

    def _pending(self) -> bool:
        return isinstance(self._raw, ssl.SSLSocket) and self.open and self._raw.pending() > 0

    def _start_writing(self) -> None:
        if not self._writing and self._loop is not None and self.open:
            self._writing = True
            self._loop.add_writer(self._raw.fileno(), self.flush)

    def _stop_writing(self) -> None:
        if self._writing and self._loop is not None:
            self._loop.remove_writer(self._raw.fileno())
        self._writing = False

    def _lost(self, why: str) -> None:
        self.close()
        if self.on_lost is not None:
            self.on_lost(why)
