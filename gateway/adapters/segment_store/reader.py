"""Read frames and entries without a lock: every reader stops at the last whole frame (`ledger.md` 3, one writer)."""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
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
_AS_FAR_AS_IT_GOES: Final = 1 << 63
LOOKS_MAX: Final = 8
"""How often a name that is gone when it is to be opened is looked up again."""


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


class Content(NamedTuple):
    """Where a file's frames are read from: an open file, or the unpacked bytes of a sealed one."""

    fd: int
    unpacked: bytes | None

    def frame(self, name: SegmentName, table: FrameTable, at: int) -> Frame:
        """Return the frame number ``at`` of the table; raise `LedgerDoubt` when it is no longer what it was."""
        offset = table.offsets[at]
        following = table.offsets[at + 1] if at + 1 < len(table.offsets) else table.next_offset
        try:
            if self.unpacked is not None:
                return parse_frame(self.unpacked, offset)
            return parse_frame(os.pread(self.fd, following - offset, offset), 0)
        except EvidenceRefused as error:
            raise LedgerDoubt(
                f"damaged: {name.text} offset {offset:,}, records {table.firsts[at]:,}..: {error.text}",
                remedy="restore this file from backup or mirror",
            ) from error

    def close(self) -> None:
        """Give the file back."""
        if self.unpacked is None:
            os.close(self.fd)


