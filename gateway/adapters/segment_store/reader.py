"""Read frames and entries without a lock: every reader stops at the last whole frame (`ledger.md` 3, one writer)."""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Final, NamedTuple

from gateway.adapters.segment_store.layout import Layout, SegmentName
from gateway.adapters.segment_store.unpacked import read_pieces, read_segment
from gateway.errors import EvidenceRefused, LedgerDoubt
from gateway.ledger.entry import SALT_SIZE
from gateway.ledger.frame import (
    HEADER_SIZE,
    Frame,
    FrameHeader,
    frame_entries,
    parse_frame,
    parse_frame_header,
    pick_entries,
)
from gateway.ledger.segment import FILE_HEADER_SIZE, SEGMENT_ENTRIES, segment_of
from gateway.ledger.segment_stream import SegmentStream

LONG_RANGE: Final = 4_096
"""From so many entries on a range is read once from left to right: nobody comes back for its files."""
_TABLES_MAX: Final = 32
"""Frame tables kept; one of 65,536 single-entry frames takes 1 MiB."""


class Place(NamedTuple):
    """Where a frame stands: file and offset."""

    file: SegmentName
    offset: int


class FrameTable:
    """First indexes and offsets of the frames of one file, and where the next one would stand."""

    def __init__(self, first: int) -> None:
        self.firsts = array("Q")
        self.offsets = array("Q")
        self.next_first = first
        self.next_offset = FILE_HEADER_SIZE

    def add(self, count: int, length: int) -> None:
        """Note the frame that stands next."""
        self.offsets.append(self.next_offset)
        self.firsts.append(self.next_first)
        self.next_first += count
        self.next_offset += length


