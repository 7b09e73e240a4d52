"""Event body: CloudEvents 1.0 in structured or binary mode, ASCII, without spaces, at most 20,000 bytes (HOOK-05)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final, NamedTuple, TypeVar
from urllib.parse import quote

import msgspec

from gateway.errors import Refused
from gateway.pipeline.event_data import DeviationData, Envelope, More

BODY_BYTES_MAX: Final = 20_000
BATCHES_MAX: Final = 50
EXCURSIONS_MAX: Final = 20
STRUCTURED: Final = "application/cloudevents+json"

_ENCODE: Final = msgspec.json.Encoder().encode
_PLAIN: Final = "".join(letter for letter in map(chr, range(0x21, 0x7F)) if letter not in '"%')
"""What stands unescaped in a `ce-*` header (CloudEvents HTTP binding 3.1.3.2)."""

_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]")
_NS_PER_S: Final = 1_000_000_000
_NS_PER_MS: Final = 1_000_000
_MS_PER_S: Final = 1_000

_Item = TypeVar("_Item")


class EventBody(NamedTuple):
    """Exact bytes to post and the headers that belong to them (content type, and `ce-*` in binary mode)."""

    content: bytes
    headers: dict[str, str]


def format_event(event: Envelope, *, mode: str = "structured", content_type: str = STRUCTURED) -> EventBody:
    """Return the body of an event; lists that are too long end with `{"more": n}`.

    Raises `Refused` HOOK-05 if the body is over 20,000 bytes even after shortening.
    """
    event = _shorten(event)
    if mode == "binary":
        content = format_ascii(_ENCODE(event.data))
        attributes = msgspec.structs.asdict(event)
        headers = {f"ce-{name}": quote(value, _PLAIN) for name, value in attributes.items() if isinstance(value, str)}
        headers["content-type"] = headers.pop("ce-datacontenttype")
    else:
        content = format_ascii(_ENCODE(event))
        headers = {"content-type": content_type}
    if len(content) > BODY_BYTES_MAX:
        raise Refused(
            f"body {len(content):,} bytes exceeds 20,000 after shortening",
            code="HOOK-05",
            remedy="the whole content stands in the bundle; shorten titles, documents or comments in the configuration",
        )
    return EventBody(content, headers)


def format_ascii(content: bytes) -> bytes:
    r"""Return JSON bytes with every character beyond ASCII as `\uXXXX` (surrogate pairs beyond U+FFFF)."""
    if content.isascii():
        return content
    return _NOT_ASCII.sub(_escape, content.decode()).encode()


def format_ms(time_ns: int) -> str:
    """Return RFC 3339 in UTC with milliseconds, cut and never rounded up into the future."""
    return format_seconds(time_ns)[:-1] + f".{time_ns // _NS_PER_MS % _MS_PER_S:03d}Z"


def format_seconds(time_ns: int) -> str:
    """Return RFC 3339 in UTC with whole seconds."""
    return datetime.fromtimestamp(time_ns // _NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _shorten(event: Envelope) -> Envelope:
    data = event.data
    if not isinstance(data, DeviationData):
        return event
    if len(data.excursions) <= EXCURSIONS_MAX and len(data.batches) <= BATCHES_MAX:
        return event
    data = msgspec.structs.replace(
        data,
        excursions=_cut(data.excursions, EXCURSIONS_MAX),
        batches=_cut(data.batches, BATCHES_MAX),
    )
    return msgspec.structs.replace(event, data=data)


def _cut(items: list[_Item], most: int) -> list[_Item | More]:
    if len(items) <= most:
        return [*items]
    return [*items[:most], More(more=len(items) - most)]


def _escape(match: re.Match[str]) -> str:
    units = match.group().encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
