"""The log as it is shown to others: nothing beyond the published checkpoint (`ledger.md` 3, one writer; 4, projection)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from gateway.adapters.segment_store.disk import Disk
from gateway.adapters.segment_store.feed import SegmentFeed
from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.adapters.segment_store.frozen import FrozenFolder
from gateway.adapters.segment_store.layout import Layout
from gateway.adapters.segment_store.reader import SegmentReader
from gateway.adapters.segment_store.tile_maker import TileMaker
from gateway.errors import Refused
from gateway.ledger.entry import SALT_SIZE
from gateway.ledger.frame import frame_entries
from gateway.ledger.proof import prove_consistency
from gateway.ledger.tile import TILE_HEIGHT, TILE_WIDTH, Tile, TileReader


class _Remembering(SegmentReader):
    """Keeps the frame read last: who reads tiles reads one after the other."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self._last: tuple[int, list[bytes]] = (0, [])

    def read(self, first: int, stop: int) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield (index, salt, JSON) for ``first <= index < stop``."""
        while first < stop:
            begin, entries = self._last
            if not begin <= first < begin + len(entries):
                frame = next((frame for _, frame in self.frames(first, first + 1)), None)
                if frame is None:
                    return
                begin, entries = self._last = frame.first, frame_entries(frame)
            for index in range(first, min(stop, begin + len(entries))):
                entry = entries[index - begin]
                yield index, entry[:SALT_SIZE], entry[SALT_SIZE:]
            first = begin + len(entries)


class PublishedLog:
    """Answers for one ledger folder, without its lock, beside the writer. All methods block; None: there is no such thing."""

    def __init__(self, root: Path) -> None:
        self._folder = LedgerFolder(root)
        self._frozen = FrozenFolder(Disk(), self._folder.layout)
        self._feed = SegmentFeed(self._folder.layout, self._folder.reader)
        self._maker = TileMaker(_Remembering(self._folder.layout), self._folder.tiles)

    def checkpoint(self) -> bytes | None:
        """Return the published note."""
        head = self._folder.published()
        return None if head is None else head.note

    def policy(self) -> bytes | None:
        """Return `keys/policy`."""
        return _content(self._folder.layout.policy)

    def tile(self, tile: Tile) -> bytes | None:
        """Return a tile, full or partial, whose nodes all stand below the published size; of entries: their bundle."""
        nodes = self._size() >> TILE_HEIGHT * max(tile.level, 0)
        if tile.number * TILE_WIDTH + tile.width > nodes:
            return None
        if tile.level <= 0 and tile.number * TILE_WIDTH < self._folder.reader.first_index():  # pruned: nodes above stay
            return None
        return self._maker.tile(tile)

    def consistency(self, first: int, second: int | None) -> Sequence[bytes]:
        """Return the proof that the tree of ``first`` begins the tree of ``second`` (None: the published one)."""
        head = self._folder.published()
        size = 0 if head is None else head.checkpoint.size
        stop = size if second is None else second
        if head is None or not first <= stop <= size:
            raise Refused(
                f"no proof from {first:,} to {stop:,}: {size:,} entries are published",
                remedy="name two sizes up to the published one, the smaller first",
            )
        nodes = TileReader(size, head.checkpoint.root, self._maker.tile)
        return prove_consistency(nodes, first, stop)

    def segment(self, first: int, offset: int) -> bytes | None:
        """Return header and frames from an offset on (`gateway.adapters.segment_store.feed`)."""
        return self._feed.part(first, offset, self._size())

    def blob(self, digest: str) -> bytes | None:
        """Return a side object by its SHA-256."""
        return _content(self._folder.layout.blob_of(digest))

    def note(self, size: int) -> bytes | None:
        """Return the frozen note of a published size."""
        return self._frozen.note(size) if size <= self._size() else None

    def token(self, size: int) -> bytes | None:
        """Return the time stamp over the note of a published size."""
        return self._frozen.token(size) if size <= self._size() else None

    def _size(self) -> int:
        head = self._folder.published()
        return 0 if head is None else head.checkpoint.size


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