class SegmentReader:
    """Frames and entries of one ledger folder by index. Safe for several threads; sees what is appended meanwhile.

    A file may be sealed (`.seg` becomes `.seg.zst`) or pruned at any moment: what is open is read to its end, and a name
    that is gone when it is to be opened is looked up again.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._lock = Lock()
        self._names: list[SegmentName] = []
        self._tables: OrderedDict[SegmentName, FrameTable] = OrderedDict()
        self._unpacked: tuple[SegmentName, bytes] | None = None

    @property
    def layout(self) -> Layout:
        """Where the files lie."""
        return self._layout

    def frames(self, first: int, stop: int) -> Iterator[tuple[Place, Frame]]:
        """Yield the frames that hold ``first <= index < stop``, from the one with ``first`` on, as far as they are whole.

        A long range is read left to right with one frame of a packed file in memory; for a short one the file that was
        unpacked last is kept. What is pruned is passed over. Raises `LedgerDoubt` when a frame that should be there cannot
        be read.
        """
        while first < stop:
            first = max(first, self.first_index())
            before = first
            for place, frame in self._of_file(first, stop):
                yield place, frame
                first = frame.stop
            if first == before and self.first_index() <= first:
                return

    def _of_file(self, first: int, stop: int) -> Iterator[tuple[Place, Frame]]:
        """Yield the frames of the one file that holds ``first``."""
        name = self._file_of(first) if stop - first >= LONG_RANGE else None
        return self._frames_of(first, stop) if name is None or not name.packed else self._unpacking(name, first, stop)

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
            at = before = bisect_left(indexes, self.first_index(), at)  # what is pruned is passed over
            if at == len(indexes):
                return
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
            yield from (frame for _, frame in self._frames_of(indexes[at], indexes[at] + 1))
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
        with self._lock:
            if not self._names:
                self._names = self._layout.segments()
            return self._names[0].first if self._names else 0

    def end(self) -> int:
        """Return the index after the last whole frame that stands in the files now."""
        self._look_again()
        for name in reversed(self._names):
            found = self._open(name, _AS_FAR_AS_IT_GOES)
            if found is None:  # sealed in this moment: its successor says where the ledger ends
                return self.end()
            table, content = found
            content.close()
            if table.firsts:
                return table.next_first
        return 0

    def forget(self) -> None:
        """Drop what is cached: files have been recovered, sealed, pruned or restored."""
        with self._lock:
            self._names = []
            self._tables.clear()
            self._unpacked = None

    def _frames_of(self, first: int, stop: int) -> Iterator[tuple[Place, Frame]]:
        """Yield the frames of the one file that holds ``first``."""
        found = self._find(first)
        if found is None:
            return
        name, table, content = found
        try:
            for at in range(bisect_right(table.firsts, first) - 1, len(table.offsets)):
                if table.firsts[at] >= stop:
                    return
                yield Place(name, table.offsets[at]), content.frame(name, table, at)
        finally:
            content.close()

    def _file_of(self, index: int) -> SegmentName | None:
        """Return the file that may hold ``index`` as the folder stands now, None if there is none."""
        for _ in range(LOOKS_MAX):
            name, is_last = self._name_of(index)
            if name is None or is_last:
                self._look_again()
                name, _ = self._name_of(index)
            if name is None or self._layout.segment(name).exists():
                return name
            self._look_again()
        return None

    def _find(self, index: int) -> tuple[SegmentName, FrameTable, Content] | None:
        """Return the open file that holds ``index`` and its frames; None if no whole frame holds it."""
        looked = False
        for _ in range(LOOKS_MAX):
            name, is_last = self._name_of(index)
            found = None if name is None else self._open(name, index)
            if name is not None and found is not None:
                table, content = found
                if table.firsts and table.firsts[0] <= index < table.next_first:
                    return name, table, content
                content.close()
                if looked or not is_last:
                    return None
            elif looked and name is None:
                return None
            self._look_again()
            looked = True
        return None

    def _name_of(self, index: int) -> tuple[SegmentName | None, bool]:
        """Return the file that may hold ``index``, and whether it is the last one known."""
        with self._lock:
            position = bisect_right(self._names, index, key=lambda name: name.first) - 1
            last = position == len(self._names) - 1
            return (self._names[position] if position >= 0 else None), last

    def _look_again(self) -> None:
        """Look at the folder: a file is new, or one that was known is gone."""
        names = self._layout.segments()
        with self._lock:
            self._names = names
            gone = self._tables.keys() - set(names)
            for name in gone:
                del self._tables[name]

    def _open(self, name: SegmentName, index: int) -> tuple[FrameTable, Content] | None:
        """Open a file and bring its table up to ``index``; None when it is gone by now."""
        try:
            if name.packed:
                content = Content(-1, self._content_of(name))
            else:
                content = Content(os.open(self._layout.segment(name), os.O_RDONLY | os.O_CLOEXEC), None)
        except FileNotFoundError:
            return None
        with self._lock:
            table = self._tables.get(name)
            if table is None:
                table = self._tables[name] = FrameTable(name.first)
                if len(self._tables) > _TABLES_MAX:
                    self._tables.popitem(last=False)
            self._tables.move_to_end(name)
            try:
                if index >= table.next_first or not table.firsts:
                    _extend(table, content)
            except BaseException:
                content.close()
                raise
        return table, content

    def _content_of(self, name: SegmentName) -> bytes:
        """Return the unpacked bytes of a sealed file; the last one is kept."""
        known = self._unpacked
        if known is None or known[0] != name:
            known = self._unpacked = name, read_segment(self._layout.segment(name), packed=True)
        return known[1]


def _extend(table: FrameTable, content: Content) -> None:
    """Add the whole frames that stand behind those known."""
    if content.unpacked is not None:
        while table.next_offset < len(content.unpacked):
            header = parse_frame_header(content.unpacked, table.next_offset)
            table.add(header.n, header.length)
        return
    size = os.fstat(content.fd).st_size
    while table.next_offset + HEADER_SIZE <= size:
        try:
            header = parse_frame_header(os.pread(content.fd, HEADER_SIZE, table.next_offset))
            if header.first != table.next_first or table.next_offset + header.length > size:
                return
            parse_frame(os.pread(content.fd, header.length, table.next_offset))
        except EvidenceRefused:
            return
        table.add(header.n, header.length)


def _reaches(index: int, header: FrameHeader) -> bool:
    return header.first + header.n > index
