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
    """The bytes of one connection that are not yet packets. ``serve`` takes each packet that is neither PUBLISH nor PINGRESP."""

    def __init__(self, *, v5: bool, serve: Callable[[bytes], bool]) -> None:
        self._read = PublishReader(v5=v5).read
        self._serve = serve
        self._parts: list[bytes] = []
        self._size = self._need = 0

    def feed(self, data: bytes) -> bool:
        """Keep received bytes; tell whether they may complete a packet."""
        self._parts.append(data)
        self._size += len(data)
        return self._size >= self._need

    def drain(self, arrivals: deque[Arrival], room: int, moment: Moment) -> bool:
        """Move at most ``room`` messages to ``arrivals``; return False if one more stands there and has no room.

        Stops for good where ``serve`` returns False: the connection has ended. Raises `MalformedPublish`.
        """
        buffer = b"".join(self._parts) if len(self._parts) != 1 else self._parts[0]
        size, at, fits = len(buffer), 0, True
        read = self._read
        self._need = 0
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
            if first & 0xF0 == PUBLISH:
                if room <= 0:
                    fits = False
                    break
                arrivals.append(read(first, buffer, body, end, moment))
                room -= 1
            elif first != PINGRESP and not self._serve(buffer[at:end]):
                return True
            at = end
        self._parts = [buffer[at:]] if at < size else []
        self._size = size - at
        return fits


def _header_whole(buffer: bytes, at: int, size: int) -> bool:
    """Tell whether the length of the packet at ``at`` has come whole; one that is too long counts as whole."""
    return size - at >= _HEADER_MAX or any(byte < 0x80 for byte in buffer[at + 1 : size])  # noqa: PLR2004 - the continuation bit
