"""The list of all time stamps of a log, which is stamped as a whole before an authority ends (`ledger.md` 4, `docs/formats/notes.md`).

::

    gateway-tokens/1
    <origin>
    <tree size> <SHA-256 of the answer>      one line per record `anchor timestamped`, in the order of the ledger

A stamp over the list shows that every answer in it was there while its authority's certificate still held. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from gateway.errors import EvidenceRefused

HEADER: Final = "gateway-tokens/1"
LIST, LIST_TOKEN = "list_sha256", "list_token_sha256"
"""Facts of the `anchor timestamped` of a list: the side objects that hold the list and the answer over it."""
ENDS: Final = "ends_ns"
"""Fact of every `anchor timestamped`: when the first certificate under its answer ends, ns since 1970."""
_LINE: Final = re.compile(r"(0|[1-9][0-9]{0,18}) ([0-9a-f]{64})")


class Token(NamedTuple):
    """One time stamp: the tree size it is about, SHA-256 of the answer (hex)."""

    size: int
    sha256: str


def format_tokens(origin: str, tokens: Sequence[Token]) -> bytes:
    """Return the list of these time stamps."""
    lines = [HEADER, origin, *(f"{one.size} {one.sha256}" for one in tokens)]
    return "".join(f"{line}\n" for line in lines).encode()


def parse_tokens(content: bytes) -> tuple[str, list[Token]]:
    """Return origin and time stamps of a list; refuse any other spelling."""
    try:
        header, origin, *lines = content.decode().split("\n")
    except (UnicodeDecodeError, ValueError) as error:
        raise EvidenceRefused(f"first line is not {HEADER}") from error
    if header != HEADER or not lines or lines.pop():
        raise EvidenceRefused(f"first line is not {HEADER}, or the last does not end")
    found = [_LINE.fullmatch(line) for line in lines]
    if not all(found):
        raise EvidenceRefused("a line is not <size> <SHA-256>")
    return origin, [Token(int(one[1]), one[2]) for one in found if one is not None]


def is_list(facts: Any) -> bool:
    """Tell by its facts whether an `anchor timestamped` is about a list of time stamps."""
    return isinstance(facts, dict) and LIST in facts
