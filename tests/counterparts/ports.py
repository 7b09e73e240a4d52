"""Free ports on loopback, so that tests never meet each other or a real server."""

from __future__ import annotations

import socket
import time

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A TCP port that nobody listened on a moment ago; never the same one twice in a row."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def accepts(port: int) -> bool:
    """Whether a TCP connection to `port` is taken now."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((LOOPBACK, port)) == 0


def wait_until_closed(port: int, seconds: float = 5.0) -> None:
    """Return once nothing accepts on `port`."""
    end = time.monotonic() + seconds
    while accepts(port):
        assert time.monotonic() < end, f"port {port} still accepts after {seconds} s"
        time.sleep(0.02)
