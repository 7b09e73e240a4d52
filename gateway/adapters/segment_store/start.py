"""The start check: what stands on disk, read before anything is changed (`ledger.md` 3, start).

The last segment is verified whole: header, every frame, salt, leaf, root, and the seal of its last frame. Earlier segments
stand behind it by the root in its header, computed from stored tiles. `gateway verify` and the scrub read everything.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from gateway.adapters.segment_store.disk import Disk, opened, sync_data
from gateway.adapters.segment_store.layout import Layout, SegmentName
from gateway.adapters.segment_store.tiles import TileFolder
from gateway.adapters.segment_store.unpacked import read_segment
from gateway.errors import EvidenceRefused, LedgerDoubt
from gateway.ledger.checkpoint import Checkpoint, parse_checkpoint
from gateway.ledger.commit import replay_frame
from gateway.ledger.crypto import verify_line
from gateway.ledger.entry import SALT_SIZE
from gateway.ledger.frame import Frame, frame_entries
from gateway.ledger.merkle import Tree
from gateway.ledger.note import VerifyKey, open_note, parse_note
from gateway.ledger.segment import (
    FILE_HEADER_SIZE,
    SEGMENT_ENTRIES,
    Damage,
    PlacedFrame,
    iterate_frames,
    parse_file_header,
    segment_of,
)

RootAt = Callable[[int], bytes | None]
"""Tree size → root that the frame ending there sealed; None when no frame ends there."""

RESTORE: Final = "restore this file from backup or mirror"


class Tail(NamedTuple):
    """Bytes after the last whole frame of a file, never acknowledged. ``whole``: the file holds no frame at all."""

    name: SegmentName
    offset: int
    content: bytes
    whole: bool


class Found(NamedTuple):
    """What a start found. ``level_1``: hashes of height 8 of the last, unfinished segment; ``last``: the last record's JSON."""

    tree: Tree
    note: bytes
    last: bytes
    level_1: list[bytes]
    file: SegmentName | None
    offset: int
    tail: Tail | None
    direct: bool


