"""Reads a bundle's manifest by rules that a second verifier can repeat: these members, these types, nothing guessed."""

from __future__ import annotations

import re
from typing import Any, Final, cast

import msgspec
from msgspec import Struct

from gateway.ledger.bundle import FORMAT

_HASH: Final = re.compile(r"[0-9a-f]{64}")


class Span(Struct):
    """Readings of one signal: n from first to last, without hole but for the withheld pairs."""

    n_first: int
    n_last: int
    withheld: list[tuple[int, int]]


class Manifest(Struct):
    """What verification needs of ``manifest.json``."""

    origin: str
    subject: str
    size: int
    root: str
    count: int
    signals: dict[str, Span]
    files: dict[str, str]


class _Refused(Exception):
    """A member is missing or has another type."""


def read_manifest(content: bytes) -> Manifest | None:
    """Return the manifest, None if it is not one of format gateway-bundle/1."""
    try:
        document: Any = msgspec.json.decode(content)
        return _read(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, _Refused):
        return None


def _read(document: Any) -> Manifest:
    top = _dict(document)
    if top.get("format") != FORMAT or not _HASH.fullmatch(_text(top.get("root"))):
        raise _Refused
    subject = _dict(top.get("subject"))
    signals: dict[str, Span] = {}
    for one in map(_dict, _list(top.get("signals"))):
        pairs = [_list(pair) for pair in _list(one.get("withheld"))]
        if any(len(pair) != 2 for pair in pairs):  # noqa: PLR2004  [first, last]
            raise _Refused
        withheld = [(_int(first), _int(last)) for first, last in pairs]
        signals[_text(one.get("signal"))] = Span(_int(one.get("n_first")), _int(one.get("n_last")), withheld)
    return Manifest(
        _text(top.get("origin")),
        f"{_text(subject.get('kind'))} {_text(subject.get('id'))}",
        _int(top.get("size")),
        _text(top.get("root")),
        _int(top.get("count")),
        signals,
        {name: _text(sha) for name, sha in _dict(top.get("files")).items()},
    )


def _dict(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Refused
    return cast("dict[str, Any]", value)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _Refused
    return value  # pyright: ignore[reportUnknownVariableType]  a JSON array


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _Refused
    return value


def _int(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise _Refused
    return value
