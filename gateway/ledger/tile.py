"""C2SP tlog-tiles: paths, widths and hashes of tiles, and a hash reader over them (https://c2sp.org/tlog-tiles).

A tile of level L and number N holds up to 256 hashes: nodes of height 8·L, from ``N·256``. In a tree of ``size`` entries
level L has ``⌊size/256^L⌋`` of them; the last tile is partial with ``W = ⌊size/256^L⌋ mod 256`` and is never hashed upward.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from gateway.errors import EvidenceRefused
from gateway.ledger.merkle import HASH_SIZE, Tree, full_node, hash_pairs

TILE_WIDTH: Final = 256
TILE_HEIGHT: Final = 8
TILE_BYTES: Final = TILE_WIDTH * HASH_SIZE
LEVEL_MAX: Final = 7
"""Highest level a log of less than 2^63 entries has."""
ENTRIES: Final = -1
"""Level of an entry bundle in a `Tile`."""

_GROUP: Final = 1000
_PATH: Final = re.compile(r"tile/(entries|[0-7])/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")
_NUMBER_GROUPS_MAX: Final = 6
_VERIFY: Final = "gateway verify names what is damaged"
_LOWEST_MAX: Final = 16


class Tile(NamedTuple):
    """One tile: ``level`` 0..7 or ``ENTRIES``, ``number`` from 0, ``width`` 1..256 (less than 256: partial)."""

    level: int
    number: int
    width: int = TILE_WIDTH


Pyramid = list[list[bytes]]
"""Nodes of a tile and what stands above them inside it: 256, 128, …, 1."""

ReadTile = Callable[[Tile], bytes]
"""Tile → its hashes, 32 bytes each; `EvidenceRefused` or whatever the storage raises if there is none."""


def format_number(number: int) -> str:
    """Return a number in groups of three digits, all but the last with ``x``: 1234067 → ``x001/x234/067``."""
    last = f"{number % _GROUP:03d}"
    groups: list[str] = []
    while number := number // _GROUP:
        groups.append(f"x{number % _GROUP:03d}/")
    return "".join(reversed(groups)) + last


def format_path(tile: Tile) -> str:
    """Return ``tile/<L>/<N>[.p/<W>]``, for an entry bundle ``tile/entries/<N>[.p/<W>]``."""
    level = "entries" if tile.level == ENTRIES else str(tile.level)
    partial = "" if tile.width == TILE_WIDTH else f".p/{tile.width}"
    return f"tile/{level}/{format_number(tile.number)}{partial}"


def parse_path(path: str) -> Tile:
    """Return the tile of a path; refuse any other spelling of it."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise EvidenceRefused(f"{path[:80]!r} is no tile path")
    groups = match[2].replace("x", "").split("/")
    tile = Tile(
        ENTRIES if match[1] == "entries" else int(match[1]),
        int("".join(groups)),
        int(match[3]) if match[3] else TILE_WIDTH,
    )
    if len(groups) > _NUMBER_GROUPS_MAX or format_path(tile) != path or tile.width > TILE_WIDTH:
        raise EvidenceRefused(f"{path[:80]!r} is no tile path")
    return tile


def tiles_of(size: int, level: int) -> list[Tile]:
    """Return all tiles of one level in a tree of ``size`` entries, the partial one last."""
    nodes = size >> TILE_HEIGHT * max(level, 0)
    full, width = divmod(nodes, TILE_WIDTH)
    tiles = [Tile(level, number) for number in range(full)]
    return [*tiles, Tile(level, full, width)] if width else tiles


def new_tiles(size_before: int, size: int) -> list[Tile]:
    """Return the full tiles of level ≥ 1 that ``size`` has and ``size_before`` had not: those to be stored."""
    return [
        Tile(level, number)
        for level in range(1, LEVEL_MAX + 1)
        for number in range(_full_tiles(size_before, level), _full_tiles(size, level))
    ]


