"""Sealing a segment: a full, published segment becomes one packed file without salts, compared before it replaces (`ledger.md` 3)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

from gateway.adapters.segment_store.disk import Disk, sync_folder
from gateway.adapters.segment_store.durable import write_durably
from gateway.adapters.segment_store.layout import FINISHED_MODE, Layout, SegmentName
from gateway.adapters.segment_store.unpacked import read_pieces
from gateway.errors import EvidenceRefused, LedgerDoubt
from gateway.ledger.entry import SALT_SIZE
from gateway.ledger.frame import HEADER_SIZE, Frame, parse_frame, parse_frame_header, restore_frame, strip_frame
from gateway.ledger.segment import FILE_HEADER_SIZE, SEGMENT_ENTRIES, FileHeader, format_file_header, parse_file_header
from gateway.ledger.segment_stream import SegmentStream

if sys.version_info >= (3, 14):
    from compression.zstd import CompressionParameter, ZstdCompressor, compress
else:
    from backports.zstd import CompressionParameter, ZstdCompressor, compress

__all__ = [
    "LEVEL",
    "compress",
    "files_of",
    "pack_segment",
    "packable",
    "prepare_packed",
    "remove_leftovers",
    "swap_packed",
]

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

    One frame is in memory, beside what is packed by then.

    May run in another process, whose mark then is its own. Raises as `pack_segment`.
    """
    names = files_of(layout, first)
    compressor = ZstdCompressor(options=_OPTIONS)
    compressor.set_pledged_input_size(_packed_length(layout, names, first))
    before, parts = sha256(), list[bytes]()
    for name in names:
        if not parts:
            parts.append(compressor.compress(format_file_header(_header(layout, name)._replace(stripped=True))))
        for raw, frame in _frames_of(layout, name):
            before.update(raw)
            parts.append(compressor.compress(strip_frame(frame)))
    parts.append(compressor.flush())
    temporary = layout.seg / f"{SegmentName(first, packed=True).text}.{mark}.tmp"
    write_durably(disk, temporary, b"".join(parts), FINISHED_MODE)
    try:
        _compare(temporary, before.digest(), first)
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


def _segment_first(stem: str) -> int:
    return int(stem) // SEGMENT_ENTRIES * SEGMENT_ENTRIES if stem.isdecimal() else -1


def _packed_length(layout: Layout, names: list[SegmentName], first: int) -> int:
    """Return the length of the segment without salts; raise `LedgerDoubt` if it is not whole."""
    length, stop = FILE_HEADER_SIZE, first
    for name in names:
        for raw, frame in _frames_of(layout, name):
            if frame.first != stop:
                break
            length, stop = length + len(raw) - SALT_SIZE * frame.n, frame.stop
    if stop != first + SEGMENT_ENTRIES:
        raise LedgerDoubt(f"segment {first:,} is not full and is not packed", remedy="run gateway verify")
    return length


def _header(layout: Layout, name: SegmentName) -> FileHeader:
    with layout.segment(name).open("rb") as file:
        content = file.read(FILE_HEADER_SIZE)
    try:
        return parse_file_header(content)
    except EvidenceRefused as error:
        raise _damaged(name, error.text) from error


def _frames_of(layout: Layout, name: SegmentName) -> Iterator[tuple[bytes, Frame]]:
    """Yield the bytes of each frame of a file and what they are; one is in memory.

    What the disk no longer gives is damage of this file, not doubt in what is written next.
    """
    offset = FILE_HEADER_SIZE
    try:
        with layout.segment(name).open("rb", buffering=0) as file:
            fd, size = file.fileno(), os.fstat(file.fileno()).st_size
            while offset < size:
                head = os.pread(fd, HEADER_SIZE, offset)
                if not any(head) and not any(os.pread(fd, size - offset, offset)):
                    return  # free space
                raw = os.pread(fd, parse_frame_header(head).length, offset)
                yield raw, parse_frame(raw)
                offset += len(raw)
    except EvidenceRefused as error:
        raise _damaged(name, f"offset {offset:,}: {error.text}") from error
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _damaged(name, f"cannot be read: {error.strerror or error}") from error


def _damaged(name: SegmentName, why: str) -> LedgerDoubt:
    return LedgerDoubt(f"damaged: {name.text} {why}", remedy="restore this file from backup or mirror")


def _compare(temporary: Path, before: bytes, first: int) -> None:
    """Derive the salts of the packed frames again and compare with every byte that was written at the commits."""
    after = sha256()
    try:
        stream = SegmentStream(read_pieces(temporary, packed=True))
        stream.header()
        for placed in stream.frames():
            after.update(restore_frame(placed.frame))
    except EvidenceRefused as error:
        raise LedgerDoubt(f"segment {first:,}: {error.text}", remedy="run gateway verify") from error
    if before != after.digest():
        raise LedgerDoubt(f"segment {first:,} does not come back equal from packing", remedy="run gateway verify")
