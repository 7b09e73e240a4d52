"""Full tiles of level 1 and above: written after a commit, made again from the segment files when missing (`ledger.md` 4)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateway.adapters.segment_store.disk import Disk
from gateway.adapters.segment_store.durable import make_folder, write_durably
from gateway.adapters.segment_store.layout import FINISHED_MODE, Layout
from gateway.ledger.merkle import full_node
from gateway.ledger.segment import SEGMENT_ENTRIES
from gateway.ledger.tile import LEVEL_MAX, TILE_BYTES, TILE_HEIGHT, TILE_WIDTH, Tile, format_path, split_hashes

LeavesOf = Callable[[int], list[bytes]]
"""First index of a whole segment → its 65,536 leaf hashes."""

_SEGMENT_HEIGHT: Final = 16


class TileFolder:
    """The stored tiles of one ledger, and what stands in for those that are missing; a reader keeps none."""

    def __init__(self, disk: Disk, layout: Layout, leaves_of: LeavesOf, *, keep: bool = True) -> None:
        self._keep = keep
        self._disk = disk
        self._layout = layout
        self._leaves_of = leaves_of

    def path(self, level: int, number: int) -> Path:
        """Return where a full tile lies."""
        return self._layout.root / format_path(Tile(level, number))

    def stored(self, level: int, number: int) -> list[bytes] | None:
        """Return the 256 hashes of a stored tile, None if it is missing or short."""
        try:
            content = self.path(level, number).read_bytes()
        except FileNotFoundError:
            return None
        return split_hashes(content) if len(content) == TILE_BYTES else None

    def write(self, level: int, number: int, hashes: list[bytes]) -> None:
        """Store a full tile durably."""
        assert len(hashes) == TILE_WIDTH, f"a stored tile is full, not {len(hashes)} wide"
        path = self.path(level, number)
        make_folder(self._disk, path.parent)
        write_durably(self._disk, path, b"".join(hashes), FINISHED_MODE)

    def full(self, level: int, number: int) -> list[bytes]:
        """Return the 256 hashes of a full tile of level ≥ 1; a missing one is made again, and stored if tiles are kept."""
        hashes = self.stored(level, number)
        if hashes is None:
            hashes = self.made(level, number)
            if self._keep:
                self.write(level, number, hashes)
        return hashes

    def made(self, level: int, number: int) -> list[bytes]:
        """Return the 256 hashes of a full tile, made from what stands below it."""
        if level == 1:
            leaves = self._leaves_of(number * SEGMENT_ENTRIES)
            return [full_node(leaves[at : at + TILE_WIDTH]) for at in range(0, SEGMENT_ENTRIES, TILE_WIDTH)]
        return [full_node(self.full(level - 1, number * TILE_WIDTH + at)) for at in range(TILE_WIDTH)]

    def differing(self, first: int, size: int) -> str | None:
        """Return the path of the first stored tile that differs from what stands below it, None if there is none.

        Reads every segment from ``first`` to ``size``: for when a root is wrong and somebody must know why.
        """
        numbers = {1: range(first // SEGMENT_ENTRIES, size // SEGMENT_ENTRIES)}
        numbers |= {level: range(size >> TILE_HEIGHT * (level + 1)) for level in range(2, LEVEL_MAX + 1)}
        for level, found in numbers.items():
            for number in found:
                if self.path(level, number).exists() and self.stored(level, number) != self.made(level, number):
                    return format_path(Tile(level, number))
        return None

    def peaks(self, size: int) -> list[bytes]:
        """Return the peaks, highest first, of the tree of ``size``, a multiple of 65,536."""
        peaks: list[bytes] = []
        start = 0
        for height in range(size.bit_length() - 1, _SEGMENT_HEIGHT - 1, -1):
            if size >> height & 1:
                peaks.append(self._node(height, start >> height))
                start += 1 << height
        assert start == size, f"{size} is no multiple of {SEGMENT_ENTRIES}"
        return peaks

    def finish_segment(self, first: int, hashes: list[bytes]) -> None:
        """Store the level-1 tile of a segment that is full, and the tiles above that it completes."""
        number = first // SEGMENT_ENTRIES
        self.write(1, number, hashes)
        level = 1
        while number % TILE_WIDTH == TILE_WIDTH - 1:
            level, number = level + 1, number // TILE_WIDTH
            self.full(level, number)

    def _node(self, height: int, index: int) -> bytes:
        level, above = divmod(height, TILE_HEIGHT)
        nodes = [full_node(self.full(level - 1, (index << above) + at)) for at in range(1 << above)]
        return full_node(nodes)