class StartCheck:
    """Reads a ledger folder; raises `LedgerDoubt` on damage or rollback and changes nothing but missing tiles."""

    def __init__(
        self,
        disk: Disk,
        layout: Layout,
        tiles: TileFolder,
        root_at: RootAt,
        origin: str,
        keys: Sequence[VerifyKey],
    ) -> None:
        self._root_at = root_at
        self._disk = disk
        self._layout = layout
        self._tiles = tiles
        self._origin = origin
        self._keys = keys
        self._direct = True

    def run(self) -> Found:
        """Return the head and the torn tail, if there is one."""
        names = self._layout.segments()
        tail: Tail | None = None
        contents: dict[SegmentName, bytes] = {}
        if names:
            contents[names[-1]] = self._read_last(names[-1])
            tail = _frameless(names[-1], contents[names[-1]])
            if tail is not None:
                names = names[:-1]
        found = self._check_last_segment(names, contents, tail) if names else self._empty(tail)
        self._check_published(found)
        return found

    def _empty(self, tail: Tail | None) -> Found:
        if tail is not None and tail.name.first:
            raise LedgerDoubt(f"damaged: records 0..{tail.name.first - 1:,} missing", remedy=RESTORE)
        return Found(Tree(), b"", b"", [], None, 0, tail, self._direct)

    def _check_last_segment(
        self,
        names: list[SegmentName],
        contents: dict[SegmentName, bytes],
        tail: Tail | None,
    ) -> Found:
        segment = segment_of(names[-1].first)
        self._check_names(names, segment)
        tree = Tree(segment, self._tiles.peaks(segment))
        found = Found(tree, b"", b"", [], None, 0, tail, self._direct)
        files = [name for name in names if name.first >= segment]
        for name in files:
            content = contents.get(name)
            if content is None:
                path = self._layout.segment(name)
                last = name == names[-1]
                content = self._read_last(name) if last else read_segment(path, packed=name.packed)
            found = self._check_file(name, content, found, last=name == files[-1])
        if found.tail is not None and tail is not None and found.tail is not tail:
            raise LedgerDoubt(f"damaged: {found.tail.name.text} offset {found.tail.offset:,}", remedy=RESTORE)
        if tail is not None and tail.name.first != found.tree.size:
            raise _damage(names[-1], found.offset, found.tree.size, tail.name.first)
        self._check_seal(names[-1], found)
        return found

    def _check_names(self, names: list[SegmentName], segment: int) -> None:
        """Refuse a hole between segment files: each segment begins with a file of its own."""
        firsts = {name.first for name in names}
        for first in range(segment_of(names[0].first), segment + 1, SEGMENT_ENTRIES):
            if first not in firsts:
                raise LedgerDoubt(
                    f"damaged: {SegmentName(first, packed=False).text} missing, records {first:,}.."
                    f"{min(other for other in firsts if other > first) - 1:,}",
                    remedy=RESTORE,
                )

    def _check_file(self, name: SegmentName, content: bytes, found: Found, *, last: bool) -> Found:
        tree = found.tree
        self._check_header(name, content, tree)
        level_1, note, end, tail = list(found.level_1), found.note, FILE_HEADER_SIZE, found.tail
        frame: Frame | None = None
        for item in iterate_frames(content):
            if isinstance(item, Damage):
                if not (item.torn and last):
                    raise _damage(name, item.offset, tree.size, _next_first(content, item))
                tail = Tail(name, item.offset, content[item.offset : item.offset + item.length], whole=False)
                break
            frame = self._check_frame(name, item, tree, level_1)
            end, note = item.offset + item.length, frame.checkpoint
        last_record = frame_entries(frame)[-1][SALT_SIZE:] if frame is not None else found.last
        return Found(tree, note, last_record, level_1, name, end, tail, self._direct)

    def _check_header(self, name: SegmentName, content: bytes, tree: Tree) -> None:
        if name.first != tree.size:
            raise _damage(name, 0, tree.size, name.first)
        try:
            header = parse_file_header(content)
        except EvidenceRefused as error:
            raise LedgerDoubt(f"damaged: {name.text} offset 0: {error.text}", remedy=RESTORE) from error
        if header.first != name.first or header.root != tree.root():
            raise LedgerDoubt(f"damaged: {name.text} offset 0: header does not continue the tree", remedy=RESTORE)
        if header.origin_sha256 != sha256(self._origin.encode()).digest():
            raise LedgerDoubt(
                f"{name.text} belongs to another log than {self._origin}",
                remedy="set ledger.path and ledger.origin to what belongs together",
            )

    def _check_frame(self, name: SegmentName, item: PlacedFrame, tree: Tree, level_1: list[bytes]) -> Frame:
        frame = item.frame
        if frame.first != tree.size:
            raise _damage(name, item.offset, tree.size, max(frame.first, tree.size + 1))
        try:
            _, grown = replay_frame(tree, frame)
            sealed = parse_checkpoint(parse_note(frame.checkpoint).text)
        except EvidenceRefused as error:
            raise _damage(name, item.offset, frame.first, frame.stop) from error
        if sealed != Checkpoint(self._origin, tree.size, tree.root()):
            raise _damage(name, item.offset, frame.first, frame.stop)
        level_1.extend(grown.get(1, ()))
        return frame

    def _check_seal(self, name: SegmentName, found: Found) -> None:
        if not self._keys:
            return
        try:
            open_note(found.note, self._keys, verify_line)
        except EvidenceRefused as error:
            raise LedgerDoubt(
                f"damaged: {name.text} offset {found.offset:,}: seal of size {found.tree.size:,}: {error.text}",
                remedy="restore the seal key that belongs to this ledger, or this file from backup or mirror",
            ) from error

    def _check_published(self, found: Found) -> None:
        """Refuse a ledger smaller than its own published checkpoint, or of another root at that size."""
        try:
            published = parse_checkpoint(parse_note(self._layout.checkpoint.read_bytes()).text)
        except FileNotFoundError:
            return
        except EvidenceRefused as error:
            raise LedgerDoubt(f"damaged: checkpoint: {error.text}", remedy=RESTORE) from error
        size = found.tree.size
        if published.size > size:
            raise LedgerDoubt(
                f"rollback: ledger ends at {size:,}, {published.size:,} were published",
                remedy="bring the tail back from mirror or backup; if there is none, an approver starts a new log",
            )
        root = found.tree.root() if published.size == size else self._root_at(published.size)
        if published.root != root:
            here = root.hex()[:8] if root is not None else "none"
            raise LedgerDoubt(
                f"fork: size {published.size:,} has root {here}, {published.root.hex()[:8]} was published",
                remedy="bring the files back from mirror or backup; if there are none, an approver starts a new log",
            )

    def _read_last(self, name: SegmentName) -> bytes:
        """Return the bytes of the last file as the medium holds them."""
        path = self._layout.segment(name)
        if name.packed:
            return read_segment(path, packed=True)
        with opened(self._disk, path, os.O_RDONLY) as fd:
            sync_data(self._disk, fd)
            content, self._direct = self._disk.read_direct(fd)
        return content


def _frameless(name: SegmentName, content: bytes) -> Tail | None:
    """Return the whole file as a tail when no frame of it is whole."""
    if any(isinstance(item, PlacedFrame) for item in iterate_frames(content)):
        return None
    return Tail(name, 0, content, whole=True)


def _next_first(content: bytes, damage: Damage) -> int | None:
    """Return the first index of the whole frame behind a damage, None if there is none."""
    following = next(iterate_frames(content, damage.offset + damage.length), None)
    return following.frame.first if isinstance(following, PlacedFrame) else None


def _damage(name: SegmentName, offset: int, first: int, stop: int | None) -> LedgerDoubt:
    last = f"{stop - 1:,}" if stop is not None else ""
    return LedgerDoubt(f"damaged: {name.text} offset {offset:,}, records {first:,}..{last}", remedy=RESTORE)
