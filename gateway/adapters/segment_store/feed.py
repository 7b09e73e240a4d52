"""Segment files as a mirror pulls them: header and frames of the commits, byte for byte, from an offset to the published end.

A packed segment is served as it was before packing: salts are derived again, and of its files one remains.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from gateway.adapters.segment_store.layout import Layout, SegmentName
from gateway.adapters.segment_store.reader import SegmentReader
from gateway.adapters.segment_store.unpacked import read_segment
from gateway.errors import EvidenceRefused, Refused
from gateway.ledger.checkpoint import Checkpoint, parse_checkpoint
from gateway.ledger.entry import SALT_SIZE
from gateway.ledger.frame import HEADER_SIZE, TRAILER_SIZE, Frame, parse_frame_header, restore_frame
from gateway.ledger.note import parse_note
from gateway.ledger.segment import FILE_HEADER_SIZE, SEGMENT_ENTRIES, make_file_header, parse_file_header, segment_of

PART_BYTES_MAX: Final = 4 * 1024 * 1024
"""An answer ends with the frame that passes this; one frame is always whole."""


class SegmentFeed:
    """Reads parts of segment files up to a published size; takes no lock."""

    def __init__(self, layout: Layout, reader: SegmentReader) -> None:
        self._layout = layout
        self._reader = reader

    def part(self, first: int, offset: int, published: int) -> bytes | None:
        """Return the bytes from ``offset`` of the file that begins at ``first``; empty: no more yet; None: no such file.

        ``offset`` is 0 or the end of a frame, else `Refused`. Frames end at ``published`` or at the end of the segment.
        """
        if first >= published:
            return None
        if 0 < offset < FILE_HEADER_SIZE:
            raise _no_frame(first, offset)
        try:
            return self._from_file(first, offset, published)
        except FileNotFoundError:
            return self._from_packed(first, offset, published)

    def _from_file(self, first: int, offset: int, published: int) -> bytes:
        fd = os.open(self._layout.segment(SegmentName(first, packed=False)), os.O_RDONLY | os.O_CLOEXEC)
        try:
            start = max(offset, FILE_HEADER_SIZE)
            end = _end_of(fd, start, published)
            if end is None:
                raise _no_frame(first, offset)
            return os.pread(fd, end - offset, offset)
        finally:
            os.close(fd)

    def _from_packed(self, first: int, offset: int, published: int) -> bytes | None:
        """Return the part of a packed segment; a file may begin at each of its frames."""
        name = SegmentName(segment_of(first), packed=True)
        if name not in self._layout.segments():
            return None
        stop = min(published, name.first + SEGMENT_ENTRIES)
        frames = (frame for _, frame in self._reader.frames(first, stop) if frame.stop <= stop)
        begun = self._header(name, first)
        if begun is None:
            return None
        return _sliced(begun, frames, first, offset)

    def _header(self, name: SegmentName, first: int) -> bytes | None:
        """Return the header of a file that begins at ``first``, None if no frame does."""
        head = _sealed_at(self._reader, first)
        if head is not None and head.size == first:
            return make_file_header(head.origin, first, head.root)
        if first != name.first:
            return None
        own = _sealed_at(self._reader, first + 1)
        assert own is not None, "a packed segment has frames"
        return make_file_header(
            own.origin, first, parse_file_header(read_segment(self._layout.segment(name), packed=True)).root
        )


def _sealed_at(reader: SegmentReader, size: int) -> Checkpoint | None:
    """Return the checkpoint of the frame that holds the entry before ``size``."""
    for _, frame in reader.frames(size - 1, size) if size else ():
        return parse_checkpoint(parse_note(frame.checkpoint).text)
    return None


def _end_of(fd: int, offset: int, published: int) -> int | None:
    """Return where the frames from ``offset`` on end: published, whole, not too many; None if no frame begins there."""
    size, end = os.fstat(fd).st_size, offset
    while end - offset < PART_BYTES_MAX and end + HEADER_SIZE <= size:
        head = os.pread(fd, HEADER_SIZE, end)
        if not any(head):
            break
        try:
            header = parse_frame_header(head)
        except EvidenceRefused:
            return None if end == offset else end
        if header.first + header.n > published or end + header.length > size:
            break
        end += header.length
    return end


def _sliced(header: bytes, frames: Iterator[Frame], first: int, offset: int) -> bytes:
    """Return the bytes from ``offset`` on of a file made of a header and frames."""
    parts, place, taken = ([header] if not offset else []), FILE_HEADER_SIZE, 0
    for frame in frames:
        length = _committed_length(frame)
        if place >= offset:
            parts.append(restore_frame(frame))
            taken += length
        elif place + length > offset:
            raise _no_frame(first, offset)
        place += length
        if taken >= PART_BYTES_MAX:
            break
    return b"".join(parts)


def _committed_length(frame: Frame) -> int:
    """Return how long a frame was when it was committed, with its salts."""
    salts = SALT_SIZE * frame.n if frame.stripped else 0
    return HEADER_SIZE + len(frame.body) + salts + len(frame.prefixes) + len(frame.checkpoint) + TRAILER_SIZE


def _no_frame(first: int, offset: int) -> Refused:
    return Refused(f"segment {first:,}: no frame begins at offset {offset:,}", remedy="ask from the end of a frame")
