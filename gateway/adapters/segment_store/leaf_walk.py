"""Leaf hashes for one piece of work that goes left to right: each frame is read and hashed once, none is kept but the last."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateway.adapters.segment_store.missing import missing_record
from gateway.adapters.segment_store.reader import Place, SegmentReader
from gateway.adapters.segment_store.tile_maker import TileMaker
from gateway.ledger.frame import Frame, frame_leaves
from gateway.ledger.segment import SEGMENT_ENTRIES
from gateway.ledger.tile import TILE_WIDTH, Tile

FAR: Final = 1 << 63
"""An index behind every ledger: a walk is asked for no end."""


class LeafWalk:
    """Reads tiles as `TileMaker` does, those of level 0 from a walk over the frames. For one thread."""

    def __init__(self, reader: SegmentReader, maker: TileMaker) -> None:
        self._reader = reader
        self._maker = maker
        self._frames: Iterator[tuple[Place, Frame]] = iter(())
        self._first = 0
        self._leaves: list[bytes] = []

    def tile(self, tile: Tile) -> bytes:
        """Return the hashes of a tile; `EvidenceRefused` if its entries are not stored."""
        if tile.level:
            return self._maker.tile(tile)
        at, stop = tile.number * TILE_WIDTH, tile.number * TILE_WIDTH + tile.width
        parts: list[bytes] = []
        while at < stop:
            if not self._reaches(at):
                raise missing_record(self._reader.layout, at)
            parts += self._leaves[at - self._first : stop - self._first]
            at = self._first + len(self._leaves)
        return b"".join(parts)

    def _reaches(self, at: int) -> bool:
        """Go on to the frame that holds an index; begin anew where it lies behind, or far ahead."""
        end = self._first + len(self._leaves)
        if self._first <= at < end:
            return True
        if not end <= at < end + SEGMENT_ENTRIES or not end:
            self._frames = self._reader.frames(at, FAR)
        frame = next((one for _, one in self._frames if one.stop > at), None)
        if frame is None or frame.first > at:
            return False
        self._first, self._leaves = frame.first, frame_leaves(frame)
        return True
