"""InfluxDB targets (port `ProjectionSink`): v2 by the official client, v1 and v3 by aiohttp, the same lines for all.

Answers are mapped by the table of `interface.md` 7; nothing here retries, batches or decides what counts as written.
"""

from __future__ import annotations

import gzip
import re
import ssl
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from hashlib import sha256
from types import TracebackType
from typing import Any, Final, Literal, Self

import aiohttp
import msgspec
from msgspec import Struct

from gateway.ports import ProjectionAnswer, SystemClock

TIMEOUT_S: Final = 20.0
_BODY_MAX: Final = 4_096
_PACK_LEVEL: Final = 1
_NS_PER_S: Final = 1_000_000_000
_STOPPING: Final = frozenset({401, 403, 404})
_TOO_LARGE: Final = 413
_BUSY: Final = frozenset({408, 425, 429})
FOREIGN: Final = (aiohttp.ClientError, OSError, TimeoutError, ssl.SSLError)
_NAMED: Final = re.compile(r"unable to parse '((?:[^'\\]|\\.)*)'")


class InfluxTarget(Struct, frozen=True, kw_only=True):
    """One `influx` sink as configured; secrets are resolved. ``bucket`` is the database of v1 and v3."""

    url: str
    api: Literal["v1", "v2", "v3"]
    bucket: str
    org: str | None = None
    token: str | None = None
    user: str | None = None
    password: str | None = None


def credentials(target: InfluxTarget) -> dict[str, str]:
    """Return the header that a target's token or user makes."""
    if target.token is not None:
        return {"Authorization": f"{'Bearer' if target.api == 'v3' else 'Token'} {target.token}"}
    if target.user is not None:
        return {"Authorization": aiohttp.encode_basic_auth(target.user, target.password or "")}
    return {}


class InfluxSink:
    """One target; `async with` it. ``tls`` is a context with the sink's own CA, None for the system's."""

    def __init__(self, target: InfluxTarget, clock: SystemClock, tls: ssl.SSLContext | None = None) -> None:
        self._target = target
        self._clock = clock
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None
        self._client: Any = None

    @property
    def fingerprint(self) -> str:
        """Hash of address, database and layout: a cursor belongs to one fingerprint."""
        target = self._target
        text = "\n".join(("lines/1", target.api, target.url.rstrip("/"), target.org or "", target.bucket))
        return sha256(text.encode()).hexdigest()

    async def __aenter__(self) -> Self:
        if self._target.api == "v2":
            self._client = self._open_client()
        else:
            connector = aiohttp.TCPConnector(ssl=True if self._tls is None else self._tls)
            timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def write(self, lines: Sequence[bytes]) -> ProjectionAnswer:
        """Write lines in one request; never raises for the world."""
        try:
            if self._target.api == "v2":
                return await self._write_v2(lines)
            return await self._write_http(lines)
        except FOREIGN as error:
            return ProjectionAnswer(verdict="retry", body=type(error).__name__)

    def _open_client(self) -> Any:
        from influxdb_client.client.influxdb_client_async import (  # noqa: PLC0415 - 2 s and 19 MB, only for v2
            InfluxDBClientAsync,
        )

        target = self._target
        token = target.token or (f"{target.user}:{target.password}" if target.user else "")
        return InfluxDBClientAsync(
            url=target.url,
            token=token,
            org=target.org or "-",
            timeout=int(TIMEOUT_S * 1_000),
            enable_gzip=True,
            ssl_context=self._tls,
            allow_redirects=False,
        )

    async def _write_v2(self, lines: Sequence[bytes]) -> ProjectionAnswer:
        from influxdb_client.rest import ApiException  # noqa: PLC0415 - as above

        try:
            await self._client.write_api().write(bucket=self._target.bucket, record=list(lines))
        except ApiException as error:
            refused: Any = error
            if not refused.status:
                return ProjectionAnswer(verdict="retry", body=str(refused.reason)[:_BODY_MAX])
            content = refused.body or b""
            body = content if isinstance(content, str) else content.decode(errors="replace")
            headers: Mapping[str, str] = refused.headers or {}
            return self._judge(int(refused.status), body[:_BODY_MAX], headers.get("Retry-After"), lines)
        return ProjectionAnswer(verdict="ok", status=204)  # the client raises for everything that is not 2xx

    async def _write_http(self, lines: Sequence[bytes]) -> ProjectionAnswer:
        assert self._session is not None, "the sink is used inside `async with`"
        path, given = self._route()
        async with self._session.post(
            self._target.url.rstrip("/") + path,
            params=given,
            data=gzip.compress(b"\n".join(lines) + b"\n", _PACK_LEVEL),
            headers={
                "Content-Encoding": "gzip",
                "Content-Type": "text/plain; charset=utf-8",
                **credentials(self._target),
            },
            allow_redirects=False,
        ) as answer:
            body = (await answer.content.read(_BODY_MAX)).decode(errors="replace")
            return self._judge(answer.status, body, answer.headers.get("Retry-After"), lines)

    def _route(self) -> tuple[str, dict[str, str]]:
        target = self._target
        if target.api == "v3":
            given = {"db": target.bucket, "precision": "nanosecond", "accept_partial": "true", "no_sync": "false"}
            return "/api/v3/write_lp", given
        database, _, policy = target.bucket.partition("/")
        given = {"db": database, "precision": "ns"}
        return "/write", given | ({"rp": policy} if policy else {})

    def _judge(self, status: int, body: str, retry_after: str | None, lines: Sequence[bytes]) -> ProjectionAnswer:
        if status in {200, 204}:
            return ProjectionAnswer(verdict="ok", status=status)
        if status in _STOPPING:
            return ProjectionAnswer(verdict="stop", status=status, body=body)
        if status == _TOO_LARGE:
            return ProjectionAnswer(verdict="too_large", status=status, body=body)
        if status in _BUSY or status >= 500:  # noqa: PLR2004 - any server error
            wait_s = self._retry_after(retry_after)
            return ProjectionAnswer(verdict="retry", status=status, body=body, retry_after_s=wait_s)
        return ProjectionAnswer(verdict="refused", status=status, body=body, bad_lines=named_lines(body, lines))

    def _retry_after(self, text: str | None) -> float | None:
        if text is None:
            return None
        if text.strip().isdecimal():
            return float(text)
        try:
            date = parsedate_to_datetime(text)
        except ValueError:
            return None
        return max(0.0, date.timestamp() - self._clock.now().wall_ns / _NS_PER_S)


class _BadLine(Struct):
    line_number: int = 0


class _Refusal(Struct):
    """What a refusal says: v3 numbers lines in ``data``, v2 has ``message``, v1 ``error``."""

    data: list[_BadLine] | None = None
    message: str = ""
    error: str = ""


def named_lines(body: str, lines: Sequence[bytes]) -> tuple[int, ...]:
    """Return the positions of the lines that a refusal names, by number (v3) or by their text (v1, v2)."""
    try:
        said = msgspec.json.decode(body, type=_Refusal)
    except (msgspec.DecodeError, UnicodeEncodeError):
        said = _Refusal(error=body)
    if said.data is not None:
        return tuple(sorted({one.line_number - 1 for one in said.data if 0 < one.line_number <= len(lines)}))
    wanted = {match.encode() for match in _NAMED.findall(said.message or said.error)}
    return tuple(position for position, line in enumerate(lines) if line in wanted)