def tile_hash(content: bytes) -> bytes:
    """Return the node above a full tile: height 8·(L+1); refuse a partial one."""
    if len(content) != TILE_BYTES:
        raise EvidenceRefused(f"tile of {len(content):,} bytes is not full and is never hashed upward")
    return full_node(split_hashes(content))


def split_hashes(content: bytes) -> list[bytes]:
    """Return the 32-byte hashes of a tile or a proof; refuse a length that is no multiple of 32."""
    if len(content) % HASH_SIZE:
        raise EvidenceRefused(f"{len(content):,} bytes are no whole hashes")
    return [content[i : i + HASH_SIZE] for i in range(0, len(content), HASH_SIZE)]


class TileReader:
    """Reads tree nodes from tiles and never returns one that does not belong to the tree of ``size`` and ``root``.

    The rightmost tiles are checked against the root at once; each full tile against its parent when it is first read.
    Keeps the tiles it has read, of level 0 the newest few: make a new reader for each piece of work, and go left to right.
    """

    def __init__(self, size: int, root: bytes, read: ReadTile) -> None:
        self.size = size
        self._read = read
        self._tiles: dict[tuple[int, int], Pyramid] = {}
        self._lowest: OrderedDict[int, Pyramid] = OrderedDict()
        peaks: list[bytes] = []
        for level in range(LEVEL_MAX, -1, -1):
            full, width = divmod(size >> TILE_HEIGHT * level, TILE_WIDTH)
            if width:
                nodes = self._load(Tile(level, full, width))
                self._tiles[level, full] = _pyramid(nodes)
                peaks += _peaks_of(nodes)
        if Tree(size, peaks).root() != root:
            raise EvidenceRefused(f"tiles of size {size:,} do not have the root of the checkpoint", remedy=_VERIFY)

    def node(self, height: int, index: int) -> bytes:
        """Return the node that covers leaves ``index·2^height …``, all of which the tree has."""
        assert (index + 1) << height <= self.size, f"node {height},{index} is not in a tree of {self.size}"
        level, above = divmod(height, TILE_HEIGHT)
        number, offset = divmod(index << above, TILE_WIDTH)
        return self._tile(level, number)[above][offset >> above]

    def _tile(self, level: int, number: int) -> Pyramid:
        known = self._tiles.get((level, number)) or (None if level else self._lowest.get(number))
        if known is not None:
            return known
        pyramid = _pyramid(self._load(Tile(level, number)))
        above, offset = divmod(number, TILE_WIDTH)
        if pyramid[-1][0] != self._tile(level + 1, above)[0][offset]:
            path = format_path(Tile(level, number))
            raise EvidenceRefused(f"{path} differs from the tree of size {self.size:,}", remedy=_VERIFY)
        if level:
            self._tiles[level, number] = pyramid
        else:
            self._lowest[number] = pyramid
            if len(self._lowest) > _LOWEST_MAX:
                self._lowest.popitem(last=False)
        return pyramid

    def _load(self, tile: Tile) -> list[bytes]:
        nodes = split_hashes(self._read(tile))
        if len(nodes) != tile.width:
            raise EvidenceRefused(f"{format_path(tile)} has {len(nodes)} hashes, not {tile.width}")
        return nodes


def _pyramid(nodes: list[bytes]) -> Pyramid:
    """Return the nodes of a tile and all full ones above them, level by level; of 256 the last level is one node."""
    levels = [nodes]
    while len(levels[-1]) > 1:
        levels.append(hash_pairs(levels[-1]))
    return levels


def _full_tiles(size: int, level: int) -> int:
    return size >> TILE_HEIGHT * (level + 1)


def _peaks_of(nodes: Sequence[bytes]) -> list[bytes]:
    """Return the full subtrees of a partial tile's nodes, left to right."""
    peaks: list[bytes] = []
    start = 0
    for bit in (128, 64, 32, 16, 8, 4, 2, 1):
        if len(nodes) & bit:
            peaks.append(full_node(nodes[start : start + bit]))
            start += bit
    return peaks
