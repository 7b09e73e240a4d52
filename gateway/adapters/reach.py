"""Reach: does a server take our connection, and does its certificate hold; nothing is asked of it (`gateway check`)."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from gateway.config.environment import Answer, EnvironmentCheck, reason
from gateway.errors import Refused

CONNECT_S: Final = 8.0
DAYS_WARNED: Final = 30
_DAY_S: Final = 86_400
_PORTS: Final = {"https": 443, "http": 80, "postgresql": 5432, "postgres": 5432}

Rule = Callable[[str, int], Awaitable[object]]
"""(host, port) → raises `Refused` where configuration forbids the addresses of that host."""
Context = Callable[[], ssl.SSLContext | None]
"""Makes the TLS context; raises a `GatewayError` for files that cannot be used."""


@dataclass(frozen=True)
class ReachCheck:
    """One server by its URL: may we go there, and does somebody listen."""

    id: str
    target: str
    url: str
    rule: Rule | None = None

    async def ask(self) -> Answer:
        """Connect and go away."""
        host, port = _place(self.url)
        try:
            if self.rule is not None:
                await self.rule(host, port)
            async with asyncio.timeout(CONNECT_S):
                _, writer = await asyncio.open_connection(host, port)
        except TimeoutError:
            return Answer("failed", f"{host}:{port} does not answer. Next: is a firewall between us?")
        except OSError as error:
            return Answer(
                "failed", f"{host}:{port}: {reason(error)}. Next: check address, name server and the server itself"
            )
        writer.transport.abort()
        return Answer("ok", f"{host}:{port} takes connections")


@dataclass(frozen=True)
class TlsCheck:
    """The TLS of one server: its chain, its name, how long its certificate holds, and our own certificate if it wants one."""

    target: str
    url: str
    context: Context
    wall_s: float
    rule: Rule | None = None
    id: str = "tls-chain"

    async def ask(self) -> Answer:
        """Shake hands and go away; a server that is not there is told of by its other check."""
        host, port = _place(self.url)
        context = self.context()
        try:
            if self.rule is not None:
                await self.rule(host, port)
            async with asyncio.timeout(CONNECT_S):
                _, writer = await asyncio.open_connection(host, port, ssl=context or True, server_hostname=host)
        except ssl.SSLCertVerificationError as error:
            return Answer(
                "failed", f"{host}: {error.verify_message}. Next: compare its certificate with ca and with url"
            )
        except ssl.SSLError as error:
            return Answer("failed", f"{host}: {error.reason or error}. Next: check TLS versions and certificates")
        except (OSError, TimeoutError, Refused):
            return Answer("skipped", "no connection")
        try:
            return self._judge(writer)
        finally:
            with contextlib.suppress(OSError):
                writer.transport.abort()

    def _judge(self, writer: asyncio.StreamWriter) -> Answer:
        tls = writer.get_extra_info("ssl_object")
        end = ssl.cert_time_to_seconds(tls.getpeercert()["notAfter"])
        days = int((end - self.wall_s) // _DAY_S)
        text = f"{tls.version()}, its certificate holds {days} days"
        return Answer("ok" if days > DAYS_WARNED else "warning", text)


def reach_checks(
    id_: str, target: str, url: str, context: Context, wall_s: float, rule: Rule | None = None
) -> Iterator[EnvironmentCheck]:
    """Yield the questions to one server: reached, and over https its TLS."""
    yield ReachCheck(id_, target, url, rule)
    if urlsplit(url).scheme == "https":
        yield TlsCheck(target, url, context, wall_s, rule)


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "localhost", parts.port or _PORTS.get(parts.scheme, 443)
