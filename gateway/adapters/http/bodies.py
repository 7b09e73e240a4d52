"""Bodies of the REST API as pydantic models: unknown fields are refused, numbers and times are text where exactness counts."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class NodeUse(_Body):
    """A node the batch uses from the event's effective time on."""

    node: str
    use: Literal["process", "room", "storage"] = "process"
    room: str | None = None


class BatchEventBody(_Body):
    """`POST /api/v1/batches/{id}/events`: one event of one batch; a plant event is a fact and has no person."""

    event: Literal["create", "start", "use", "release", "phase", "hold", "resume", "end", "abort", "cancel"]
    effective_time: str | None = Field(default=None, description="RFC 3339 with zone, to the nanosecond; absent: now")
    nodes: list[NodeUse] = []
    client: str | None = None
    phase: str | None = None
    header: dict[str, str | int | float | bool] = {}
    reason: str | None = None

    @field_validator("effective_time")
    @classmethod
    def _is_time(cls, text: str | None) -> str | None:
        if text is not None:
            parse_time(text)
        return text


def parse_time(text: str) -> int:
    """Return ns since 1970 of an RFC 3339 time with zone; exact to the nanosecond (RFC 3339 section 5.6)."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError("not an RFC 3339 time with zone, such as 2026-11-22T03:01:20.5Z")
    from datetime import UTC, datetime  # noqa: PLC0415 - only where people type times

    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    seconds = int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())
    zone = found.group(8)
    if zone not in "Zz":
        sign = 1 if zone[0] == "+" else -1
        seconds -= sign * (int(zone[1:3]) * 3600 + int(zone[4:6]) * 60)
    return seconds * 1_000_000_000 + int((found.group(7) or "0").ljust(9, "0"))


def format_time(at_ns: int) -> str:
    """Return RFC 3339 UTC with as many fraction digits as the time needs (none, or 3, 6, 9)."""
    from datetime import UTC, datetime  # noqa: PLC0415 - only where people read times

    seconds, fraction = divmod(at_ns, 1_000_000_000)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    if not fraction:
        return text + "Z"
    digits = f"{fraction:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{text}.{digits}Z"
