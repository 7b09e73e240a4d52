"""The start check: what stands on disk, read before anything is changed (`ledger.md` 3, start).

The last segment is verified whole by the one verifier (`gateway.ledger.verify`). Earlier segments
stand behind it by the root in its header, computed from stored tiles. `gateway verify` and the scrub read everything.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from gateway.adapters.segment_store.anchors import check_newest_anchor
from gateway.adapters.segment_store.disk import Disk, opened, sync_data
from gateway.adapters.segment_store.frozen import FrozenFolder
from gateway.adapters.segment_store.layout import Layout, SegmentName
from gateway.adapters.segment_store.prune import check_beginning, finish_pruning
from gateway.adapters.segment_store.tile_maker import TileMaker
from gateway.adapters.segment_store.unpacked import read_segment
from gateway.errors import EvidenceRefused, LedgerDoubt
from gateway.ledger.checkpoint import parse_checkpoint
from gateway.ledger.entry import SALT_SIZE
from gateway.ledger.frame import frame_entries, parse_frame, parse_frame_header
from gateway.ledger.keys import KeyRing
from gateway.ledger.merkle import Tree, full_node
from gateway.ledger.note import parse_note
from gateway.ledger.policy import Policy
from gateway.ledger.segment import SEGMENT_ENTRIES, PlacedFrame, iterate_frames, parse_file_header, segment_of
from gateway.ledger.tile import TILE_WIDTH
from gateway.ledger.verify import FileScan, LedgerVerifier, scan_file
from gateway.ledger.verify.heads import open_head

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
        maker: TileMaker,
        root_at: RootAt,
        origin: str,
        policy: Policy,
    ) -> None:
        self._root_at = root_at
        self._disk = disk
        self._layout = layout
        self._maker = maker
        self._tiles = maker.folder
        self._origin = origin
        self._policy = policy
        self._direct = True

    def run(self) -> Found:
        """Return the head and the torn tail, if there is one."""
        finish_pruning(self._disk, self._layout, self._maker.reader)
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
        start = Tree(segment, self._tiles.peaks(segment)) if segment else None
        verifier = LedgerVerifier(policy=self._policy, start=start)
        leaves: list[bytes] = []
        told: list[Any] = []
        content, scan = b"", None
        for name in [one for one in names if one.first >= segment]:
            content = contents.get(name) or self._read(name, last=name == names[-1])
            if start is not None and name.first == segment:
                self._check_tiles(start, content)
            scan = scan_file(name.text, content)
            verifier.add(scan)
            told += [record for _, record in scan.facts.told]
            leaves += [leaf for frame in scan.frames if not frame.text for leaf in frame.leaf_hashes]
        assert scan is not None, "the last segment has a file"
        self._judge(verifier)
        assert verifier.tree is not None, "a tree is lost only with a finding"
        found = _found(names[-1], content, scan, verifier.tree, leaves, tail)
        if tail is not None and tail.name.first != found.tree.size:
            raise _damage(names[-1], found.offset, found.tree.size, tail.name.first)
        if tail is not None and found.tail is not tail:
            raise _damage(names[-1], found.offset, found.tree.size, None)
        carry = self._record_at(segment) if segment else None
        beginning = self._maker.reader.first_index()
        check_newest_anchor(found.tree, segment, told, carry, self._record_at, self._maker.tile, beginning)
        return found._replace(direct=self._direct)

    def _check_tiles(self, before: Tree, content: bytes) -> None:
        """Name a stored tile that is not what the records below it say, before a file of the last segment is blamed for it."""
        try:
            root = parse_file_header(content).root
        except EvidenceRefused:
            return
        strange = None
        if root != before.root():
            strange = self._tiles.differing(self._maker.reader.first_index(), before.size)
        if strange is not None:
            raise LedgerDoubt(
                f"damaged: {strange} differs from the records below it",
                remedy="where gateway verify finds the records whole, remove this file: a start makes it again",
            )

    def _judge(self, verifier: LedgerVerifier) -> None:
        """Raise what the one verifier found, in the words of a start."""
        failures = verifier.finish().failures
        seals_only = all(one.class_ == "signature" for one in failures)
        if seals_only and verifier.origin not in {self._origin, ""}:
            raise LedgerDoubt(
                f"the files belong to the log {verifier.origin}, not to {self._origin}",
                remedy="set ledger.path and ledger.origin to what belongs together",
            )
        if not failures or (seals_only and not self._policy.seals):
            return
        first = failures[0]
        if first.file and first.offset is not None and first.first is not None:
            last = first.last if first.last is not None else first.first
            raise LedgerDoubt(
                f"damaged: {first.file} offset {first.offset:,}, records {first.first:,}..{last:,}", remedy=RESTORE
            )
        raise LedgerDoubt(f"damaged: {first.text}", remedy=RESTORE)

    def _check_names(self, names: list[SegmentName], segment: int) -> None:
        """Refuse a hole between segment files: each segment begins with a file of its own, and what is pruned is recorded."""
        if names[0].first:
            check_beginning(self._disk, self._layout, self._maker.reader, names[0].first)
        firsts = {name.first for name in names}
        for first in range(segment_of(names[0].first), segment + 1, SEGMENT_ENTRIES):
            if first not in firsts:
                raise LedgerDoubt(
                    f"damaged: {SegmentName(first, packed=False).text} missing, records {first:,}.."
                    f"{min(other for other in firsts if other > first) - 1:,}",
                    remedy=RESTORE,
                )

    def _check_published(self, found: Found) -> None:
        """Refuse a ledger smaller than what was published or time-stamped of it, or of another root at that size."""
        frozen = FrozenFolder(self._disk, self._layout)
        stamped = next((size for size in frozen.sizes() if frozen.token(size) is not None), 0)
        if self._layout.checkpoint.is_file():
            self._judge_head(found, self._layout.checkpoint.read_bytes(), "published", "checkpoint")
        if stamped > self._maker.reader.first_index():  # of one in what was pruned the tree says nothing any more
            self._judge_head(found, frozen.note(stamped) or b"", "time-stamped", f"cp of size {stamped:,}")

    def _judge_head(self, found: Found, note: bytes, how: str, name: str) -> None:
        try:
            published = parse_checkpoint(parse_note(note).text)
        except EvidenceRefused as error:
            raise LedgerDoubt(f"damaged: {name}: {error.text}", remedy=RESTORE) from error
        size = found.tree.size
        if published.size > size:
            raise LedgerDoubt(
                f"rollback: ledger ends at {size:,}, {published.size:,} were {how}",
                remedy="bring the tail back from mirror or backup; if there is none, an approver starts a new log",
            )
        root = found.tree.root() if published.size == size else self._root_at(published.size)
        if published.root != root:
            here = root.hex()[:8] if root is not None else "none"
            raise LedgerDoubt(
                f"fork: size {published.size:,} has root {here}, {published.root.hex()[:8]} was {how}",
                remedy="bring the files back from mirror or backup; if there are none, an approver starts a new log",
            )
        self._judge_lines(note, published.size, name)

    def _judge_lines(self, note: bytes, size: int, name: str) -> None:
        """Refuse a published note without the seal, or without the line of a publish key that its size demands."""
        ring = KeyRing(self._policy)
        findings = open_head(note, size, ring.counting("seal", size), ring.counting("publish", size)).findings
        if findings and self._policy.seals:
            raise LedgerDoubt(f"damaged: {name}: {findings[0].text.removeprefix('FAILED ')}", remedy=RESTORE)

    def _record_at(self, index: int) -> bytes | None:
        """Return the JSON of a record, None where none is stored."""
        return next((record for _, _, record in self._maker.reader.read(index, index + 1)), None)

    def _read(self, name: SegmentName, *, last: bool) -> bytes:
        return self._read_last(name) if last else read_segment(self._layout.segment(name), packed=name.packed)

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


def _found(
    name: SegmentName, content: bytes, scan: FileScan, tree: Tree, leaves: list[bytes], tail: Tail | None
) -> Found:
    """Return the head that the last file with a whole frame stands for, and the torn tail behind it."""
    frames = scan.frames
    if frames[-1].torn:
        torn = frames[-1]
        cut = content[torn.offset : torn.offset + torn.length]
        tail = Tail(name, torn.offset, cut, whole=False)
        frames = frames[:-1]
    last = parse_frame(content, frames[-1].offset)
    end = frames[-1].offset + parse_frame_header(content, frames[-1].offset).length
    record = frame_entries(last)[-1][SALT_SIZE:]
    whole = len(leaves) - len(leaves) % TILE_WIDTH
    level_1 = [full_node(leaves[at : at + TILE_WIDTH]) for at in range(0, whole, TILE_WIDTH)]
    return Found(tree, last.checkpoint, record, level_1, name, end, tail, direct=True)


def _damage(name: SegmentName, offset: int, first: int, stop: int | None) -> LedgerDoubt:
    last = f"{stop - 1:,}" if stop is not None else ""
    return LedgerDoubt(f"damaged: {name.text} offset {offset:,}, records {first:,}..{last}", remedy=RESTORE)
