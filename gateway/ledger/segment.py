"""Segment files: names, the 128-byte header, and what stands in a file's bytes (`ledger.md` 3).

A segment is 65,536 entries from a multiple of 65,536. A file never crosses its end; it starts inside one only after an
unclean stop. Frames stand back to back; zero bytes to the end of a file are free space.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from hashlib import sha256
from typing import Final, NamedTuple
from zlib import crc32

from gateway.errors import EvidenceRefused
from gateway.ledger.frame import MAGIC, STRIPPED, VERSION, Frame, parse_frame, parse_frame_header

SEGMENT_ENTRIES: Final = 65_536
FILE_MAGIC: Final = bytes.fromhex("47575345470d0a1a")
FILE_HEADER_SIZE: Final = 128

_FILE_HEADER: Final = struct.Struct(">8sHH4xQ32s32s36x")
_CRC: Final = struct.Struct(">I")
_NAME: Final = re.compile(r"([0-9]{20})\.seg(\.zst)?")


class FileHeader(NamedTuple):
    """First 128 bytes of a file: index of its first entry, root of the tree of that size, SHA-256(origin)."""

    stripped: bool
    first: int
    root: bytes
    origin_sha256: bytes


class Damage(NamedTuple):
    """Bytes of a file that are no frame. ``torn``: nothing whole follows them, so they were never acknowledged."""

    offset: int
    length: int
    torn: bool
    text: str


class PlacedFrame(NamedTuple):
    """A whole frame with its place in the file."""

    offset: int
    length: int
    frame: Frame


def segment_of(index: int) -> int:
    """Return the first index of the segment that holds ``index``."""
    return index - index % SEGMENT_ENTRIES


def segment_room(index: int) -> int:
    """Return how many entries fit from ``index`` to the end of its segment (1..65,536)."""
    return SEGMENT_ENTRIES - index % SEGMENT_ENTRIES


def format_name(first: int, *, packed: bool = False) -> str:
    """Return the name of the file whose first entry is ``first``: 20 digits, ``.seg`` or ``.seg.zst``."""
    return f"{first:020d}.seg.zst" if packed else f"{first:020d}.seg"


def parse_name(name: str) -> tuple[int, bool]:
    """Return (first index, packed) of a file name; refuse any other name."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise EvidenceRefused(f"{name[:80]!r} is no segment file name", remedy="move the file out of the ledger")
    return int(match[1]), match[2] is not None


def format_file_header(header: FileHeader) -> bytes:
    """Return the 128 bytes that begin a file."""
    flags = STRIPPED if header.stripped else 0
    head = _FILE_HEADER.pack(FILE_MAGIC, VERSION, flags, header.first, header.root, header.origin_sha256)
    return head + _CRC.pack(crc32(head))


def make_file_header(origin: str, first: int, root: bytes) -> bytes:
    """Return the header of a new file of the log ``origin`` that begins at tree size ``first`` with ``root``."""
    return format_file_header(FileHeader(False, first, root, sha256(origin.encode()).digest()))


def parse_file_header(content: bytes) -> FileHeader:
    """Return the header of a file's bytes; refuse a wrong magic, version, flag, filler or CRC."""
    head = content[:FILE_HEADER_SIZE]
    if len(head) < FILE_HEADER_SIZE or not head.startswith(FILE_MAGIC):
        raise EvidenceRefused("no segment file: its first 128 bytes are not a header")
    _, version, flags, first, root, origin_sha256 = _FILE_HEADER.unpack_from(head)
    if version != VERSION or flags & ~STRIPPED:
        raise EvidenceRefused(
            f"segment file of version {version}, flags {flags:#06x} is not known",
            remedy="use the release that wrote it",
        )
    header = FileHeader(bool(flags & STRIPPED), first, root, origin_sha256)
    if format_file_header(header) != head:
        raise EvidenceRefused("segment file header: CRC differs")
    return header


def iterate_frames(content: bytes, offset: int = FILE_HEADER_SIZE) -> Iterator[PlacedFrame | Damage]:
    """Yield every whole frame of a file's bytes from ``offset``, and the stretches that are none.

    A stretch followed by a valid frame is damage; a last one is a torn tail. Zeros to the end are free space: silent.
    """
    end = free_space_from(content)
    while offset < end:
        try:
            frame = parse_frame(content, offset)
        except EvidenceRefused as error:
            following = find_frame(content, offset + 1)
            stop = end if following is None else following
            yield Damage(offset, stop - offset, following is None, error.text)
            offset = stop
        else:
            length = parse_frame_header(content, offset).length
            yield PlacedFrame(offset, length, frame)
            offset += length


def find_frame(content: bytes, offset: int) -> int | None:
    """Return the offset of the first whole valid frame at or after ``offset``, None if there is none."""
    while (offset := content.find(MAGIC, offset)) >= 0:
        try:
            parse_frame(content, offset)
        except EvidenceRefused:
            offset += 1
        else:
            return offset
    return None


def free_space_from(content: bytes) -> int:
    """Return where the zeros at the end of a file begin.

    The last frame may itself end in zero bytes; `iterate_frames` only asks whether a frame *begins* before this offset.
    """
    return len(content.rstrip(b"\x00"))
