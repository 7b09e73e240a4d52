"""Time stamping (port `TimeStamper`): one POST of a request to the authority with aiohttp; foreign failures become `Unavailable`."""

from __future__ import annotations

import ssl
from typing import Final, Self

import aiohttp

from gateway.errors import Unavailable

QUERY: Final = "application/timestamp-query"
REPLY: Final = "application/timestamp-reply"
TOTAL_S: Final = 20.0
CONNECT_S: Final = 5.0
BYTES_MAX: Final = 262_144
_OK: Final = 200
_LATER: Final = "recording goes on and the newest checkpoint waits; check timestamping.url and the network"

FOREIGN: Final = (aiohttp.ClientError, OSError, TimeoutError)
"""All that aiohttp and TLS raise for the world; a test walks aiohttp's classes against it."""


class HttpTimeStamper:
    """Asks one authority. `async with` it: the session is opened and closed with the run.

    ``tls``: the context of https; http is for loopback in development, which the configuration's rules see to.
    """

    def __init__(self, url: str, tls: ssl.SSLContext | None = None, *, total_s: float = TOTAL_S) -> None:
        self._url = url
        self._tls = tls
        self._timeout = aiohttp.ClientTimeout(total=total_s, connect=min(CONNECT_S, total_s))
        self._session: aiohttp.ClientSession | None = None

    @property
    def url(self) -> str:
        """Where the authority answers."""
        return self._url

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self._tls if self._tls is not None else True, force_close=True)
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            skip_auto_headers=("Accept-Encoding",),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def stamp(self, request: bytes) -> bytes:
        """Send one request and return the body of the answer, unread."""
        try:
            return await self._ask(request)
        except FOREIGN as error:
            why = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
            raise Unavailable(f"time stamping at {self._url}: {why}"[:300], remedy=_LATER) from error

    async def _ask(self, request: bytes) -> bytes:
        assert self._session is not None, "the time stamper is used inside `async with`"
        headers = {"content-type": QUERY, "accept": REPLY}
        async with self._session.post(self._url, data=request, headers=headers, allow_redirects=False) as answer:
            if answer.status != _OK:
                raise Unavailable(f"time stamping at {self._url}: HTTP {answer.status}", remedy=_LATER)
            if answer.content_type != REPLY:
                raise Unavailable(f"time stamping at {self._url}: {answer.content_type} came back", remedy=_LATER)
            body = b""
            async for part in answer.content.iter_any():
                body += part
                if len(body) > BYTES_MAX:
                    raise Unavailable(f"time stamping at {self._url}: answer over {BYTES_MAX:,} bytes", remedy=_LATER)
            return body
