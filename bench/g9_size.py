"""G9: bytes a reading takes on the disk when its segment is sealed, with its share of the index, against its JSON line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.goal import Row
from bench.history import SIGNALS
from bench.store import index_store, make_store

if TYPE_CHECKING:
    from pathlib import Path

    from bench.machine import Machine

READINGS, FEW = 10_000_000, 70_000
FLOOR, AIM = 0.4, 0.15
INDEX_FLOOR, INDEX_AIM = 8.0, 6.0
REBUILD_FLOOR, REBUILD_AIM = 100_000.0, 200_000.0


def run(folder: Path, machine: Machine, *, quick: bool, repeats: int) -> list[Row]:
    """Count the bytes of all files; the store is what it is, so the repeats say the same. The index is rebuilt once."""
    del machine
    store = make_store(folder, FEW if quick else READINGS)
    seconds = index_store(store, anew=True)
    assert seconds is not None
    kept = _bytes_below(store.ledger) - (store.ledger / "reserve").stat().st_size
    index = _bytes_below(store.database.parent)
    line = store.json_bytes / store.readings
    each = [(kept + index) / store.readings] * repeats
    of_index = [index / store.readings] * repeats
    rate = [store.entries / seconds] * repeats
    return [
        Row(
            "G9",
            "size on disk",
            "B/reading",
            each,
            [one / line for one in each],
            FLOOR,
            AIM,
            "× JSON",
            reference=[line],
            more_is_better=False,
            note=f"{store.readings:,} readings of {SIGNALS} signals a second apart; sealed {kept / store.readings:.1f} B, "
            f"index {index / store.readings:.1f} B; tiles and the open end counted, the reserve not; one count",
        ),
        Row(
            "G9",
            "index",
            "B/reading",
            of_index,
            of_index,
            INDEX_FLOOR,
            INDEX_AIM,
            "B",
            more_is_better=False,
            note="one count",
        ),
        Row(
            "G9",
            "rebuild of the index",
            "entries/s",
            rate,
            rate,
            REBUILD_FLOOR,
            REBUILD_AIM,
            "/s",
            note=f"{store.entries:,} entries from packed files, measured once",
        ),
    ]


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
