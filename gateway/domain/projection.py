"""Cursor and dead letter of a projection: how far a target is, and which lines it refused (`interface.md` 7)."""

from __future__ import annotations

from msgspec import Struct


class Cursor(Struct, frozen=True, kw_only=True):
    """How far a target is: the next ledger index of one log that it has not confirmed."""

    origin: str
    next_index: int
    target_fingerprint: str


class DeadLetter(Struct, frozen=True, kw_only=True):
    """One line the target refused: ledger index, the line, status and at most 1 kB of what was said."""

    index: int
    line: str
    status: int | None
    body: str
