"""`ledger export`: the whole tlog-tiles projection as files. Owner only: it discloses every entry (`ledger.md` 4)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gateway.adapters.segment_store.tile_maker import TileMaker
from gateway.errors import Refused
from gateway.ledger.tile import ENTRIES, LEVEL_MAX, TILE_WIDTH, format_path, tiles_of


def export_tiles(
    maker: TileMaker, note: bytes, size: int, target: Path, progress: Callable[[int], None] | None = None
) -> int:
    """Write `checkpoint`, `tile/entries/…` and `tile/<L>/…` of ``size`` into an empty folder; return how many files."""
    if target.exists() and any(target.iterdir()):
        raise Refused(f"{target} is not empty", remedy="name a new folder")
    target.mkdir(parents=True, exist_ok=True, mode=0o750)
    written, first = 0, maker.reader.first_index()
    for level in (ENTRIES, *range(LEVEL_MAX + 1)):
        for tile in tiles_of(size, level):
            if level <= 0 and tile.number * TILE_WIDTH < first:
                continue  # pruned: what is hashed from it stands in the tiles above
            path = target / format_path(tile)
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
            path.write_bytes(maker.tile(tile))
            written += 1
            if progress is not None:
                progress(written)
    (target / "checkpoint").write_bytes(note)
    return written + 1
