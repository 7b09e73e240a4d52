"""Planning a commit: a pool of records becomes sealed frames and the next tree head; nothing is written here.

The caller carries the plan out: write, fdatasync (the commit point), then adopt ``head`` (`ledger.md` 3, commit).
Recovery replays stored frames through `replay_frame`, which grows the tree by the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from gateway.ledger.checkpoint import Checkpoint, format_checkpoint
from gateway.ledger.entry import LEAF_PREFIX_SIZE, RECORD_BYTES_MAX, SALT_SIZE, build_entries
from gateway.ledger.frame import FRAME_BYTES_MAX, Frame, format_body, format_frame, frame_entries
from gateway.ledger.merkle import Tree, hash_leaves
from gateway.ledger.note import LINES_MAX
from gateway.ledger.segment import segment_of, segment_room

Seal = Callable[[bytes], bytes]
"""Checkpoint text → the whole note with its seal lines."""

_ENTRY_OVERHEAD = 2 + SALT_SIZE + LEAF_PREFIX_SIZE
"""Bytes a record costs in a frame beside its JSON: length, salt, leaf prefix."""
_FRAME_OVERHEAD = 256 + LINES_MAX * 1024
"""Room kept for header, trailer and checkpoint when a pool is split."""


class PlannedFrame(NamedTuple):
    """One frame ready to be written.

    ``opens_segment``: it is the first of its segment, so a new file begins with it; ``root_before`` belongs into that
    file's header. ``grown``: tile level → finished nodes of height 8·level (see `Tree.extend`).
    """

    first: int
    n: int
    root_before: bytes
    checkpoint: Checkpoint
    note: bytes
    content: bytes
    leaf_hashes: list[bytes]
    grown: dict[int, list[bytes]]

    @property
    def opens_segment(self) -> bool:
        """Say whether the frame begins at a segment boundary."""
        return segment_of(self.first) == self.first

    @property
    def stop(self) -> int:
        """Index after the last entry = tree size this frame seals."""
        return self.first + self.n


class CommitPlan(NamedTuple):
    """Frames to write one after the other, each durable before the next, and the head after the last one."""

    frames: tuple[PlannedFrame, ...]
    head: Tree


def split_pool(size: int, records: Sequence[bytes]) -> list[int]:
    """Return how many records go into each frame: a frame ends at a segment's end and stays under 64 MiB.

    The caller draws one fresh seed for each.
    """
    room = FRAME_BYTES_MAX - _FRAME_OVERHEAD
    counts: list[int] = []
    start = 0
    while start < len(records):
        stop = min(start + segment_room(size + start), len(records))
        # Lengths are added up only where the longest records could pass the bound: seldom.
        may_pass = (stop - start) * (RECORD_BYTES_MAX + _ENTRY_OVERHEAD) > room
        if may_pass and sum(map(len, records[start:stop])) + _ENTRY_OVERHEAD * (stop - start) > room:
            stop = _fitting(records, start, stop, room)
        counts.append(stop - start)
        start = stop
    return counts


def plan_commit(head: Tree, origin: str, records: Sequence[bytes], seeds: Iterator[bytes], seal: Seal) -> CommitPlan:
    """Return the frames for ``records`` (JSON bytes, ≤ 65,519 each) after ``head``; ``head`` itself stays as it is.

    ``seeds`` yields 32 fresh random bytes per frame; ``seal`` turns a checkpoint text into its sealed note.
    """
    tree = head.copy()
    frames: list[PlannedFrame] = []
    start = 0
    for count in split_pool(head.size, records):
        part = records if count == len(records) else records[start : start + count]
        frames.append(_plan_frame(tree, origin, part, next(seeds), seal))
        start += count
    return CommitPlan(tuple(frames), tree)


def replay_frame(tree: Tree, frame: Frame) -> tuple[list[bytes], dict[int, list[bytes]]]:
    """Grow ``tree`` by a stored frame; return its leaf hashes and the finished tile nodes. The caller compares roots."""
    assert tree.size == frame.first, f"frame at {frame.first} after a tree of {tree.size}"
    leaf_hashes = hash_leaves(frame_entries(frame))
    return leaf_hashes, grow(tree, leaf_hashes)


def grow(tree: Tree, leaf_hashes: Sequence[bytes]) -> dict[int, list[bytes]]:
    """Grow ``tree``; return tile level → finished nodes. The one place where live path and recovery extend the tree."""
    grown: dict[int, list[bytes]] = {}
    tree.extend(leaf_hashes, grown)
    return grown


def _plan_frame(tree: Tree, origin: str, records: Sequence[bytes], seed: bytes, seal: Seal) -> PlannedFrame:
    first, root_before = tree.size, tree.root()
    entries, leaf_hashes = build_entries(seed, first, records)
    grown = grow(tree, leaf_hashes)
    checkpoint = Checkpoint(origin, tree.size, tree.root())
    note = seal(format_checkpoint(checkpoint))
    content = format_frame(first, seed, format_body(entries), leaf_hashes, note)
    return PlannedFrame(first, len(records), root_before, checkpoint, note, content, leaf_hashes, grown)


def _fitting(records: Sequence[bytes], start: int, stop: int, room: int) -> int:
    """Return the end of the longest run from ``start`` that fits into ``room`` bytes; at least one record fits."""
    position = start
    while room >= len(records[position]) + _ENTRY_OVERHEAD:
        room -= len(records[position]) + _ENTRY_OVERHEAD
        position += 1
    assert start < position < stop, "a pool that is cut holds more than fits, and one record always fits"
    return position
