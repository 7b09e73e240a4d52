"""Counts of the readings an InfluxDB holds, by signal and day: InfluxQL for v1, Flux for v2, SQL for v3 (`interface.md` 7)."""

from __future__ import annotations

import csv
import io
import ssl
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp
import msgspec

from gateway.adapters.influx import FOREIGN, InfluxTarget, credentials
from gateway.config.environment import reason
from gateway.domain.times import format_time
from gateway.errors import Unavailable

Counts = dict[tuple[str, str], int]
"""(signal, UTC day as 2026-11-24) → readings."""

DAY_NS: Final = 86_400_000_000_000
TOTAL_S: Final = 120.0
_OK: Final = 200
_FIX: Final = "may this token or user read? A projection is never the record: recording goes on"


async def count_readings(
    target: InfluxTarget, tls: ssl.SSLContext | None, gateway: str, from_ns: int, to_ns: int
) -> Counts:
    """Return the readings of a gateway with an effective time in ``[from_ns, to_ns)``; raise `Unavailable`."""
    ask = {"v1": _ask_v1, "v2": _ask_v2, "v3": _ask_v3}[target.api]
    connector = aiohttp.TCPConnector(ssl=True if tls is None else tls)
    timeout = aiohttp.ClientTimeout(total=TOTAL_S)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session:
        try:
            return await ask(session, target, gateway, from_ns, to_ns)
        except FOREIGN as error:
            why = reason(error) if isinstance(error, OSError) else str(error) or type(error).__name__
            raise Unavailable(f"{target.url}: {why}", remedy="is it on, and reachable from here?") from error
        except (msgspec.DecodeError, msgspec.ValidationError, KeyError, ValueError) as error:
            raise Unavailable(
                f"{target.url} answers in no form of InfluxDB {target.api}: {error}", remedy="check url and api"
            ) from error


class _Series(msgspec.Struct):
    tags: dict[str, str] = {}
    values: list[tuple[int, int]] = []


class _Result(msgspec.Struct):
    series: list[_Series] = []
    error: str = ""


class _Results(msgspec.Struct):
    results: list[_Result] = []


class _Row(msgspec.Struct):
    signal: str
    day: str
    n: int


async def _ask_v1(
    session: aiohttp.ClientSession, target: InfluxTarget, gateway: str, from_ns: int, to_ns: int
) -> Counts:
    database, _, policy = target.bucket.partition("/")
    query = (
        f'SELECT count("ledger_index") FROM "reading" WHERE "gateway" = {_quoted(gateway)} AND time >= {from_ns} '  # noqa: S608 - two numbers and a quoted id of our own configuration
        f'AND time < {to_ns} GROUP BY time(1d), "signal" fill(none)'
    )
    given = {"db": database, "epoch": "ns", "q": query} | ({"rp": policy} if policy else {})
    content = await _asked(session.get(_url(target, "/query"), params=given, headers=credentials(target)), target)
    counts: Counts = {}
    for result in msgspec.json.decode(content, type=_Results).results:
        if result.error:
            raise ValueError(result.error)
        for series in result.series:
            counts |= {(series.tags["signal"], _day(at)): count for at, count in series.values if count}
    return counts


async def _ask_v2(
    session: aiohttp.ClientSession, target: InfluxTarget, gateway: str, from_ns: int, to_ns: int
) -> Counts:
    query = (
        f"from(bucket: {_text(target.bucket)}) |> range(start: {format_time(from_ns)}, stop: {format_time(to_ns)}) "
        f'|> filter(fn: (r) => r._measurement == "reading" and r._field == "ledger_index" and r.gateway == {_text(gateway)}) '
        '|> group(columns: ["signal"]) '
        '|> aggregateWindow(every: 1d, fn: count, timeSrc: "_start", createEmpty: false) '
        '|> keep(columns: ["signal", "_time", "_value"])'
    )
    headers = {"content-type": "application/vnd.flux", "accept": "application/csv", **credentials(target)}
    asked = session.post(
        _url(target, "/api/v2/query"), params={"org": target.org or "-"}, data=query.encode(), headers=headers
    )
    text = (await _asked(asked, target)).decode()
    counts: Counts = {}
    for row in _flux_rows(text):
        key = row["signal"], row["_time"][: len("2026-11-24")]
        counts[key] = counts.get(key, 0) + int(row["_value"])
    return counts


async def _ask_v3(
    session: aiohttp.ClientSession, target: InfluxTarget, gateway: str, from_ns: int, to_ns: int
) -> Counts:
    query = (
        "SELECT signal, date_bin(INTERVAL '1 day', time) AS day, count(ledger_index) AS n FROM reading "  # noqa: S608 - as above
        f"WHERE gateway = {_quoted(gateway)} AND time >= '{format_time(from_ns)}' AND time < '{format_time(to_ns)}' "
        "GROUP BY 1, 2"
    )
    given = {"db": target.bucket, "q": query, "format": "json"}
    asked = session.post(_url(target, "/api/v3/query_sql"), json=given, headers=credentials(target))
    rows = msgspec.json.decode(await _asked(asked, target), type=list[_Row])
    return {(row.signal, row.day[: len("2026-11-24")]): row.n for row in rows if row.n}


async def _asked(asking: Any, target: InfluxTarget) -> bytes:
    async with asking as answer:
        content: bytes = await answer.read()
        if answer.status != _OK:
            said = content[:200].decode(errors="replace").strip()
            raise Unavailable(f"{target.url} answers {answer.status}: {said}", remedy=_FIX)
        return content


def _flux_rows(text: str) -> list[dict[str, str]]:
    """Return the rows of annotated CSV; every table of it begins with its own header."""
    rows: list[dict[str, str]] = []
    header: list[str] = []
    for line in csv.reader(io.StringIO(text)):
        if not line or line[0].startswith("#"):
            header = []
        elif not header:
            header = line
        elif line != header:
            rows.append(dict(zip(header, line, strict=True)))
    return rows


def _url(target: InfluxTarget, path: str) -> str:
    return target.url.rstrip("/") + path


def _day(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d")


def _quoted(text: str) -> str:
    """Return text between single quotes; ids hold neither quote nor backslash, a bucket is never put into a query."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _text(text: str) -> str:
    """Return a string of Flux."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${") + '"'
