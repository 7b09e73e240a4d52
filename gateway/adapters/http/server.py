"""Server: one uvicorn per listening socket, run inside our own task group and stopped by us, not by signals."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import ssl
from collections.abc import Generator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from gateway.errors import Unavailable


class _Server(uvicorn.Server):
    """Leaves the process's signals to the composition root."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Capture nothing."""
        yield


def bind(listen: str) -> socket.socket:
    """Bind `host:port`; raise `Unavailable` with the next step when that is not possible."""
    host, _, port = listen.rpartition(":")
    try:
        listening = socket.create_server((host.strip("[]"), int(port)), reuse_port=False)
    except OSError as error:
        used = error.errno == errno.EADDRINUSE
        raise Unavailable(
            f"cannot listen on {listen}: {os.strerror(error.errno) if error.errno else error}",
            code="port-free",
            remedy=f"stop what uses port {port}, or choose another"
            if used
            else "choose an address of this machine and a port from 1024 on",
        ) from error
    # asyncio sets it only where the socket names its protocol; without it each answer waits 40 ms for an acknowledgement
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def bind_unix(path: Path) -> socket.socket:
    """Bind the control socket, mode 0660; a stale one of a dead process is replaced."""
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(str(path))
    except OSError as error:
        listening.close()
        raise Unavailable(
            f"cannot listen on {path}: {error.strerror}", remedy="shorten the path or fix its permissions"
        ) from error
    os.chmod(path, 0o660)  # noqa: PTH101 - the group may talk to the gateway
    return listening


async def serve(application: Starlette, listening: socket.socket, certificate: tuple[Path, Path] | None = None) -> None:
    """Serve until cancelled; open requests get one second to end."""
    config = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=65_536,
    )
    if certificate is not None:
        config.ssl_certfile, config.ssl_keyfile = str(certificate[0]), str(certificate[1])
    server = _Server(config)
    config.load()
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        await server.serve(sockets=[listening])
    except asyncio.CancelledError:
        server.should_exit = True
        raise
    finally:
        for one in getattr(server, "servers", ()):  # cancelled, uvicorn leaves them in the loop's selector
            one.close()
        listening.close()
