"""Any tile of any tree size, from stored tiles and segment files: what tlog-tiles readers, proofs and exports ask for."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from gateway.adapters.segment_store.missing import missing_record
from gateway.adapters.segment_store.reader import SegmentReader
from gateway.adapters.segment_store.tiles import TileFolder
from gateway.ledger.frame import format_body, frame_leaves
from gateway.ledger.merkle import full_node
from gateway.ledger.tile import ENTRIES, TILE_WIDTH, Tile

_NODES_MAX: Final = 16_384


class TileMaker:
    """Makes tiles on request; the lower ones are hashed from entries, so they are as true as the entries are."""

    def __init__(self, reader: SegmentReader, folder: TileFolder) -> None:
        self.reader = reader
        self.folder = folder
        self._nodes: OrderedDict[Tile, bytes] = OrderedDict()
        self._frame: tuple[int, list[bytes]] = (0, [])

    def tile(self, tile: Tile) -> bytes:
        """Return the bytes of a tile: hashes, or the entry bundle of level ``ENTRIES``; `EvidenceRefused` if there is none."""
        if tile.level == ENTRIES:
            return format_body(self._entries(tile))
        return b"".join(self._hashes(tile))

    def _hashes(self, tile: Tile) -> list[bytes]:
        if tile.level == 0:
            return self._leaves(tile)
        if tile.width == TILE_WIDTH:
            return self.folder.full(tile.level, tile.number)
        start = tile.number * TILE_WIDTH
        return [self._above(Tile(tile.level - 1, start + at)) for at in range(tile.width)]

    def _above(self, tile: Tile) -> bytes:
        """Return the node above a full tile; it never changes, so it is kept."""
        node = self._nodes.get(tile)
        if node is None:
            node = self._nodes[tile] = full_node(self._hashes(tile))
            if len(self._nodes) > _NODES_MAX:
                self._nodes.popitem(last=False)
        return node

    def _leaves(self, tile: Tile) -> list[bytes]:
        """Return leaf hashes; those of the frame read last are kept, for the next tile begins in it."""
        at, stop = tile.number * TILE_WIDTH, tile.number * TILE_WIDTH + tile.width
        leaves: list[bytes] = []
        while at < stop:
            first, known = self._frame
            if not first <= at < first + len(known):
                for _, frame in self.reader.frames(at, at + 1):
                    first, known = self._frame = frame.first, frame_leaves(frame)
                if not first <= at < first + len(known):
                    break
            leaves += known[at - first : stop - first]
            at = first + len(known)
        if len(leaves) != tile.width:
            raise missing_record(self.reader.layout, at)
        return leaves

    def _entries(self, tile: Tile) -> list[bytes]:
        first = tile.number * TILE_WIDTH
        entries = [salt + record for _, salt, record in self.reader.read(first, first + tile.width)]
        if len(entries) != tile.width:
            raise missing_record(self.reader.layout, first + len(entries))
        return entries