class SegmentReader:
    """Frames and entries of one ledger folder by index. Safe for several threads; sees what is appended meanwhile."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._lock = Lock()
        self._names: list[SegmentName] = []
        self._tables: OrderedDict[int, FrameTable] = OrderedDict()
        self._unpacked: tuple[SegmentName, bytes] | None = None

    @property
    def layout(self) -> Layout:
        """Where the files lie."""
        return self._layout

    def frames(self, first: int, stop: int) -> Iterator[tuple[Place, Frame]]:
        """Yield the frames that hold ``first <= index < stop``, from the one with ``first`` on, as far as they are whole.

        A long range is read left to right with one frame of a packed file in memory; for a short one the file that was
        unpacked last is kept. Raises `LedgerDoubt` when a frame that should be there cannot be read.
        """
        while first < stop:
            name = self._file_of(first)
            if name is None:
                return
            before = first
            of_file = self._unpacking if name.packed and stop - first >= LONG_RANGE else self._frames_of
            for place, frame in of_file(name, first, stop):
                yield place, frame
                first = frame.stop
            if first == before:
                return

    def read(self, first: int, stop: int) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield (index, salt, JSON) for ``first <= index < stop``."""
        for _, frame in self.frames(first, stop):
            index = frame.first
            for entry in frame_entries(frame):
                if first <= index < stop:
                    yield index, entry[:SALT_SIZE], entry[SALT_SIZE:]
                index += 1

    def pick(self, indexes: Sequence[int]) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield (index, salt, JSON) of some entries, ascending; what lies between is not taken apart, what is pruned left out."""
        at = 0
        while at < len(indexes):
            before = at
            for frame in self._holding(indexes, at):
                stop = bisect_left(indexes, frame.stop, at)
                yield from pick_entries(frame, indexes[at:stop])
                at = stop
            at += at == before

    def _holding(self, indexes: Sequence[int], at: int) -> Iterator[Frame]:
        """Yield the frames of one file that hold any of the indexes from place ``at`` on."""
        name = self._file_of(indexes[at])
        if name is None:
            return
        if not name.packed:
            yield from (frame for _, frame in self._frames_of(name, indexes[at], indexes[at] + 1))
            return
        stop = bisect_left(indexes, segment_of(name.first) + SEGMENT_ENTRIES, at)

        def wanted(header: FrameHeader) -> bool:
            low = bisect_left(indexes, header.first, at, stop)
            return low < stop and indexes[low] < header.first + header.n

        for _, frame in self._unpacking(name, indexes[at], indexes[stop - 1] + 1, wanted):
            yield frame

    def _unpacking(
        self, name: SegmentName, first: int, stop: int, wanted: Callable[[FrameHeader], bool] | None = None
    ) -> Iterator[tuple[Place, Frame]]:
        """Yield the frames of a packed file, as it is unpacked piece by piece, that hold ``first <= index < stop``."""
        try:
            stream = SegmentStream(read_pieces(self._layout.segment(name), packed=True))
            stream.header()
            for placed in stream.frames(wanted or partial(_reaches, first)):
                yield Place(name, placed.offset), placed.frame
                if placed.frame.stop >= stop:
                    return
        except EvidenceRefused as error:
            raise LedgerDoubt(
                f"damaged: {name.text}: {error.text}", remedy="restore this file from backup or mirror"
            ) from error

    def first_index(self) -> int:
        """Return the first index that is stored (after pruning more than 0)."""
        names = self._layout.segments()
        return names[0].first if names else 0

    def end(self) -> int:
        """Return the index after the last whole frame that stands in the files now."""
        for name in reversed(self._layout.segments()):
            with self._lock:
                table = self._table_of(name, fresh=True)
            if table.firsts:
                return table.next_first
        return 0

    def forget(self) -> None:
        """Drop what is cached: files have been recovered, sealed or restored."""
        with self._lock:
            self._names = []
            self._tables.clear()
            self._unpacked = None

    def _frames_of(self, name: SegmentName, first: int, stop: int) -> Iterator[tuple[Place, Frame]]:
        with self._lock:
            table = self._table_of(name)
            if first >= table.next_first:
                table = self._table_of(name, fresh=True)
        position = bisect_right(table.firsts, first) - 1
        if position < 0 or first >= table.next_first:
            return
        unpacked = self._content_of(name) if name.packed else None
        fd = os.open(self._layout.segment(name), os.O_RDONLY | os.O_CLOEXEC)
        try:
            for at in range(position, len(table.offsets)):
                if table.firsts[at] >= stop:
                    return
                yield Place(name, table.offsets[at]), self._frame_at(fd, unpacked, name, table, at)
        finally:
            os.close(fd)

    def _frame_at(self, fd: int, unpacked: bytes | None, name: SegmentName, table: FrameTable, at: int) -> Frame:
        offset = table.offsets[at]
        following = table.offsets[at + 1] if at + 1 < len(table.offsets) else table.next_offset
        if unpacked is None:
            content, start = os.pread(fd, following - offset, offset), 0
        else:
            content, start = unpacked, offset
        try:
            return parse_frame(content, start)
        except EvidenceRefused as error:
            raise LedgerDoubt(
                f"damaged: {name.text} offset {offset:,}, records {table.firsts[at]:,}..: {error.text}",
                remedy="restore this file from backup or mirror",
            ) from error

    def _file_of(self, index: int) -> SegmentName | None:
        """Return the file that may hold ``index``, looking at the folder again when it could be a new one."""
        with self._lock:
            if not self._names or index >= self._names[-1].first:
                self._names = self._layout.segments()
            position = bisect_right(self._names, index, key=lambda name: name.first) - 1
            if position < 0:
                return None
            name = self._names[position]
            if not self._layout.segment(name).exists():  # sealed meanwhile: .seg became .seg.zst
                self._names = self._layout.segments()
                position = bisect_right(self._names, index, key=lambda one: one.first) - 1
                name = self._names[position]
                self._tables.pop(name.first, None)
            return name

    def _table_of(self, name: SegmentName, *, fresh: bool = False) -> FrameTable:
        """Return the frames of a file; with ``fresh`` look for those appended since. The lock is held."""
        table = self._tables.get(name.first)
        if table is None:
            table, fresh = FrameTable(name.first), True
            self._tables[name.first] = table
            if len(self._tables) > _TABLES_MAX:
                self._tables.popitem(last=False)
        self._tables.move_to_end(name.first)
        if not fresh:
            return table
        if name.packed:
            self._scan(table, self._content_of(name))
        else:
            self._scan_file(table, self._layout.segment(name))
        return table

    def _scan_file(self, table: FrameTable, path: Path) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            size = os.fstat(fd).st_size
            while table.next_offset + HEADER_SIZE <= size:
                try:
                    header = parse_frame_header(os.pread(fd, HEADER_SIZE, table.next_offset))
                    if header.first != table.next_first or table.next_offset + header.length > size:
                        return
                    parse_frame(os.pread(fd, header.length, table.next_offset))
                except EvidenceRefused:
                    return
                table.add(header.n, header.length)
        finally:
            os.close(fd)

    @staticmethod
    def _scan(table: FrameTable, content: bytes) -> None:
        while table.next_offset < len(content):
            header = parse_frame_header(content, table.next_offset)
            table.add(header.n, header.length)

    def _content_of(self, name: SegmentName) -> bytes:
        """Return the unpacked bytes of a sealed file; the last one is kept."""
        if self._unpacked is None or self._unpacked[0] != name:
            self._unpacked = name, read_segment(self._layout.segment(name), packed=True)
        return self._unpacked[1]


def _reaches(index: int, header: FrameHeader) -> bool:
    return header.first + header.n > index
