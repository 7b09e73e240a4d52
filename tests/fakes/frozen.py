"""Frozen notes in memory (port `FrozenNotes`), shared by the "runs" of one test; fails on demand, applied or not."""

from __future__ import annotations

from hashlib import sha256

from gateway.errors import DiskFull


class MemoryFrozen:
    """``fail_next``: the next write raises `DiskFull` and did nothing, or with ``applied`` did it all the same."""

    def __init__(self) -> None:
        self.notes: dict[int, bytes] = {}
        self.tokens: dict[int, bytes] = {}
        self.blobs: dict[str, bytes] = {}
        self.aside: list[tuple[int, bytes]] = []
        self.fail_next = ""

    def freeze(self, size: int, note: bytes) -> bytes:
        if size in self.tokens:
            return self.notes[size]
        self._write(self.notes, size, note)
        return note

    def save_token(self, size: int, answer: bytes) -> None:
        self._write(self.tokens, size, answer)

    def note(self, size: int) -> bytes | None:
        return self.notes.get(size)

    def token(self, size: int) -> bytes | None:
        return self.tokens.get(size)

    def set_aside(self, size: int) -> None:
        self.notes.pop(size, None)
        if size in self.tokens:
            self.aside.append((size, self.tokens.pop(size)))

    def newest(self) -> int:
        return max(self.notes, default=0)

    def keep(self, content: bytes) -> None:
        how, self.fail_next = self.fail_next, ""
        if how != "full":
            self.blobs[sha256(content).hexdigest()] = content
        if how:
            raise DiskFull("no space left for memory")

    def _write(self, where: dict[int, bytes], size: int, content: bytes) -> None:
        how, self.fail_next = self.fail_next, ""
        if how != "full":
            where[size] = content
        if how:
            raise DiskFull("no space left for memory")
