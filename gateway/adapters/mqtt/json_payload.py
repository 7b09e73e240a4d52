"""Strict JSON of devices: UTF-8, no key twice, no NaN, bounded depth and digits, numbers exactly as typed.

The scanner is the standard library's in C; its hooks make a number a `Raw` at once, so that nothing is ever a float.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, NoReturn, cast

from gateway.domain.sample import Raw

DEPTH_MAX: Final = 32
DIGITS_MAX: Final = 100

OBJECT: Final[type[Any]] = dict
ARRAY: Final[type[Any]] = list
"""What parts of a tree are; `type(part) is OBJECT` is exact and the cheapest question."""

_NUMBER = b"0123456789+-.eE"
_RUNS: Final = bytes(0x30 if byte in _NUMBER else 0x20 for byte in range(256))
_TOO_LONG: Final = b"0" * (DIGITS_MAX + 1)
_BOMS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")

_new: Final[Callable[[type[Raw], tuple[str, str]], Raw]] = tuple[str, str].__new__


class Unreadable(ValueError):
    """The whole message goes to quarantine; ``reason`` is a code of `ingest.md` 6."""

    def __init__(self, reason: str, why: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.why = why


def _number(text: str) -> Raw:
    return _new(Raw, ("num", text))


def _constant(name: str) -> NoReturn:
    raise Unreadable("not_finite", f"{name} is no number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Unreadable("duplicate_key", f"key {twice[:100]!r} stands twice")
    return found


_decoder: Final = json.JSONDecoder(
    parse_float=_number,
    parse_int=_number,
    parse_constant=_constant,
    object_pairs_hook=_object,
)
_foreign: Any = _decoder
_scan: Final = cast("Callable[[str, int], tuple[Any, int]]", _foreign.scan_once)
"""The scanner in C without the white space around a document, which devices do not send."""


def _decode(text: str) -> Any:
    try:
        tree, end = _scan(text, 0)
    except StopIteration:  # white space in front, or no value at all
        return _decoder.decode(text)
    return tree if end == len(text) else _decoder.decode(text)


def parse_json(content: bytes) -> Any:
    """Return the tree: dict, list, str, bool, None, and `Raw` ``num`` for each number; raise `Unreadable`."""
    text = decode_text(content)
    try:
        tree = _decode(text)
    except RecursionError:
        raise Unreadable("too_deep", f"nested deeper than {DEPTH_MAX}") from None
    except json.JSONDecodeError as error:
        raise Unreadable("not_json", f"{error.msg} at character {error.pos}") from None
    if content.count(b"{") + content.count(b"[") > DEPTH_MAX and _deeper(tree, DEPTH_MAX):
        raise Unreadable("too_deep", f"nested deeper than {DEPTH_MAX}")
    if len(content) > DIGITS_MAX and _TOO_LONG in content.translate(_RUNS) and _has_long_number(tree):
        raise Unreadable("too_long", f"a number has more than {DIGITS_MAX} digits")
    return tree


def decode_text(content: bytes) -> str:
    """Return the text of strict UTF-8 without byte order mark; raise `Unreadable` (``not_utf8``, ``not_json`` if empty)."""
    if content.startswith(_BOMS):
        raise Unreadable("not_utf8", "a byte order mark")
    if content.startswith(b"\x1f\x8b"):
        raise Unreadable("not_json", "compressed (gzip)")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise Unreadable("not_utf8", f"{error.reason} at byte {error.start}") from None
    if not text or "\x00" in text:
        raise Unreadable("not_json", "empty" if not text else "a NUL character: UTF-16 or binary")
    return text


def format_tree(tree: Any) -> str:
    """Return compact JSON of a part of the tree, numbers as typed, member order as received."""
    if type(tree) is Raw:
        return str(tree.value)
    if type(tree) is OBJECT:
        members: dict[str, Any] = tree
        return (
            "{"
            + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{format_tree(one)}" for key, one in members.items())
            + "}"
        )
    if type(tree) is ARRAY:
        return "[" + ",".join(format_tree(one) for one in tree) + "]"
    return json.dumps(tree, ensure_ascii=False)


def _deeper(tree: Any, levels: int) -> bool:
    """Tell whether containers are nested deeper than ``levels``, level by level: no recursion of ours."""
    level = [tree]
    for _ in range(levels):
        level = [part for part in level if type(part) is OBJECT or type(part) is ARRAY]
        if not level:
            return False
        level = [one for part in level for one in (part.values() if type(part) is OBJECT else part)]
    return any(type(part) is OBJECT or type(part) is ARRAY for part in level)


def _has_long_number(tree: Any) -> bool:
    """Tell whether any number of the tree has more digits than we take."""
    rest = [tree]
    while rest:
        part = rest.pop()
        if type(part) is Raw:
            if sum(c.isdigit() for c in str(part.value)) > DIGITS_MAX:
                return True
        elif type(part) is OBJECT:
            rest.extend(part.values())
        elif type(part) is ARRAY:
            rest.extend(part)
    return False
