"""One record by its index: the frame from the index, the bytes from the mapped file, at most 63 lengths walked."""

from __future__ import annotations

import mmap
import os
from array import array
from bisect import bisect_right
from collections import OrderedDict
from typing import Final

from gateway.adapters.index import schema
from gateway.adapters.segment_store.layout import Layout, SegmentName
from gateway.adapters.segment_store.reader import SegmentReader
from gateway.adapters.segment_store.unpacked import read_segment
from gateway.ledger.entry import SALT_SIZE
from gateway.ledger.frame import HEADER_SIZE, parse_frame_header
from gateway.ledger.segment import FILE_HEADER_SIZE, segment_of

_MAPS_MAX: Final = 16
_UNPACKED_MAX: Final = 1
"""Unpacked segments kept: 26 MB each."""
_LOOKS_MAX: Final = 2


class _Packed:
    """A sealed file unpacked: salts are gone, so its frames stand elsewhere than when they were indexed."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.firsts: list[int] = []
        self.offsets: list[int] = []
        offset = FILE_HEADER_SIZE
        while offset < len(content):
            header = parse_frame_header(content, offset)
            self.firsts.append(header.first)
            self.offsets.append(offset)
            offset += header.length


class EntryFetch:
    """Reads records; the lock of its owner is held."""

    def __init__(self, connection: schema.Database, layout: Layout) -> None:
        self._connection = connection
        self._layout = layout
        self._maps: OrderedDict[int, mmap.mmap] = OrderedDict()
        self._packed: OrderedDict[int, _Packed] = OrderedDict()
        self.reader = SegmentReader(layout)
        self._frame: tuple[int, int, int, int, int, array[int]] | None = None

    def record(self, index: int, *, alone: bool = False) -> bytes | None:
        """Return the JSON of an indexed record, None when its file is gone.

        ``alone``: its neighbours will not be asked for: a packed segment is unpacked only as far as it stands, and not kept.
        """
        found = self._frame_of(index)
        if found is None:
            return None
        first, _, file, place, length, skips = found
        if alone and self._lies_packed(file):
            return next((content for _, _, content in self.reader.pick([index])), None)
        skipped = (index - first) // schema.SKIP
        walk = (index - first) % schema.SKIP
        for _ in range(_LOOKS_MAX):  # between the two looks the file may be sealed
            packed = self._packed_file(file)
            if packed is not None:
                frame = packed.offsets[bisect_right(packed.firsts, first) - 1]
                start = frame + HEADER_SIZE + skips[skipped] - SALT_SIZE * skipped * schema.SKIP
                return _walk(packed.content, start, walk, 0)
            content = self._map(file, place + length)
            if content is not None:
                return _walk(content, place + HEADER_SIZE + skips[skipped], walk, SALT_SIZE)
        return None

    def place(self, index: int) -> tuple[int, int] | None:
        """Return (first index of the file, offset of the frame)."""
        found = self._frame_of(index)
        return None if found is None else (found[2], found[3])

    def release(self) -> None:
        """Let go of files that were sealed or pruned meanwhile: while they are mapped their space is not free."""
        for file in [one for one in self._maps if not self._layout.segment(SegmentName(one, packed=False)).exists()]:
            self._maps.pop(file).close()
        self._packed.clear()
        self.reader.forget()

    def close(self) -> None:
        """Close all files."""
        for mapped in self._maps.values():
            mapped.close()
        self._maps.clear()

    def _frame_of(self, index: int) -> tuple[int, int, int, int, int, array[int]] | None:
        known = self._frame
        if known is not None and known[0] <= index < known[0] + known[1]:
            return known
        query = "SELECT first, n, file, place, length, skips FROM frame WHERE first <= ? ORDER BY first DESC LIMIT 1"
        row = self._connection.execute(query, (index,)).fetchone()
        if row is None:
            return None
        first, n, file, place, length, skips = row
        known = first, n, file, place, length, array("I", skips)
        if index >= known[0] + known[1]:
            return None
        self._frame = known
        return known

    def _map(self, file: int, until: int) -> mmap.mmap | None:
        """Return the mapped bytes of an open file, mapped again when it has grown past ``until``."""
        mapped = self._maps.get(file)
        if mapped is not None and len(mapped) >= until:
            self._maps.move_to_end(file)
            return mapped
        path = self._layout.segment(SegmentName(file, packed=False))
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            size = os.fstat(fd).st_size
            if size < until:
                return None
            mapped = mmap.mmap(fd, size, access=mmap.ACCESS_READ)
        finally:
            os.close(fd)
        self._maps[file] = mapped
        if len(self._maps) > _MAPS_MAX:
            self._maps.popitem(last=False)[1].close()
        return mapped

    def _packed_file(self, file: int) -> _Packed | None:
        """Return the packed segment that took the place of a file, None while the file itself stands."""
        if file in self._maps:
            return None
        segment = segment_of(file)
        known = self._packed.get(segment)
        if known is not None:
            return known
        if not self._lies_packed(file):
            return None
        path = self._layout.segment(SegmentName(segment, packed=True))
        try:
            known = self._packed[segment] = _Packed(read_segment(path, packed=True))
        except FileNotFoundError:  # pruned in this moment
            return None
        if len(self._packed) > _UNPACKED_MAX:
            self._packed.popitem(last=False)
        return known

    def _lies_packed(self, file: int) -> bool:
        """Say whether a packed segment took the place of a file and is not unpacked here."""
        segment = segment_of(file)
        if file in self._maps or segment in self._packed:
            return False
        packed = self._layout.segment(SegmentName(segment, packed=True))
        return not self._layout.segment(SegmentName(file, packed=False)).exists() and packed.exists()


def _walk(content: bytes | mmap.mmap, position: int, steps: int, salt: int) -> bytes:
    """Step over ``steps`` entries and return the JSON of the next."""
    for _ in range(steps):
        position += 2 + (content[position] << 8 | content[position + 1])
    length = content[position] << 8 | content[position + 1]
    return content[position + 2 + salt : position + 2 + length]
