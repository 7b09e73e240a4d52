"""Published heads and the cosignatures that each has gathered: which note has its quorum, and since when none has."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from gateway.ledger.note import Line, add_lines
from gateway.ledger.policy import Policy

HEADS_MAX: Final = 8
"""Heads that may still gather cosignatures: with one every 10 s, no witness that answers within its 5 s is too late."""


class PublishedHead(Struct, kw_only=True):
    """A published checkpoint: size, sealed note, when it was published (monotonic ns), lines by witness name."""

    size: int
    note: bytes
    at_ns: int
    urgent: bool = False
    lines: dict[str, Line] = {}


class CosignedNote(Struct, frozen=True):
    """A published checkpoint with cosignatures in the order of the policy; ``quorum``: they satisfy it."""

    size: int
    note: bytes
    quorum: bool
    urgent: bool


class WitnessHeads:
    """Keeps the oldest head without quorum, for its age, and the newest ones, for their lines."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._heads: list[PublishedHead] = []
        self.best: CosignedNote | None = None

    @property
    def newest(self) -> PublishedHead | None:
        """The head that was published last."""
        return self._heads[-1] if self._heads else None

    @property
    def witnessed(self) -> int:
        """The largest size with quorum in this run."""
        return 0 if self.best is None else self.best.size

    @property
    def waiting_since_ns(self) -> int | None:
        """When the oldest head without quorum was published; None when the newest one has it."""
        waiting = [head.at_ns for head in self._heads if head.size > self.witnessed]
        return waiting[0] if waiting else None

    def published(self, size: int, note: bytes, at_ns: int, *, urgent: bool = False) -> None:
        """Take a newly published head."""
        self._heads.append(PublishedHead(size=size, note=note, at_ns=at_ns, urgent=urgent, lines={}))
        if len(self._heads) > HEADS_MAX:
            del self._heads[1]

    def add(self, size: int, name: str, line: Line) -> CosignedNote | None:
        """Add a verified line; return the note with all its lines, None if the head is gone by now."""
        head = next((one for one in self._heads if one.size == size), None)
        if head is None:
            return None
        head.lines[name] = line
        lines = [head.lines[one.name] for one in self._policy.witnesses if one.name in head.lines]
        cosigners = {one.key for one in self._policy.witnesses if one.name in head.lines}
        quorum = self._policy.satisfied_by(cosigners)
        urgent = any(one.urgent for one in self._heads if self.witnessed < one.size <= size)
        note = CosignedNote(size, add_lines(head.note, lines), quorum, urgent)
        if quorum and size >= self.witnessed:
            self.best = note
            self._heads = [one for one in self._heads if one.size >= size]
        return note
