"""Source times of messages: from the typed value to exact nanoseconds, with the two hours a year that local time is unsure.

Nothing is rewritten: a time that cannot be an instant is `time_impossible` and the reading lives by its received time.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Context, Decimal, InvalidOperation
from typing import Any, Final, TypeAlias
from zoneinfo import ZoneInfo

from msgspec import Struct

from gateway.domain.plan import TimeRule
from gateway.domain.sample import Raw
from gateway.errors import SourceRefused

EPOCH_FACTORS: Final = {"epoch_s": 10**9, "epoch_ms": 10**6, "epoch_us": 10**3, "epoch_ns": 1}
AMBIGUOUS: Final = "time_ambiguous"
IMPOSSIBLE: Final = "time_impossible"
CLAMPED: Final = "clamped"

_NS_MAX: Final = 2**63 - 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ISO: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,18}))?\s?(?:([Zz])|([+-])(\d\d):?(\d\d)?)?", re.ASCII
)
_UTC: Final = re.compile(r"[0-5]\d(?:\.\d{1,9})?Z", re.ASCII)
"""What stands after the minute where a time is plain UTC and no leap second."""
_MINUTE_CHARACTERS: Final = len("2026-11-22T07:25:")
_SECOND_NS: Final = 1_000_000_000
_MICROSECOND: Final = timedelta(microseconds=1)
_EXACT: Final = Context(prec=200)
_PLAIN_DIGITS_MAX: Final = 19
_HOUR_LAST: Final = 23
_MINUTE_LAST: Final = 59
_LEAP_SECOND: Final = 60


class SourceTime(Struct, frozen=True, gc=False):
    """``ns`` since 1970 or None, a reason code of the transport or "", and whether second 60 was clamped.

    ``buffered``: so old that the value must have waited in the device.
    """

    ns: int | None
    reason: str = ""
    clamped: bool = False
    buffered: bool = False


NO_TIME: Final = SourceTime(None)
NO_INSTANT: Final = SourceTime(None, IMPOSSIBLE)
TimeReader: TypeAlias = Callable[[Any, int], SourceTime]
"""(value at the time's path, received ns) → source time."""


def compile_time(rule: TimeRule) -> TimeReader:
    """Return the reader of ``rule.format``; raise `SourceRefused` for an unknown format or zone."""
    if rule.format in EPOCH_FACTORS:
        return _epoch_reader(EPOCH_FACTORS[rule.format])
    zone = _zone(rule.zone)
    if rule.format == "iso8601":
        return _iso_reader(zone)
    if rule.format.startswith("strptime:"):
        return _pattern_reader(rule.format.removeprefix("strptime:"), zone)
    if rule.format == "none":
        return _no_time
    raise SourceRefused(
        f"unknown time format {rule.format!r}", remedy="use iso8601, epoch_s, _ms, _us, _ns, strptime: or none"
    )


def _no_time(_value: Any, _received_ns: int) -> SourceTime:
    return NO_TIME


def _zone(name: str | None) -> ZoneInfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise SourceRefused(
            f"time zone {name!r} is not known", remedy="name an IANA zone such as Europe/Zurich"
        ) from error


def _epoch_reader(factor: int) -> TimeReader:
    def read(value: Any, _received_ns: int) -> SourceTime:
        if type(value) is not Raw or value.type != "num":
            return NO_TIME if value is None else NO_INSTANT
        text = str(value.value)
        if text.isdigit() and len(text) <= _PLAIN_DIGITS_MAX:
            ns = int(text) * factor
        else:
            try:
                exact = Decimal(text)
                if exact.adjusted() > _PLAIN_DIGITS_MAX:
                    return NO_INSTANT
                ns = int(_EXACT.multiply(exact, Decimal(factor)).to_integral_value("ROUND_FLOOR", _EXACT))
            except InvalidOperation:
                return NO_INSTANT
        return SourceTime(ns) if -_NS_MAX <= ns <= _NS_MAX else NO_INSTANT

    return read


def _iso_reader(zone: ZoneInfo | None) -> TimeReader:
    """Return the reader of ISO 8601; the minute of the newest UTC text is remembered, so the next one costs its seconds."""
    slow = _any_iso_reader(zone)
    minute, minute_ns = "", 0

    def read(value: Any, received_ns: int) -> SourceTime:
        nonlocal minute, minute_ns
        if type(value) is not str or _UTC.fullmatch(value, _MINUTE_CHARACTERS) is None:
            return slow(value, received_ns)
        if value[:_MINUTE_CHARACTERS] != minute:
            found = slow(value[:_MINUTE_CHARACTERS] + "00Z", received_ns)
            if found.ns is None or found.ns > _NS_MAX - 60 * _SECOND_NS:
                return slow(value, received_ns)
            minute, minute_ns = value[:_MINUTE_CHARACTERS], found.ns
        return SourceTime(minute_ns + int(value[17:19]) * _SECOND_NS + int(value[20:-1].ljust(9, "0")))

    return read


def _any_iso_reader(zone: ZoneInfo | None) -> TimeReader:
    def read(value: Any, received_ns: int) -> SourceTime:
        if type(value) is not str:
            return NO_TIME if value is None else NO_INSTANT
        found = _ISO.fullmatch(value)
        if found is None:
            return NO_INSTANT
        year, month, day, hour, minute, second, fraction, utc, sign, off_h, off_m = found.groups()
        fixed: tzinfo | None = None
        if utc:
            fixed = UTC
        elif sign:
            offset = timedelta(hours=int(off_h), minutes=int(off_m or 0))
            if int(off_h) > _HOUR_LAST or int(off_m or 0) > _MINUTE_LAST:
                return NO_INSTANT
            fixed = timezone(-offset if sign == "-" else offset)
        sub_ns = int((fraction or "0")[:9].ljust(9, "0"))
        clamped = second == "60"
        try:
            local = datetime(
                int(year), int(month), int(day), int(hour), int(minute), 59 if clamped else int(second), tzinfo=UTC
            )
        except ValueError:
            return NO_INSTANT
        return _instant(local, 999_999_999 if clamped else sub_ns, fixed, zone, received_ns, clamped=clamped)

    return read


def _pattern_reader(pattern: str, zone: ZoneInfo | None) -> TimeReader:
    def read(value: Any, received_ns: int) -> SourceTime:
        if type(value) is not str:
            return NO_TIME if value is None else NO_INSTANT
        clamped = False
        try:
            local = datetime.strptime(value, pattern)  # noqa: DTZ007 - the zone is judged below
        except ValueError:
            try:
                parts = time.strptime(value, pattern)
                local = datetime(*parts[:5], 59)  # noqa: DTZ001 - the zone is judged below
            except ValueError:
                return NO_INSTANT
            if parts.tm_sec != _LEAP_SECOND:
                return NO_INSTANT
            clamped = True
            offset_s: Any = parts.tm_gmtoff  # the stub says int; without %z there is none
            if offset_s is not None:
                local = local.replace(tzinfo=timezone(timedelta(seconds=offset_s)))
        sub_ns = 999_999_999 if clamped else local.microsecond * 1000
        plain = local.replace(microsecond=0, tzinfo=UTC)
        return _instant(plain, sub_ns, local.tzinfo, zone, received_ns, clamped=clamped)

    return read


def _instant(
    local: datetime, sub_ns: int, fixed: tzinfo | None, zone: ZoneInfo | None, received_ns: int, *, clamped: bool
) -> SourceTime:
    """Return the instant of a wall time; ``local`` carries UTC only to count its seconds."""
    wall_ns = (local - _EPOCH) // _MICROSECOND * 1000 + sub_ns
    if fixed is not None:
        return _checked(wall_ns, fixed.utcoffset(local), "", clamped=clamped)
    if zone is None:
        return NO_INSTANT
    first = local.replace(tzinfo=zone, fold=0).utcoffset()
    second = local.replace(tzinfo=zone, fold=1).utcoffset()
    assert first is not None
    assert second is not None
    if first == second:
        return _checked(wall_ns, first, "", clamped=clamped)
    if first < second:  # the clocks were put forward over this hour: it never was
        return NO_INSTANT
    near = min((first, second), key=lambda offset: abs(wall_ns - _ns(offset) - received_ns))
    return _checked(wall_ns, near, AMBIGUOUS, clamped=clamped)


def _checked(wall_ns: int, offset: timedelta | None, reason: str, *, clamped: bool) -> SourceTime:
    assert offset is not None
    ns = wall_ns - _ns(offset)
    return SourceTime(ns, reason, clamped) if -_NS_MAX <= ns <= _NS_MAX else NO_INSTANT


def _ns(offset: timedelta) -> int:
    return offset // _MICROSECOND * 1000
