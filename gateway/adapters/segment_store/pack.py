"""Sealing a segment: a full, published segment becomes one packed file without salts, compared before it replaces (`ledger.md` 3)."""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path
from typing import Final

from gateway.adapters.segment_store.disk import Disk, sync_folder
from gateway.adapters.segment_store.durable import write_durably
from gateway.adapters.segment_store.layout import FINISHED_MODE, Layout, SegmentName
from gateway.adapters.segment_store.unpacked import read_segment
from gateway.errors import LedgerDoubt
from gateway.ledger.frame import restore_frame, strip_frame
from gateway.ledger.segment import (
    SEGMENT_ENTRIES,
    Damage,
    PlacedFrame,
    format_file_header,
    iterate_frames,
    parse_file_header,
)

if sys.version_info >= (3, 14):
    from compression.zstd import CompressionParameter, compress
else:
    from backports.zstd import CompressionParameter, compress

LEVEL: Final = 3
_OPTIONS: Final[dict[int, int]] = {
    CompressionParameter.compression_level: LEVEL,
    CompressionParameter.checksum_flag: 1,
    CompressionParameter.content_size_flag: 1,
}


def packable(layout: Layout, published: int) -> list[int]:
    """Return the first indexes of segments that are full, published past their end and not packed yet."""
    firsts = {name.first for name in layout.segments() if not name.packed and not name.first % SEGMENT_ENTRIES}
    return sorted(first for first in firsts if first + SEGMENT_ENTRIES <= published)


def pack_segment(disk: Disk, layout: Layout, first: int) -> int:
    """Pack one segment and put it in the place of its files; return the bytes of the packed file.

    Safe beside commits: only finished files are touched. Raises `LedgerDoubt` when they are not whole or do not come back
    equal; the originals then stay. `OSError` when the disk refuses: nothing is changed.
    """
    temporary = prepare_packed(disk, layout, first)
    size = temporary.stat().st_size
    swap_packed(disk, layout, first, temporary)
    return size


def prepare_packed(disk: Disk, layout: Layout, first: int, mark: str = "packed") -> Path:
    """Pack one segment under a temporary name with ``mark`` in it, durably, and compare; nothing else is touched.

    May run in another process, whose mark then is its own. Raises as `pack_segment`.
    """
    names = files_of(layout, first)
    contents = [_read(layout, name) for name in names]
    frames = [frame for name, content in zip(names, contents, strict=True) for frame in _frames_of(name, content)]
    if not frames or frames[-1].frame.stop != first + SEGMENT_ENTRIES:
        raise LedgerDoubt(f"segment {first:,} is not full and is not packed", remedy="run gateway verify")
    header = parse_file_header(contents[0])._replace(stripped=True)
    packed = compress(format_file_header(header) + b"".join(strip_frame(one.frame) for one in frames), options=_OPTIONS)
    temporary = layout.seg / f"{SegmentName(first, packed=True).text}.{mark}.tmp"
    write_durably(disk, temporary, packed, FINISHED_MODE)
    try:
        _compare(read_segment(temporary, packed=True), contents, first)
    except LedgerDoubt:
        disk.unlink(temporary)
        raise
    return temporary


def swap_packed(disk: Disk, layout: Layout, first: int, temporary: Path) -> None:
    """Put a prepared file in the place of its segment's files; killed in between, both forms stand and one counts."""
    names = files_of(layout, first)
    disk.rename(temporary, layout.segment(SegmentName(first, packed=True)))
    sync_folder(disk, layout.seg)
    # The aligned file goes first: from then on the packed one counts, and what is left of the segment is passed over.
    for name in names:
        disk.unlink(layout.segment(name))
    sync_folder(disk, layout.seg)


def files_of(layout: Layout, first: int) -> list[SegmentName]:
    """Return the unpacked files of one segment, in order."""
    return [name for name in layout.segments() if first <= name.first < first + SEGMENT_ENTRIES and not name.packed]


def remove_leftovers(disk: Disk, layout: Layout) -> None:
    """Remove what an interrupted packing left: files inside a packed segment, temporary files."""
    names = layout.segments()
    counting = {layout.segment(name) for name in names}
    packed = {name.first for name in names if name.packed}
    for path in layout.seg.iterdir():
        is_part = path.suffix == ".seg" and path not in counting and _segment_first(path.stem) in packed
        if is_part or path.suffix == ".tmp":
            disk.unlink(path)


def _read(layout: Layout, name: SegmentName) -> bytes:
    """Return a file's bytes; what the disk no longer gives is damage of this file, not doubt in what is written next."""
    try:
        return read_segment(layout.segment(name), packed=False)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise LedgerDoubt(
            f"damaged: {name.text} cannot be read: {error.strerror or error}",
            remedy="restore this file from backup or mirror",
        ) from error


def _segment_first(stem: str) -> int:
    return int(stem) // SEGMENT_ENTRIES * SEGMENT_ENTRIES if stem.isdecimal() else -1


def _frames_of(name: SegmentName, content: bytes) -> list[PlacedFrame]:
    frames: list[PlacedFrame] = []
    for found in iterate_frames(content):
        if isinstance(found, Damage):
            raise LedgerDoubt(
                f"damaged: {name.text} offset {found.offset:,}: {found.text}",
                remedy="restore this file from backup or mirror",
            )
        frames.append(found)
    return frames


def _compare(content: bytes, contents: list[bytes], first: int) -> None:
    """Derive the salts of the packed frames again and compare with every byte that was written at the commits."""
    before, after = sha256(), sha256()
    for original in contents:
        for found in iterate_frames(original):
            assert isinstance(found, PlacedFrame), "the files were read whole before"
            before.update(original[found.offset : found.offset + found.length])
    for found in iterate_frames(content):
        if isinstance(found, PlacedFrame):
            after.update(restore_frame(found.frame))
    if before.digest() != after.digest():
        raise LedgerDoubt(f"segment {first:,} does not come back equal from packing", remedy="run gateway verify")
