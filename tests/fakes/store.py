"""A ledger store in memory (port `LedgerStore`): durable across "restarts" of the same `Medium`, failing both ways on demand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

import msgspec

from gateway.errors import DiskFull, LedgerDoubt, Unavailable
from gateway.ledger.commit import PlannedFrame, replay_frame
from gateway.ledger.entry import SALT_SIZE
from gateway.ledger.frame import Frame, frame_entries, parse_frame
from gateway.ledger.merkle import Tree
from gateway.ledger.proof import LeafReader, prove_inclusion
from gateway.ports import StoreHead


class Medium:
    """What survives a restart."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.blobs: dict[str, bytes] = {}
        self.checkpoint = b""
        self.published = 0
        self.halted: dict[str, Any] | None = None
        self.locked = False


class MemoryStore:
    """``fail_next`` makes the next commit fail: ``full``, ``doubt`` (nothing happened), ``doubt_applied`` (it happened)."""

    def __init__(self, medium: Medium | None = None) -> None:
        self.medium = medium or Medium()
        self.fail_next = ""
        self.doubt: LedgerDoubt | None = None
        self.leaves: list[bytes] = []
        self.entries: list[bytes] = []
        self.tree = Tree()
        self.is_open = False

    def open(self) -> StoreHead:
        if self.medium.locked:
            raise Unavailable("ledger in use by pid 1 since 06:00:12Z")
        self.medium.locked = self.is_open = True
        note = last = b""
        for frame in self.medium.frames:
            self.leaves += replay_frame(self.tree, frame)[0]
            self.entries += frame_entries(frame)
            note, last = frame.checkpoint, self.entries[-1][SALT_SIZE:]
        record = msgspec.json.decode(last) if last else {"kind": "gateway", "event": "stop"}
        clean = (record["kind"], record.get("event")) == ("gateway", "stop")
        return StoreHead(tree=self.tree.copy(), checkpoint=note, unclean=not clean, halted=self.medium.halted)

    def commit(self, frames: Sequence[PlannedFrame], side_objects: Sequence[bytes] = ()) -> None:
        if self.doubt is not None:
            raise self.doubt
        how, self.fail_next = self.fail_next, ""
        if how == "full":
            raise DiskFull("no space left for memory")
        if how == "doubt":
            self.doubt = LedgerDoubt("write failed")
            raise self.doubt
        self.medium.blobs |= {sha256(content).hexdigest(): content for content in side_objects}
        for planned in frames:
            frame = parse_frame(planned.content)
            assert frame.first == self.tree.size
            self.leaves += replay_frame(self.tree, frame)[0]
            self.entries += frame_entries(frame)
            self.medium.frames.append(frame)
        if frames:
            self.medium.halted = None
        if how == "doubt_applied":
            self.doubt = LedgerDoubt("write failed")
            raise self.doubt

    def read(self, first: int, stop: int) -> Iterator[tuple[int, bytes, bytes]]:
        for index in range(first, min(stop, self.tree.size)):
            entry = self.entries[index]
            yield index, entry[:SALT_SIZE], entry[SALT_SIZE:]

    def pick(self, indexes: Sequence[int]) -> Iterator[tuple[int, bytes, bytes]]:
        for index in indexes:
            yield from self.read(index, index + 1)

    def checkpoint_of(self, index: int) -> tuple[int, bytes]:
        return next((frame.stop, frame.checkpoint) for frame in self.medium.frames if index < frame.stop)

    def prove(self, index: int, size: int) -> list[bytes]:
        return prove_inclusion(LeafReader(self.leaves[:size]), index, size)

    def nodes(self, size: int) -> LeafReader:
        return LeafReader(self.leaves[:size])

    def publish(self, note: bytes, size: int) -> None:
        if self.doubt is not None:
            raise self.doubt
        if not self.medium.published <= size <= self.tree.size:
            self.doubt = LedgerDoubt(f"published size {size:,} does not grow")
            raise self.doubt
        self.medium.checkpoint, self.medium.published = note, size

    def read_blob(self, sha256: str) -> bytes | None:
        return self.medium.blobs.get(sha256)

    def halt(self, cause: str, detail: dict[str, Any]) -> None:
        self.doubt = self.doubt or LedgerDoubt(f"ledger halted: {cause}")
        self.medium.halted = {"cause": cause, **detail}

    def close(self) -> None:
        if self.is_open:
            self.medium.locked = self.is_open = False
