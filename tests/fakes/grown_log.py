"""A log in memory that grows frame by frame, with the notes and proofs that a witness is shown."""

from __future__ import annotations

from gateway.ledger.checkpoint import Checkpoint, parse_checkpoint
from gateway.ledger.merkle import Tree
from gateway.ledger.note import parse_note
from gateway.ledger.proof import prove_consistency
from tests.fakes.log import plan, reading
from tests.fakes.store import MemoryStore


class GrownLog:
    """`first` is the number of the first reading: logs with different ones are forks of each other under one key."""

    def __init__(self, *frames: int, first: int = 1) -> None:
        self.store = MemoryStore()
        self.tree: Tree = self.store.open().tree
        self.notes: dict[int, bytes] = {}
        self._n = first
        for count in frames:
            self.grow(count)

    def grow(self, count: int) -> int:
        """Commit `count` readings in one frame; the size after it."""
        made = plan(self.tree, [reading(self._n + k) for k in range(count)])
        self._n += count
        self.store.commit(made.frames)
        self.tree = made.head
        self.notes[self.size] = made.frames[-1].note
        return self.size

    @property
    def size(self) -> int:
        return self.tree.size

    @property
    def note(self) -> bytes:
        return self.notes[self.size]

    def proof(self, old: int, size: int = 0) -> list[bytes]:
        return prove_consistency(self.store.nodes(size or self.size), old, size or self.size)

    def checkpoint(self, size: int = 0) -> Checkpoint:
        return parse_checkpoint(parse_note(self.notes[size or self.size]).text)
