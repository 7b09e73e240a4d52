"""A ledger folder without its lock: what commands read of it while the gateway runs, or while it is down."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from gateway.adapters.segment_store.disk import Disk
from gateway.adapters.segment_store.layout import Layout
from gateway.adapters.segment_store.reader import SegmentReader
from gateway.adapters.segment_store.tile_maker import TileMaker
from gateway.adapters.segment_store.tiles import TileFolder
from gateway.errors import EvidenceRefused, Refused, Unavailable
from gateway.ledger.checkpoint import Checkpoint, parse_checkpoint
from gateway.ledger.frame import frame_leaves
from gateway.ledger.note import parse_note
from gateway.ledger.proof import prove_consistency, prove_inclusion
from gateway.ledger.segment import SEGMENT_ENTRIES
from gateway.ledger.tile import TileReader
from gateway.ledger.tlogproof import TlogProof


class SealedHead(NamedTuple):
    """A sealed tree head: its checkpoint and the whole note."""

    checkpoint: Checkpoint
    note: bytes


class LedgerFolder:
    """Reads one ledger folder; raises `Unavailable` when it is none."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout(root)
        if not self.layout.seg.is_dir():
            raise Unavailable(f"{root} is no ledger folder: it has no seg/", remedy="name the folder that holds seg/")
        self.reader = SegmentReader(self.layout)
        self.tiles = TileFolder(Disk(), self.layout, self._leaves_of, keep=False)
        self.maker = TileMaker(self.reader, self.tiles)

    def head(self, index: int | None = None) -> SealedHead | None:
        """Return the head of the frame that holds ``index`` (None: of the last whole frame); None if there is no entry."""
        wanted = self.reader.end() - 1 if index is None else index
        for _, frame in self.reader.frames(wanted, wanted + 1) if wanted >= 0 else ():
            return SealedHead(parse_checkpoint(parse_note(frame.checkpoint).text), frame.checkpoint)
        return None

    def published(self) -> SealedHead | None:
        """Return the published checkpoint, None if nothing was published."""
        try:
            note = self.layout.checkpoint.read_bytes()
        except FileNotFoundError:
            return None
        return SealedHead(parse_checkpoint(parse_note(note).text), note)

    def prove(self, index: int, end: SealedHead | None = None) -> TlogProof:
        """Return the proof of one entry: to the head given, else to the published checkpoint, or its own frame's if newer."""
        head = end or self.published()
        if head is None or head.checkpoint.size <= index:
            head = self.head(index)
        if head is None:
            raise Refused(f"record {index:,} is not in the ledger", remedy="see: gateway ledger status")
        if index < self.reader.first_index():
            raise Refused(f"record {index:,} is pruned", remedy="its proof went with the export made before")
        size, root = head.checkpoint.size, head.checkpoint.root
        nodes = TileReader(size, root, self.maker.tile)
        return TlogProof(index, tuple(prove_inclusion(nodes, index, size)), head.note)

    def prove_growth(self, size: int) -> tuple[bytes, ...]:
        """Return the consistency proof from ``size`` to the published checkpoint (to the last frame's without one)."""
        head = self.published() or self.head()
        if head is None or size > head.checkpoint.size:
            raise Refused(f"size {size:,} is larger than what is published", remedy="see: gateway ledger status")
        nodes = TileReader(head.checkpoint.size, head.checkpoint.root, self.maker.tile)
        return tuple(prove_consistency(nodes, size, head.checkpoint.size))

    def entry(self, index: int) -> bytes:
        """Return salt and JSON of one entry."""
        for _, salt, record in self.reader.read(index, index + 1):
            return salt + record
        if index < self.reader.first_index():
            raise Refused(f"record {index:,} is pruned", remedy="it went with the export made before")
        raise Refused(f"record {index:,} is not in the ledger", remedy="see: gateway ledger status")

    def size_bytes(self) -> int:
        """Return how many bytes the segment files take."""
        with os.scandir(self.layout.seg) as entries:
            return sum(_size_of(entry) for entry in entries)

    def _leaves_of(self, first: int) -> list[bytes]:
        frames = self.reader.frames(first, first + SEGMENT_ENTRIES)
        leaves = [leaf for _, frame in frames for leaf in frame_leaves(frame)]
        if len(leaves) != SEGMENT_ENTRIES:
            raise EvidenceRefused(
                f"segment {first:,} has {len(leaves):,} of {SEGMENT_ENTRIES:,} records and no tile",
                remedy="restore its file or its tile from backup or mirror",
            )
        return leaves


def _size_of(entry: os.DirEntry[str]) -> int:
    """Return the bytes of a file, 0 when it was sealed or pruned in this moment."""
    try:
        return entry.stat().st_size
    except FileNotFoundError:
        return 0
