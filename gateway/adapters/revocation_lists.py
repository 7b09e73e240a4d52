"""Revocation lists (port `RevocationLists`): one GET with aiohttp, or a file of the configuration; failures become `Unavailable`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

import aiohttp

from gateway.adapters.timestamping import FOREIGN
from gateway.errors import Unavailable

TOTAL_S: Final = 10.0
BYTES_MAX: Final = 4 * 1024 * 1024
_OK: Final = 200
_LATER: Final = "stamps are taken all the same; check the network, or name the list in timestamping.crl"


class WebRevocationLists:
    """``file`` → path of a file of the configuration. Lists are signed, so plain http is what their issuers use."""

    def __init__(self, file: Callable[[str], Path], *, total_s: float = TOTAL_S) -> None:
        self._file = file
        self._timeout = aiohttp.ClientTimeout(total=total_s)

    async def fetch(self, address: str) -> bytes:
        """Return the content, unread."""
        try:
            if address.startswith(("http://", "https://")):
                return await self._ask(address)
            return await asyncio.to_thread(self._file(address).read_bytes)
        except FOREIGN as error:
            why = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
            raise Unavailable(f"revocation list {address}: {why}"[:300], remedy=_LATER) from error

    async def _ask(self, address: str) -> bytes:
        connector = aiohttp.TCPConnector(force_close=True)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=self._timeout, trust_env=False) as session,
            session.get(address, allow_redirects=False) as answer,
        ):
            if answer.status != _OK:
                raise Unavailable(f"revocation list {address}: HTTP {answer.status}", remedy=_LATER)
            body = b""
            async for part in answer.content.iter_any():
                body += part
                if len(body) > BYTES_MAX:
                    raise Unavailable(f"revocation list {address}: over {BYTES_MAX:,} bytes", remedy=_LATER)
            return body
