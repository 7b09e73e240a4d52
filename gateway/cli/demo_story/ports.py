"""Free ports on loopback: what the demo listens on never meets what runs on the machine already."""

from __future__ import annotations

import socket
from contextlib import ExitStack

from gateway.errors import Unavailable


def check_free(port: int) -> None:
    """Raise `Unavailable` when somebody listens on a port that was asked for."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        raise Unavailable(
            f"port {port} cannot be used: {error.strerror}", code="port-free", remedy="name another one with --port"
        ) from error


def free_ports(count: int) -> list[int]:
    """Return ``count`` different ports that nobody listens on; raise `Unavailable` when there are none."""
    try:
        with ExitStack() as held:
            sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
            return [int(one.getsockname()[1]) for one in sockets]
    except OSError as error:
        raise Unavailable(f"no free port on loopback: {error.strerror}", code="port-free") from error
