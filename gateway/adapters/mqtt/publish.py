"""PUBLISH packets out of the receive buffer: the one packet that comes in thousands, read without a call per byte.

All other packets go to paho whole. paho's own decoder is the oracle of this reader in the tests.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from gateway.ports import Moment

PUBLISH: Final = 0x30
PINGRESP: Final = 0xD0

_SUBSCRIPTION_ID: Final = 0x0B
_TOPIC_ALIAS: Final = 0x23
_FIXED: Final = {0x01: 1, 0x02: 4, _TOPIC_ALIAS: 2}
_STRINGS: Final = {0x03: 1, 0x08: 1, 0x09: 1, 0x26: 2}
_CACHE_MAX: Final = 1024
_VARINT_BYTES_MAX: Final = 4


class MalformedPublish(ValueError):
    """The broker sent what the standard forbids: the connection is dropped, nothing of the packet is used."""


class Arrival(Struct, frozen=True, gc=False):
    """One PUBLISH as received, copied out of the buffer; ``ids`` are its subscription identifiers (MQTT 5)."""

    topic: bytes
    mid: int
    qos: int
    dup: bool
    retain: bool
    ids: tuple[int, ...]
    payload: bytes
    moment: Moment


class PublishReader:
    """Reads PUBLISH bodies; remembers property blobs, which hardly ever differ between two messages of a topic."""

    def __init__(self, *, v5: bool) -> None:
        self._v5 = v5
        self._known: dict[bytes, tuple[int, ...]] = {}

    def read(self, first: int, buffer: bytes, start: int, end: int, moment: Moment) -> Arrival:
        """Return the message whose body is ``buffer[start:end]``; raise `MalformedPublish`."""
        qos = (first >> 1) & 3
        at = start + 2 + (buffer[start] << 8 | buffer[start + 1]) if end - start >= 2 else end + 1  # noqa: PLR2004 - a length has two bytes
        topic, mid = buffer[start + 2 : at], 0
        if qos:
            at += 2
            if at <= end:
                mid = buffer[at - 2] << 8 | buffer[at - 1]
        if at > end or (qos and not mid) or qos > 1:
            raise MalformedPublish("topic or message id does not fit into the packet, or QoS is not 0 or 1")
        ids: tuple[int, ...] = ()
        if self._v5:
            if at < end and buffer[at] < 0x80:  # noqa: PLR2004 - the continuation bit
                length, at = buffer[at], at + 1
            else:
                length, at = read_varint(buffer, at, end)
            if length:
                stop = at + length
                if stop > end:
                    raise MalformedPublish("properties do not fit into the packet")
                ids = self._ids(buffer[at:stop])
                at = stop
        if not topic:
            raise MalformedPublish("no topic, and we allowed no topic alias")
        return Arrival(topic, mid, qos, first & 8 != 0, first & 1 != 0, ids, buffer[at:end], moment)

    def _ids(self, blob: bytes) -> tuple[int, ...]:
        found = self._known.get(blob)
        if found is None:
            found = subscription_ids(blob)
            if len(self._known) >= _CACHE_MAX:
                self._known.clear()
            self._known[blob] = found
        return found


def read_varint(buffer: bytes, at: int, end: int) -> tuple[int, int]:
    """Return a variable byte integer and the place after it; raise `MalformedPublish` past four bytes or ``end``."""
    value = 0
    for place in range(_VARINT_BYTES_MAX):
        if at + place >= end:
            break
        byte = buffer[at + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return value, at + place + 1
    raise MalformedPublish("a length of more than four bytes, or beyond the packet")


def subscription_ids(blob: bytes) -> tuple[int, ...]:
    """Return the subscription identifiers of a PUBLISH property block; raise `MalformedPublish` for a property not of PUBLISH."""
    found: list[int] = []
    at, end = 0, len(blob)
    while at < end:
        code = blob[at]
        at += 1
        if code == _SUBSCRIPTION_ID:
            value, at = read_varint(blob, at, end)
            found.append(value)
        elif code in _FIXED:
            if code == _TOPIC_ALIAS:
                raise MalformedPublish("a topic alias, and we allowed none")
            at += _FIXED[code]
        elif code in _STRINGS:
            for _ in range(_STRINGS[code]):
                at += 2 + int.from_bytes(blob[at : at + 2])
        else:
            raise MalformedPublish(f"property {code:#04x} does not belong to PUBLISH")
    if at != end:
        raise MalformedPublish("a property does not fit into its block")
    return tuple(found)
