"""Inbound bytes: cut into packets without copying a long payload again and again; PUBLISH is read here, the rest is paho's."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from gateway.adapters.mqtt.publish import PINGRESP, PUBLISH, Arrival, PublishReader, read_varint
from gateway.ports import Moment

_HEADER_MIN: Final = 2
_HEADER_MAX: Final = 5


class Inbound:
    """The bytes of one connection that are not yet packets. ``serve`` takes each packet that is neither PUBLISH nor PINGRESP.

    Received pieces wait as they came, each with its moment; one is joined to the rest of the one before when its turn has
    come. A packet has the moment of its last byte.
    """

    def __init__(self, *, v5: bool, serve: Callable[[bytes], bool]) -> None:
        self._read = PublishReader(v5=v5).read
        self._serve = serve
        self._buffer = b""
        self._at = self._need = 0
        self._moment: Moment | None = None
        self._later: deque[tuple[bytes, Moment]] = deque()
        self.size = 0

    def feed(self, data: bytes, moment: Moment) -> bool:
        """Keep received bytes; tell whether they may complete a packet. ``size`` is what waits in all."""
        self._later.append((data, moment))
        self.size += len(data)
        return self.size >= self._need

    def drain(self, arrivals: deque[Arrival], room: int) -> bool:
        """Move at most ``room`` messages to ``arrivals``; return False if one more stands there and has no room.

        Stops for good where ``serve`` returns False: the connection has ended. Raises `MalformedPublish`.
        """
        bound = len(arrivals) + room
        while self._cut(arrivals, bound):
            if not self._join():
                return True
        return len(arrivals) < bound

    def _join(self) -> bool:
        """Put as many pieces behind the rest of the buffer as its next packet needs; False: they have not come yet."""
        rest = len(self._buffer) - self._at
        if not self._later or self.size < self._need:
            return False
        parts = [self._buffer[self._at :]]
        while self._later and (len(parts) == 1 or rest < self._need):
            data, self._moment = self._later.popleft()
            parts.append(data)
            rest += len(data)
        self._buffer, self._at = b"".join(parts) if parts[0] else parts[-1], 0
        return True

    def _cut(self, arrivals: deque[Arrival], bound: int) -> bool:
        """Take the whole packets of the buffer; True if more bytes are needed, False without room or after the end."""
        buffer, at, moment, read = self._buffer, self._at, self._moment, self._read
        size, began = len(buffer), self._at
        self._need, goes_on = 0, True
        while at + _HEADER_MIN <= size:
            first, length = buffer[at], buffer[at + 1]
            body = at + _HEADER_MIN
            if length & 0x80:
                if not _header_whole(buffer, at, size):
                    break
                length, body = read_varint(buffer, at + 1, size)
            end = body + length
            if end > size:
                self._need = end - at
                break
            assert moment is not None, "bytes have a moment"
            if first & 0xF0 == PUBLISH:
                if len(arrivals) >= bound:
                    goes_on = False
                    break
                arrivals.append(read(first, buffer, body, end, moment))
            elif first != PINGRESP and not self._serve(buffer[at:end]):
                goes_on = False
                break
            at = end
        self._at = at
        self.size -= at - began
        return goes_on


def _header_whole(buffer: bytes, at: int, size: int) -> bool:
    """Tell whether the length of the packet at ``at`` has come whole; one that is too long counts as whole."""
    return size - at >= _HEADER_MAX or any(byte < 0x80 for byte in buffer[at + 1 : size])  # noqa: PLR2004 - the continuation bit
