"""MQTT load as cheap as Python can make it: pre-encoded QoS 1 PUBLISH packets, sent in runs, their PUBACKs counted.

As a process: `python mqtt_load.py PORT FILE WINDOW RATE` sends the messages of FILE (see `write_load`) and prints one JSON
line `{"acked": n, "began_ns": …, "ended_ns": …}`; times are CLOCK_MONOTONIC, comparable between processes. RATE 0 is as
fast as the broker acknowledges. With a fifth argument it writes the send time of each message (8 bytes, native) there.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import time
from array import array
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CONNECT_BODY = b"\x00\x04MQTT\x04\x02\x00\x00"
MIDS = 65_535
RUN_MAX = 64
"""Messages in one send."""


def publish_packet(topic: str, payload: bytes, mid: int, *, retain: bool = False) -> bytes:
    """One PUBLISH packet, QoS 1."""
    name = topic.encode()
    body = struct.pack(">H", len(name)) + name + struct.pack(">H", mid) + payload
    return bytes([0x33 if retain else 0x32]) + _length(len(body)) + body


def _length(size: int) -> bytes:
    encoded = bytearray()
    while True:
        size, digit = divmod(size, 128)
        encoded.append(digit | (0x80 if size else 0))
        if not size:
            return bytes(encoded)


def write_load(path: Path, messages: Iterable[tuple[str, bytes]]) -> int:
    """Encode (topic, payload) pairs in order into `path`: each packet with its length before it; returns how many."""
    count = 0
    with path.open("wb") as out:
        for count, (topic, payload) in enumerate(messages, 1):
            packet = publish_packet(topic, payload, (count - 1) % MIDS + 1)
            out.write(struct.pack("=I", len(packet)) + packet)
    return count


def read_load(path: Path) -> list[bytes]:
    """The packets of `write_load`."""
    content, at, packets = path.read_bytes(), 0, []
    while at < len(content):
        (size,) = struct.unpack_from("=I", content, at)
        packets.append(content[at + 4 : at + 4 + size])
        at += 4 + size
    return packets


class Sender:
    """One plain MQTT 3.1.1 connection that publishes packets and counts what the broker acknowledged."""

    def __init__(self, port: int, client_id: str = "load") -> None:
        name = client_id.encode()
        body = CONNECT_BODY + struct.pack(">H", len(name)) + name
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(b"\x10" + _length(len(body)) + body)
        assert self._socket.recv(4) == b"\x20\x02\x00\x00", "the broker refused the load"
        self._rest = 0
        self.acked = 0

    def send(self, packets: Sequence[bytes], window: int, rate: float, times: array[int] | None = None) -> None:
        """Send all; at most `window` unacknowledged, at most `rate` a second (0: no bound); wait for all PUBACKs."""
        sent, count, first = 0, len(packets), self.acked
        began_ns = time.monotonic_ns()
        while self.acked - first < count:
            free = min(window - (sent - (self.acked - first)), count - sent, RUN_MAX)
            if rate and free > 0:
                due = int((time.monotonic_ns() - began_ns) / 1e9 * rate) + 1 - sent
                free = min(free, due)
            if free > 0:
                if times is not None:
                    times.extend([time.monotonic_ns()] * free)
                self._socket.sendall(b"".join(packets[sent : sent + free]))
                sent += free
                self._hear(0.0)
            elif sent == count or sent - (self.acked - first) >= window:
                self._hear(30.0)
            else:
                self._hear(0.0)
                time.sleep(max(began_ns / 1e9 + sent / rate - time.monotonic(), 0.0002))

    def _hear(self, seconds: float) -> None:
        """Count PUBACKs: 4 bytes each, nothing else comes on this connection."""
        self._socket.settimeout(seconds)
        try:
            heard = self._socket.recv(65_536)
        except BlockingIOError:
            return
        finally:
            self._socket.settimeout(None)
        assert heard, "the broker hung up"
        whole, self._rest = divmod(self._rest + len(heard), 4)
        self.acked += whole

    def close(self) -> None:
        self._socket.sendall(b"\xe0\x00")
        self._socket.close()


def main() -> None:
    port, path, window, rate, *log = sys.argv[1:]
    packets = read_load(Path(path))
    times: array[int] | None = array("q") if log else None
    sender = Sender(int(port))
    began_ns = time.monotonic_ns()
    sender.send(packets, int(window), float(rate), times)
    ended_ns = time.monotonic_ns()
    sender.close()
    if times is not None:
        Path(log[0]).write_bytes(times.tobytes())
    print(json.dumps({"acked": sender.acked, "began_ns": began_ns, "ended_ns": ended_ns}))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
