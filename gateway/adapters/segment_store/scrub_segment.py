"""One segment read again from the medium: salts, leaves, roots, seals, its tiles, and the notes others have of its sizes."""

from __future__ import annotations

import os
from bisect import bisect_right
from pathlib import Path
from typing import Final, NamedTuple

from gateway.adapters.segment_store.disk import Disk
from gateway.adapters.segment_store.folder import LedgerFolder, SealedHead
from gateway.adapters.segment_store.frozen import FrozenFolder
from gateway.adapters.segment_store.layout import SegmentName
from gateway.adapters.segment_store.reader import LOOKS_MAX
from gateway.adapters.segment_store.unpacked import read_segment
from gateway.adapters.segment_store.verify_folder import BesideFiles
from gateway.errors import EvidenceRefused, LedgerDoubt
from gateway.ledger.checkpoint import parse_checkpoint
from gateway.ledger.frame import Frame
from gateway.ledger.merkle import Tree, full_node
from gateway.ledger.note import parse_note
from gateway.ledger.policy import Policy
from gateway.ledger.segment import SEGMENT_ENTRIES, segment_of
from gateway.ledger.tile import TILE_WIDTH, Tile, format_number, format_path
from gateway.ledger.verify import FileScan, LedgerVerifier, scan_file
from gateway.ports import ScrubFinding

RESTORE: Final = "restore this file from backup or mirror"
REMAKE: Final = (
    "remove this file: it is made again from the segment files; of pruned ones restore it from backup or mirror"
)


class Read(NamedTuple):
    """What reading one segment gave."""

    files: int
    bytes_read: int
    notes: int
    findings: list[ScrubFinding]


