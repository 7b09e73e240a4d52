"""Removing a pruned prefix: what is to go is written down durably, then files go from the oldest on (`ledger.md` 6, prune).

Killed in between, the next start goes on from `PRUNED`. What remains always begins at an index up to the one recorded.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from gateway.adapters.segment_store.disk import FULL_ERRNOS, Disk, sync_folder
from gateway.adapters.segment_store.durable import write_durably
from gateway.adapters.segment_store.layout import Layout
from gateway.adapters.segment_store.reader import SegmentReader
from gateway.errors import LedgerDoubt
from gateway.ledger.records import Gateway, parse_record

RESTORE = "restore this file from backup or mirror"
_PRUNED = b'"event":"pruned"'


class Pruned(Struct, frozen=True):
    """Content of `PRUNED`: every record below ``stop`` may go, because the record at ``record`` says so."""

    stop: int
    record: int


def prune_segments(disk: Disk, layout: Layout, stop: int, record: int) -> int:
    """Note what goes, then remove the files of every segment below ``stop``; return the bytes they took."""
    _note(disk, layout, stop, record)
    return _remove(disk, layout, stop)


def finish_pruning(disk: Disk, layout: Layout, reader: SegmentReader) -> None:
    """At a start: remove what an interrupted pruning left, if the ledger itself says that it was to go."""
    noted = read_pruned(layout)
    names = layout.segments()
    if noted is None or not names or names[0].first >= noted.stop:
        return
    if not says_pruned(reader, noted.record, noted.stop):
        raise LedgerDoubt(
            f"{layout.pruned.name} names record {noted.record:,}, which prunes nothing below {noted.stop:,}",
            remedy="keep the folder as it is, and bring the file PRUNED back from mirror or backup",
        )
    _remove(disk, layout, noted.stop)
    reader.forget()


def check_beginning(disk: Disk, layout: Layout, reader: SegmentReader, first: int) -> None:
    """Raise `LedgerDoubt` when the ledger begins at ``first`` and no record of its own says that it was pruned so far.

    Where `PRUNED` does not name the record the whole ledger is searched, and what was found is noted for the next start.
    """
    noted = read_pruned(layout)
    if noted is not None and noted.stop == first and says_pruned(reader, noted.record, first):
        return
    found = next((index for index in _pruned_records(reader, first) if says_pruned(reader, index, first)), None)
    if found is None:
        raise LedgerDoubt(f"damaged: records 0..{first - 1:,} missing", remedy=RESTORE)
    try:
        _note(disk, layout, first, found)
    except OSError as error:
        if error.errno not in FULL_ERRNOS:
            raise


def read_pruned(layout: Layout) -> Pruned | None:
    """Return what `PRUNED` says, None without one that can be read: then the ledger is searched."""
    try:
        return msgspec.json.decode(layout.pruned.read_bytes(), type=Pruned)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def says_pruned(reader: SegmentReader, index: int, stop: int) -> bool:
    """Say whether the record at ``index`` is one by which everything below ``stop`` was pruned."""
    for _, _, content in reader.read(index, index + 1):
        record = parse_record(content)
        facts = record.facts if isinstance(record, Gateway) and record.event == "pruned" else None
        return isinstance(facts, dict) and facts.get("last") == stop - 1
    return False


def _pruned_records(reader: SegmentReader, first: int) -> list[int]:
    return [index for index, _, content in reader.read(first, 1 << 62) if _PRUNED in content]


def _note(disk: Disk, layout: Layout, stop: int, record: int) -> None:
    write_durably(disk, layout.pruned, msgspec.json.encode(Pruned(stop, record)) + b"\n")


def _remove(disk: Disk, layout: Layout, stop: int) -> int:
    freed = 0
    for name in layout.segments():
        if name.first < stop:
            path = layout.segment(name)
            freed += path.stat().st_size
            disk.unlink(path)
            sync_folder(disk, layout.seg)  # one after the other: what remains has no hole
    return freed
