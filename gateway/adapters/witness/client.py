"""Client (port `Witness`): one POST with aiohttp; every foreign failure becomes an answer (C2SP tlog-witness)."""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from typing import Final, Self

import aiohttp

from gateway.ledger.crypto import verify_line
from gateway.ledger.note import VerifyKey, parse_note
from gateway.ledger.witness import (
    CONFLICT,
    OK,
    SIZE_TYPE,
    format_question,
    parse_size,
    read_cosignatures,
)
from gateway.ports import CosignAnswer

TOTAL_S: Final = 5.0
ANSWER_BYTES_MAX: Final = 65_536
TEXT_MAX: Final = 200

FOREIGN: Final = (aiohttp.ClientError, OSError, ssl.SSLError, TimeoutError)


class WitnessClient:
    """Asks one witness. `async with` it: the connection lives with the run. ``tls``: where its authority is our own."""

    def __init__(
        self, url: str, key: VerifyKey, tls: ssl.SSLContext | None = None, *, total_s: float = TOTAL_S
    ) -> None:
        self._url = url.rstrip("/") + "/add-checkpoint"
        self._key = key
        self._tls = tls
        self._total_s = total_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=True if self._tls is None else self._tls),
            timeout=aiohttp.ClientTimeout(total=self._total_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def add_checkpoint(self, old: int, proof: Sequence[bytes], note: bytes) -> CosignAnswer:
        """Offer a checkpoint (see `gateway.ports.Witness`)."""
        assert self._session is not None, "the client is used inside `async with`"
        body = format_question(old, proof, note)
        headers = {"content-type": "text/plain"}
        try:
            async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as answer:
                content = await _read_start(answer)
                return self._read(answer.status, answer.content_type, content, parse_note(note).text)
        except FOREIGN as error:
            return CosignAnswer(status=None, cause="timeout" if isinstance(error, TimeoutError) else _word(error))

    def _read(self, status: int, content_type: str, content: bytes, text: bytes) -> CosignAnswer:
        if status == OK:
            held = read_cosignatures(content, text, self._key, verify_line)
            return CosignAnswer(status=status, cosignature=held[0] if held else None, text=_short(content))
        size = parse_size(content) if status == CONFLICT and content_type == SIZE_TYPE else None
        return CosignAnswer(status=status, size=size, text=_short(content))


async def _read_start(answer: aiohttp.ClientResponse) -> bytes:
    """Return at most 64 KiB of a body."""
    body = b""
    while len(body) < ANSWER_BYTES_MAX:
        part = await answer.content.read(ANSWER_BYTES_MAX - len(body))
        if not part:
            break
        body += part
    return body


def _short(content: bytes) -> str:
    return "".join(one if one.isprintable() else " " for one in content.decode(errors="replace")[:TEXT_MAX]).strip()


def _word(error: BaseException) -> str:
    """Return why a question was not answered, in words."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "its certificate is not trusted (key ca)"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name is not known here"
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number).lower() if number is not None and number > 0 else type(error).__name__
