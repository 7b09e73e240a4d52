"""First half of verifying a ledger: one file's bytes, without knowing any other file (may run in another process).

Header, CRCs, salts, leaf hashes, 4-byte hashes, records. The second half (`ledger.py`) joins the scans in order: tree
roots, seals, published checkpoint. `scan_stream` reads a whole file piece by piece, so that no file is ever in memory;
`fold_scan` leaves of the leaf hashes what the second half needs, so that little goes from process to process.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, field

from gateway.errors import EvidenceRefused
from gateway.ledger.entry import SALT_SIZE, derive_salts, hash_salted, leaf_prefixes
from gateway.ledger.frame import (
    HEADER_SIZE,
    PREFIX_SIZE,
    STRIPPED,
    TRAILER_SIZE,
    Frame,
    parse_frame_header,
    split_body,
)
from gateway.ledger.merkle import cover, hash_leaves
from gateway.ledger.segment import FILE_HEADER_SIZE, Damage, FileHeader, iterate_frames, parse_file_header, parse_name
from gateway.ledger.segment_stream import SegmentStream
from gateway.ledger.verify.findings import Finding
from gateway.ledger.verify.locate import locate, split_loosely
from gateway.ledger.verify.schema import RecordFacts, read_records


class FrameScan(Struct):
    """One frame: its place, what it claims, and the leaf hashes that follow from its bytes.

    ``leaf_hashes`` is empty when entries are lost, and when ``subtrees`` stand for them (`fold_scan`). ``located`` names
    what does not fit; ``stop`` is the index after its last entry as its salts tell. ``torn``: nothing whole follows; ``text``: why the frame cannot be read at all.
    """

    offset: int
    first: int
    n: int
    stop: int
    checkpoint: bytes
    leaf_hashes: list[bytes]
    located: list[Finding] = field(default_factory=list[Finding])
    torn: bool = False
    unreadable: bool = False
    text: str = ""
    length: int = 0
    subtrees: list[bytes] = field(default_factory=list[bytes])


class FileScan(Struct):
    """One file: header (None if it cannot be read, ``text`` says why), frames in their order, what its records say.

    ``length`` of its bytes; ``unfinished``: it is shorter than a header, or holds nothing but zeros there.
    """

    name: str
    first: int
    header: FileHeader | None
    frames: list[FrameScan]
    facts: RecordFacts
    text: str = ""
    length: int = 0
    unfinished: bool = False


def scan_file(name: str, content: bytes) -> FileScan:
    """Return what one file's unpacked bytes say; never raises for bad bytes. ``name`` is the file's name."""
    facts = RecordFacts()
    first, _ = parse_name(name)
    header, text = None, ""
    try:
        header = parse_file_header(content)
    except EvidenceRefused as error:
        text = error.text
    frames: list[FrameScan] = []
    for found in iterate_frames(content):
        if isinstance(found, Damage):
            frames.append(_scan_damage(name, content, found))
        else:
            frames.append(_scan_frame(name, found.offset, found.frame, facts))
    unfinished = len(content) < FILE_HEADER_SIZE or not any(content[:FILE_HEADER_SIZE])
    return FileScan(name, first, header, frames, facts, text, len(content), unfinished)


def scan_stream(name: str, pieces: Iterable[bytes]) -> FileScan | None:
    """Return what a file's bytes say, given in pieces; None at the first byte that is not in order: then `scan_file` says more.

    Holds one frame at a time, whatever the file's size.
    """
    facts, stream = RecordFacts(), SegmentStream(pieces)
    first, _ = parse_name(name)
    try:
        header = stream.header()
        frames = [_scan_frame(name, found.offset, found.frame, facts) for found in stream.frames()]
    except EvidenceRefused:
        return None
    return FileScan(name, first, header, frames, facts, length=stream.length)


def unread_file(name: str, text: str) -> FileScan:
    """Return the scan of a file whose bytes cannot be had at all; ``text`` says why."""
    first, _ = parse_name(name)
    return FileScan(name, first, None, [], RecordFacts(), text)


def fold_scan(scan: FileScan, watched: int = 0) -> FileScan:
    """Replace the leaf hashes of whole frames by the subtrees over them; returns the scan.

    The frame that holds the tree size ``watched`` inside keeps its leaves: its root is asked for there.
    """
    for frame in scan.frames:
        if frame.leaf_hashes and not frame.text and not frame.first < watched < frame.first + frame.n:
            frame.subtrees, frame.leaf_hashes = cover(frame.first, frame.leaf_hashes), []
    return scan


def _scan_frame(name: str, offset: int, frame: Frame, facts: RecordFacts) -> FrameScan:
    """Scan a frame with valid CRCs; whoever changed it may have made them valid again."""
    scan = FrameScan(offset, frame.first, frame.n, frame.stop, frame.checkpoint, [])
    try:
        items = split_body(frame.body, frame.n)
    except EvidenceRefused:
        items, whole = split_loosely(frame.body)
        scan.located, scan.stop = locate(frame, items, whole, name, offset)
        return scan
    if frame.stripped:
        records, salted = items, True
        scan.leaf_hashes = hash_salted(frame.seed, frame.first, items)
    else:
        records = [item[SALT_SIZE:] for item in items]
        scan.leaf_hashes = hash_leaves(items)
        salted = [item[:SALT_SIZE] for item in items] == derive_salts(frame.seed, frame.first, frame.n)
    if not salted or leaf_prefixes(scan.leaf_hashes) != frame.prefixes:
        scan.located, scan.stop = locate(frame, items, whole=True, file=name, offset=offset)
    read_records(facts, frame.first, records, name)
    return scan


def _scan_damage(name: str, content: bytes, damage: Damage) -> FrameScan:
    """Look into bytes that are no valid frame: if its header still holds, the record can be named."""
    scan = FrameScan(damage.offset, -1, 0, -1, b"", [], torn=damage.torn, text=damage.text, length=damage.length)
    try:
        header = parse_frame_header(content, damage.offset)
    except EvidenceRefused:
        scan.unreadable = True
        return scan
    whole = content[damage.offset : damage.offset + header.length]
    scan.first, scan.n, scan.stop = header.first, header.n, header.first + header.n
    if len(whole) < header.length:
        scan.unreadable = True
        return scan
    body_end = HEADER_SIZE + header.body_length
    prefix_end = body_end + PREFIX_SIZE * header.n
    frame = Frame(
        bool(header.flags & STRIPPED),
        header.first,
        header.n,
        header.seed,
        whole[HEADER_SIZE:body_end],
        whole[body_end:prefix_end],
        whole[prefix_end : header.length - TRAILER_SIZE],
    )
    scan.checkpoint = frame.checkpoint
    items, aligned = split_loosely(frame.body)
    scan.located, _ = locate(frame, items, aligned and len(items) == frame.n, name, damage.offset)
    if aligned and len(items) == frame.n:
        salts = derive_salts(frame.seed, frame.first, frame.n)
        scan.leaf_hashes = hash_leaves(
            [salt + item for salt, item in zip(salts, items, strict=True)] if frame.stripped else items,
        )
    return scan
