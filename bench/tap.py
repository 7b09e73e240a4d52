"""Tap: a TCP relay between gateway and broker that notes when each piece passed, and what the acknowledgements say.

As a process: `python -m bench.tap PORT TARGET FILE` relays one connection after another and writes FILE at SIGTERM. It
forwards first and looks at nothing, so it costs a few µs a piece; packets are read out of FILE when the run is over.
"""

from __future__ import annotations

import selectors
import signal
import socket
import struct
import sys
import time
from collections import defaultdict, deque
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = struct.Struct("=qBI")
FROM_BROKER, FROM_GATEWAY, CONNECTED = 0, 1, 2
PUBLISH, PUBACK = 3, 4


class Packet(NamedTuple):
    """One MQTT 5 packet: when its last byte passed (CLOCK_MONOTONIC ns), type, flags, what follows the fixed header."""

    at_ns: int
    kind: int
    flags: int
    body: bytes


def relay(port: int, target: int, out: Path) -> None:
    """Relay until SIGTERM."""
    pieces: list[tuple[int, int, bytes]] = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    listening = socket.create_server(("127.0.0.1", port))
    try:
        while True:
            client, _ = listening.accept()
            pieces.append((time.monotonic_ns(), CONNECTED, b""))
            with client, socket.create_connection(("127.0.0.1", target)) as broker:
                _pump(client, broker, pieces)
    finally:
        with out.open("wb") as file:
            for at_ns, way, piece in pieces:
                file.write(HEAD.pack(at_ns, way, len(piece)) + piece)


def _pump(client: socket.socket, broker: socket.socket, pieces: list[tuple[int, int, bytes]]) -> None:
    selector = selectors.DefaultSelector()
    for near, far, way in ((broker, client, FROM_BROKER), (client, broker, FROM_GATEWAY)):
        near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(near, selectors.EVENT_READ, (near, far, way))
    while True:
        for key, _ in selector.select():
            near, far, way = key.data
            try:
                piece = near.recv(262_144)
                if not piece:
                    return
                far.sendall(piece)
            except OSError:
                return
            pieces.append((time.monotonic_ns(), way, piece))


def read_packets(path: Path, way: int) -> Iterator[Packet]:
    """Yield the packets that passed one way, in order."""
    content, at, rest = path.read_bytes(), 0, bytearray()
    while at < len(content):
        at_ns, found, size = HEAD.unpack_from(content, at)
        at += HEAD.size
        if found == CONNECTED:
            rest.clear()
        elif found == way:
            rest += content[at : at + size]
            yield from _cut(rest, at_ns)
        at += size


def _cut(rest: bytearray, at_ns: int) -> Iterator[Packet]:
    """Take the whole packets off ``rest``."""
    start = 0
    while len(rest) - start >= 2:
        size, shift, body = 0, 0, start + 1
        while body < len(rest):
            digit = rest[body]
            size |= (digit & 0x7F) << shift
            shift, body = shift + 7, body + 1
            if not digit & 0x80:
                break
        else:
            break
        if len(rest) < body + size:
            break
        yield Packet(at_ns, rest[start] >> 4, rest[start] & 0x0F, bytes(rest[body : body + size]))
        start = body + size
    del rest[:start]


def acknowledged(path: Path) -> list[tuple[int, int, bytes]]:
    """Return (delivered ns, acknowledged ns, payload) of every QoS 1 message the gateway acknowledged, in that order.

    Mosquitto 2.0.11 forgets Receive Maximum after the first PUBACK and then gives an id again that still waits for its
    own: the oldest message of an id is the one that is acknowledged.
    """
    waiting: dict[int, deque[tuple[int, bytes]]] = defaultdict(deque)
    found: list[tuple[int, int, bytes]] = []
    delivered = [one for one in read_packets(path, FROM_BROKER) if one.kind == PUBLISH and one.flags & 0x06]
    answers = [one for one in read_packets(path, FROM_GATEWAY) if one.kind == PUBACK]
    for packet in sorted([*delivered, *answers], key=lambda one: one.at_ns):
        if packet.kind == PUBLISH:
            if packet.body[2:3] != b"$":  # the broker's own figures are no readings
                mid, payload = _publish(packet.body)
                waiting[mid].append((packet.at_ns, payload))
        else:
            mid = int.from_bytes(packet.body[:2], "big")
            if waiting[mid]:
                delivered_ns, payload = waiting[mid].popleft()
                found.append((delivered_ns, packet.at_ns, payload))
    return found


def _publish(body: bytes) -> tuple[int, bytes]:
    """Return message id and payload of an MQTT 5 PUBLISH."""
    at = 2 + int.from_bytes(body[:2], "big")
    mid = int.from_bytes(body[at : at + 2], "big")
    at += 2
    size = shift = 0
    while True:
        digit = body[at]
        size |= (digit & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if not digit & 0x80:
            return mid, body[at + size :]


if __name__ == "__main__":
    relay(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
