"""Times as people and APIs read them: RFC 3339, UTC, exact to the nanosecond (RFC 3339 section 5.6)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from gateway.errors import Refused

SECOND_NS = 1_000_000_000
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII
)
LEAP = 60
"""The second that UTC puts in at times; the count since 1970 has none, it is told as the one before."""


def parse_time(text: str) -> int:
    """Return ns since 1970 of a time with zone; raise `Refused` for anything else."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise Refused(
            f"{text!r} is no time with zone", code="BAT-004", remedy="write it as 2026-11-22T03:01:20.5Z (RFC 3339)"
        )
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    try:
        moment = datetime(year, month, day, hour, minute, 59 if second == LEAP else second, tzinfo=UTC)
    except ValueError as error:
        raise Refused(f"{text!r}: {error}", code="BAT-004", remedy="write it as 2026-11-22T03:01:20.5Z") from error
    seconds = int(moment.timestamp())
    zone = found.group(8)
    if zone not in "Zz":
        sign = 1 if zone[0] == "+" else -1
        seconds -= sign * (int(zone[1:3]) * 3600 + int(zone[4:6]) * 60)
    return seconds * SECOND_NS + int((found.group(7) or "0").ljust(9, "0"))


def format_time(at_ns: int) -> str:
    """Return UTC with as many fraction digits as the time needs: none, 3, 6 or 9."""
    seconds, fraction = divmod(at_ns, SECOND_NS)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    if not fraction:
        return text + "Z"
    digits = f"{fraction:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{text}.{digits}Z"
