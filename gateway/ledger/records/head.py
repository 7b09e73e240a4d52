"""Head of every record and the small values that several kinds share (`ledger.md` section 1).

Members stand in the order of the page. An optional member that has nothing to say is ``UNSET`` and is left out; ``null``
exists only as ``value``. Stored bytes are never re-serialised: a record is formatted once, when it is made.
"""

from __future__ import annotations

import base64
import re
from hashlib import sha256
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import UNSET, Struct, UnsetType

from gateway.domain.sample import Raw

Facts: TypeAlias = dict[str, Any]
"""Flat object, keys ``[a-z][a-z0-9_]*`` in byte order, scalars or lists."""

CONTENT_BYTES_MAX = 49_152
"""Longest `Bytes` text kept in the record itself; longer content becomes a side object."""


_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
"""Bytes below U+0020 but tab, LF and CR."""

_CERTAINLY_SHORT = CONTENT_BYTES_MAX // 6
"""No escaping makes a text of this length too long: six characters for one is the most (`\\u00xx`)."""

_encode = msgspec.json.Encoder().encode


class Head(Struct, frozen=True, kw_only=True):
    """v · kind · at_ns · boot_ns · clock · dev? · test?; times in ns, ``clock`` the number of the newest clock record."""

    v: int = 1
    kind: str
    at_ns: int
    boot_ns: int
    clock: int
    dev: bool | UnsetType = UNSET
    test: bool | UnsetType = UNSET


class Content(Struct, frozen=True, kw_only=True):
    """`Bytes` of the page: ``{"utf8":…}``, ``{"b64":…}`` or ``{"sha256":hash,"len":n}`` with a side object."""

    utf8: str | UnsetType = UNSET
    b64: str | UnsetType = UNSET
    sha256: str | UnsetType = UNSET
    len: int | UnsetType = UNSET


class ObjectRef(Struct, frozen=True, kw_only=True):
    """What an act or a delivery is about."""

    kind: str
    id: str
    version: int | UnsetType = UNSET


def format_content(content: bytes) -> tuple[Content, bytes | None]:
    """Return the `Bytes` member for ``content`` and, when it is too long, the side object to make durable first."""
    text = _plain_text(content)
    size = len(content) if text is not None else 4 * -(-len(content) // 3)
    if text is not None and size > _CERTAINLY_SHORT:
        size = len(_encode(text)) - 2  # as it stands in the record: a text of quotes and backslashes doubles
    if size > CONTENT_BYTES_MAX:
        return Content(sha256=sha256(content).hexdigest(), len=len(content)), content
    return Content(utf8=text) if text is not None else Content(b64=base64.b64encode(content).decode()), None


def parse_content(member: Content) -> bytes | None:
    """Return the bytes a `Bytes` member holds, None when they stand in a side object."""
    if isinstance(member.utf8, str):
        return member.utf8.encode()
    if isinstance(member.b64, str):
        return base64.b64decode(member.b64, validate=True)
    return None


def format_raw(raw: Raw) -> dict[str, Any]:
    """Return the one-member object of a wire value, ``{"f32":"439b1852"}``."""
    if isinstance(raw.value, list):
        return {raw.type: [format_raw(one) for one in raw.value]}
    return {raw.type: raw.value}


def _plain_text(content: bytes) -> str | None:
    """Return the text if it is UTF-8 with nothing below U+0020 but tab, LF and CR."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    if text.isprintable():  # nearly every message; a control character never is
        return text
    return None if _CONTROL.search(content) is not None else text