class SegmentScrub:
    """Reads the segments of one folder, one after the other."""

    def __init__(self, folder: LedgerFolder, policy: Policy) -> None:
        self._folder = folder
        self._policy = policy
        self._beside = BesideFiles(folder.layout)
        self._sizes = sorted(FrozenFolder(Disk(), folder.layout).sizes())
        self._published: SealedHead | None = None
        self._unread: list[ScrubFinding] = []
        try:
            self._published = folder.published()
        except EvidenceRefused as error:
            self._unread.append(finding("checkpoint", error.text))

    def scrub(self, first: int) -> Read:
        """Read the files of the segment that begins at ``first``; one that is sealed meanwhile is read in its new form."""
        layout, file = self._folder.layout, ""
        for _ in range(LOOKS_MAX):
            names = [name for name in layout.segments() if segment_of(name.first) == first]
            if not names:
                return Read(0, 0, 0, [])  # pruned
            file = names[0].text
            try:
                return self._read(first, names)
            except FileNotFoundError:
                continue
        return Read(0, 0, 0, [finding(file, "its files change while they are read")])

    def _read(self, first: int, names: list[SegmentName]) -> Read:
        size, scans, findings = 0, list[FileScan](), list[ScrubFinding]()
        for name in names:
            path = self._folder.layout.segment(name)
            size += path.stat().st_size
            try:
                scans.append(scan_file(name.text, _from_medium(path, packed=name.packed)))
            except LedgerDoubt as doubt:
                findings.append(finding(name.text, doubt.text.partition(f"{name.text} ")[2]))
        if findings:
            return Read(len(names), size, 0, findings)
        start, findings = self._start(first, scans)
        verifier = LedgerVerifier(policy=self._policy, start=start, beside=self._beside)
        for scan in scans:
            verifier.add(scan)
        lost = start is None and first
        for one in verifier.finish().failures:
            if not (lost and one.first == 0):  # that the beginning is missing says nothing of this segment
                findings.append(ScrubFinding(file=one.file or names[0].text, text=one.text, remedy=RESTORE))
        if not findings:
            findings += self._tiles(first, [leaf for scan in scans for one in scan.frames for leaf in one.leaf_hashes])
        notes, wrong = self._notes(first, scans)
        return Read(len(names), size, notes, findings + wrong)

    def _start(self, first: int, scans: list[FileScan]) -> tuple[Tree | None, list[ScrubFinding]]:
        """Return the tree before the segment from stored tiles; None, and which tiles are wrong, where they do not fit."""
        if not first:
            return None, []
        try:
            tree = Tree(first, self._folder.tiles.peaks(first))
        except (EvidenceRefused, LedgerDoubt, AssertionError):
            return None, [finding("tile/", f"tiles of size {first:,} are missing and cannot be made", REMAKE)]
        header = scans[0].header
        sealed = next((parse_checkpoint(parse_note(f.checkpoint).text).root for f in self._frame_before(first)), None)
        known = sealed if sealed is not None else tree.root()
        if tree.root() != known and header is not None and header.root == known:
            return None, [finding("tile/", f"stored tiles differ from the sealed root of size {first:,}", REMAKE)]
        return tree, []

    def _frame_before(self, size: int) -> list[Frame]:
        try:
            return [frame for _, frame in self._folder.reader.frames(size - 1, size) if frame.stop == size]
        except LedgerDoubt:  # named when it is that segment's turn
            return []

    def _tiles(self, first: int, leaves: list[bytes]) -> list[ScrubFinding]:
        """Compare the tiles that a full segment completes with what its entries give."""
        if len(leaves) != SEGMENT_ENTRIES:
            return []
        level, number = 1, first // SEGMENT_ENTRIES
        made = [full_node(leaves[at : at + TILE_WIDTH]) for at in range(0, SEGMENT_ENTRIES, TILE_WIDTH)]
        findings: list[ScrubFinding] = []
        while True:
            stored = self._folder.tiles.stored(level, number)
            path = self._folder.tiles.path(level, number)
            if path.is_file() and stored != made:
                findings.append(finding(format_path(Tile(level, number)), "differs from what it is made of", REMAKE))
            if number % TILE_WIDTH != TILE_WIDTH - 1:
                return findings
            below = [self._folder.tiles.stored(level, number - TILE_WIDTH + 1 + at) for at in range(TILE_WIDTH)]
            if any(one is None for one in below):
                return findings
            made = [full_node(one) for one in below if one is not None]
            level, number = level + 1, number // TILE_WIDTH

    def _notes(self, first: int, scans: list[FileScan]) -> tuple[int, list[ScrubFinding]]:
        """Compare the notes that others have seen, and that end in this segment, with the roots sealed there."""
        sealed = {frame.first + frame.n: frame.checkpoint for scan in scans for frame in scan.frames if not frame.text}
        stop = first + SEGMENT_ENTRIES
        sizes = self._sizes[bisect_right(self._sizes, first) : bisect_right(self._sizes, stop)]
        notes = [(f"cp/{format_number(size)}", size, self._beside.note(size)) for size in sizes]
        unread, self._unread = self._unread, []
        findings, published = [*unread], self._published
        if published is not None and first < published.checkpoint.size <= stop:
            notes.append(("checkpoint", published.checkpoint.size, published.note))
        for name, size, note in notes:
            try:
                told = parse_checkpoint(parse_note(note or b"").text)
            except EvidenceRefused as error:
                findings.append(finding(name, error.text))
                continue
            if told.size != size or (size in sealed and parse_checkpoint(parse_note(sealed[size]).text) != told):
                findings.append(finding(name, f"is about another tree than the one sealed at size {size:,}"))
        return len(notes), findings


def finding(file: str, why: str, remedy: str = RESTORE) -> ScrubFinding:
    """Return ``damaged: FILE: why`` with what to do."""
    return ScrubFinding(file=file, text=f"damaged: {file}: {why}", remedy=remedy)


def drop_cached(fd: int) -> None:
    """Forget cached pages of a file, so that the medium is read and not the memory."""
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def _from_medium(path: Path, *, packed: bool) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        drop_cached(fd)
    finally:
        os.close(fd)
    try:
        return read_segment(path, packed=packed)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise LedgerDoubt(f"damaged: {path.name} cannot be read: {error.strerror or error}", remedy=RESTORE) from error
