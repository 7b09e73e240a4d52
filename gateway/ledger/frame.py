"""One frame: the entries of one group commit with seed, leaf prefixes and sealed checkpoint (`ledger.md` 3).

::

    0   "GWFR" · 4 uint16 version 1 · 6 uint16 flags (bit 0: salts stripped)
    8   uint64 first index · 16 uint32 n · 20 uint32 body length · 24 uint32 checkpoint length
    28  seed, 32 bytes · 60 uint32 CRC of bytes 0..59
    64  body: n x (uint16 length ‖ entry)            = a C2SP entry bundle; stripped: entry without its salt
    ..  n x first 4 bytes of the leaf hash
    ..  checkpoint note of size first + n, seal lines only
    ..  uint32 frame length incl. these 8 bytes · uint32 CRC of all before

The CRCs find torn and rotten bytes quickly; they prove nothing. The root in the checkpoint proves.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple
from zlib import crc32

from gateway.errors import EvidenceRefused
from gateway.ledger.entry import (
    LEAF_PREFIX_SIZE,
    SALT_SIZE,
    SEED_SIZE,
    derive_salt,
    derive_salts,
    hash_salted,
    leaf_prefixes,
)
from gateway.ledger.merkle import hash_leaves

MAGIC: Final = b"GWFR"
VERSION: Final = 1
STRIPPED: Final = 1
"""Flag bit 0: bodies hold the JSON alone, salts are derived from the seed."""
FRAME_BYTES_MAX: Final = 64 * 1024 * 1024
HEADER_SIZE: Final = 64
TRAILER_SIZE: Final = 8
PREFIX_SIZE: Final = LEAF_PREFIX_SIZE

_HEADER: Final = struct.Struct(">4sHHQIII32s")
_CRC: Final = struct.Struct(">I")
_TRAILER: Final = struct.Struct(">II")
_ENTRY_LENGTHS: Final = [n.to_bytes(2, "big") for n in range(0x10000)]
"""Every uint16 once: a look-up costs a third of packing it."""


class FrameHeader(NamedTuple):
    """The first 64 bytes, checked; lengths in bytes."""

    flags: int
    first: int
    n: int
    body_length: int
    checkpoint_length: int
    seed: bytes

    @property
    def length(self) -> int:
        """Length of the whole frame, trailer included."""
        return HEADER_SIZE + self.body_length + PREFIX_SIZE * self.n + self.checkpoint_length + TRAILER_SIZE


class Frame(NamedTuple):
    """A whole frame with valid CRCs. ``body``: n x (uint16 length ‖ entry, or record JSON when stripped)."""

    stripped: bool
    first: int
    n: int
    seed: bytes
    body: bytes
    prefixes: bytes
    checkpoint: bytes

    @property
    def stop(self) -> int:
        """Index after the last entry = size of the tree this frame seals."""
        return self.first + self.n


def format_body(entries: Sequence[bytes]) -> bytes:
    """Return n x (uint16 length ‖ entry): the bytes of a C2SP entry bundle."""
    lengths = _ENTRY_LENGTHS
    return b"".join([piece for entry in entries for piece in (lengths[len(entry)], entry)])


def format_frame(first: int, seed: bytes, body: bytes, leaf_hashes: Sequence[bytes], checkpoint: bytes) -> bytes:
    """Return the bytes of a frame with salts (flags 0)."""
    return _join(0, first, seed, body, leaf_prefixes(leaf_hashes), checkpoint)


def parse_frame_header(content: bytes, offset: int = 0) -> FrameHeader:
    """Return the header at ``offset``; refuse a wrong magic, version, flag, CRC, or lengths over the bound."""
    head = content[offset : offset + HEADER_SIZE]
    if len(head) < HEADER_SIZE or not head.startswith(MAGIC):
        raise EvidenceRefused("no frame begins here")
    if crc32(head[:-4]) != _CRC.unpack_from(head, HEADER_SIZE - 4)[0]:
        raise EvidenceRefused("frame header: CRC differs")
    _, version, flags, first, n, body, checkpoint, seed = _HEADER.unpack_from(head)
    if version != VERSION or flags & ~STRIPPED:
        raise EvidenceRefused(
            f"frame of version {version}, flags {flags:#06x} is not known",
            remedy="use the release that wrote it",
        )
    header = FrameHeader(flags, first, n, body, checkpoint, seed)
    if not n or header.length > FRAME_BYTES_MAX:
        raise EvidenceRefused(f"frame header: {n} entries in {header.length:,} bytes")
    return header


def parse_frame(content: bytes, offset: int = 0) -> Frame:
    """Return the frame at ``offset``; refuse one that is torn or whose CRC differs. Entries are not looked at."""
    header = parse_frame_header(content, offset)
    whole = content[offset : offset + header.length]
    if len(whole) < header.length:
        raise EvidenceRefused(f"frame is cut: {len(whole):,} of {header.length:,} bytes")
    length, crc = _TRAILER.unpack_from(whole, header.length - TRAILER_SIZE)
    if length != header.length or crc != crc32(whole[:-4]):
        raise EvidenceRefused("frame: CRC differs")
    body_end = HEADER_SIZE + header.body_length
    prefix_end = body_end + PREFIX_SIZE * header.n
    return Frame(
        bool(header.flags & STRIPPED),
        header.first,
        header.n,
        header.seed,
        whole[HEADER_SIZE:body_end],
        whole[body_end:prefix_end],
        whole[prefix_end : header.length - TRAILER_SIZE],
    )


def split_body(body: bytes, count: int) -> list[bytes]:
    """Return the ``count`` items of a body; refuse a body that does not end with the last one."""
    items: list[bytes] = []
    append = items.append
    position, end = 0, len(body)
    while position + 2 <= end:
        stop = position + 2 + (body[position] << 8 | body[position + 1])
        append(body[position + 2 : stop])
        position = stop
    if position != end or len(items) != count:
        raise EvidenceRefused(f"frame body does not hold {count} whole entries")
    return items


def frame_entries(frame: Frame) -> list[bytes]:
    """Return the entries of a frame, salts derived again where they were stripped."""
    items = split_body(frame.body, frame.n)
    if not frame.stripped:
        return items
    salts = derive_salts(frame.seed, frame.first, frame.n)
    return [salt + item for salt, item in zip(salts, items, strict=True)]


def frame_leaves(frame: Frame) -> list[bytes]:
    """Return the leaf hashes of a frame's entries."""
    items = split_body(frame.body, frame.n)
    return hash_salted(frame.seed, frame.first, items) if frame.stripped else hash_leaves(items)


