"""Pruned: a ledger of a hundred million entries of which only the newest are stored, as retention leaves it.

Pruning removes whole segments and keeps the tiles of level 1 and above: all that a start and an append need of the past. The
hashes in these tiles are drawn at random, for nothing tells them from those of entries that are gone.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from bench.history import BEGAN_NS
from bench.ledger import ORIGIN, open_ledger, plan
from gateway.adapters.segment_store.disk import Disk
from gateway.adapters.segment_store.layout import Layout, SegmentName
from gateway.adapters.segment_store.tiles import TileFolder
from gateway.ledger.merkle import HASH_SIZE, Tree
from gateway.ledger.records import Gateway, format_record
from gateway.ledger.segment import SEGMENT_ENTRIES, make_file_header, segment_of
from gateway.ledger.tile import TILE_WIDTH

if TYPE_CHECKING:
    from pathlib import Path


def make_pruned(path: Path, size: int, first_pool: list[bytes]) -> None:
    """Make the ledger folder: tiles below the segment that holds ``size``, and that segment with one commit in it."""
    start = segment_of(size)
    open_ledger(path)[0].close()
    layout, random = Layout(path), Random(8)
    tiles = TileFolder(Disk(), layout, _no_leaves)
    for number in range(start // SEGMENT_ENTRIES):
        hashes = [random.randbytes(HASH_SIZE) for _ in range(TILE_WIDTH)]
        path_of = tiles.path(1, number)
        path_of.parent.mkdir(parents=True, exist_ok=True)
        path_of.write_bytes(b"".join(hashes))
    tree = Tree(start, tiles.peaks(start))
    said = Gateway(
        at_ns=BEGAN_NS,
        boot_ns=1,
        clock=1,
        event="pruned",
        gateway="gw-01",
        run=1,
        facts={"first": 0, "last": start - 1, "policy": "retention"},
    )
    frame = plan(tree, [format_record(said), *first_pool]).frames[0]
    header = make_file_header(ORIGIN, start, tree.root())
    layout.segment(SegmentName(start, packed=False)).write_bytes(header + frame.content)


def _no_leaves(first: int) -> list[bytes]:
    raise AssertionError(f"entries from {first:,} are pruned")