def pick_entries(frame: Frame, indexes: Sequence[int]) -> list[tuple[int, bytes, bytes]]:
    """Return (index, salt, record JSON) of some entries of a frame, ascending; the others are only stepped over."""
    picked: list[tuple[int, bytes, bytes]] = []
    body, position, at = frame.body, 0, frame.first
    for index in indexes:
        assert at <= index < frame.stop, f"{index} is not ascending within the frame at {frame.first}"
        while at < index:
            position += 2 + (body[position] << 8 | body[position + 1])
            at += 1
        item = body[position + 2 : position + 2 + (body[position] << 8 | body[position + 1])]
        if frame.stripped:
            picked.append((index, derive_salt(frame.seed, index), item))
        else:
            picked.append((index, item[:SALT_SIZE], item[SALT_SIZE:]))
    return picked


def strip_frame(frame: Frame) -> bytes:
    """Return the bytes of the frame without salts (flags bit 0), lengths and CRCs to match.

    The caller reads it back with `restore_frame` and compares before it gives up the original.
    """
    body = format_body([entry[SALT_SIZE:] for entry in frame_entries(frame)])
    return _join(STRIPPED, frame.first, frame.seed, body, frame.prefixes, frame.checkpoint)


def restore_frame(frame: Frame) -> bytes:
    """Return the bytes of the frame with its salts: what was written at the commit."""
    return _join(0, frame.first, frame.seed, format_body(frame_entries(frame)), frame.prefixes, frame.checkpoint)


def _join(flags: int, first: int, seed: bytes, body: bytes, prefixes: bytes, checkpoint: bytes) -> bytes:
    assert len(seed) == SEED_SIZE, f"a frame seed has {SEED_SIZE} bytes, not {len(seed)}"
    count = len(prefixes) // PREFIX_SIZE
    head = _HEADER.pack(MAGIC, VERSION, flags, first, count, len(body), len(checkpoint), seed)
    length = HEADER_SIZE + len(body) + len(prefixes) + len(checkpoint) + TRAILER_SIZE
    assert length <= FRAME_BYTES_MAX, f"a frame of {length:,} bytes passes the bound: split the pool first"
    head += _CRC.pack(crc32(head))
    tail = checkpoint + _CRC.pack(length)
    # The CRC runs over the parts, so that the megabytes of a full pool are copied once.
    crc = crc32(tail, crc32(prefixes, crc32(body, crc32(head))))
    return b"".join((head, body, prefixes, tail, _CRC.pack(crc)))
