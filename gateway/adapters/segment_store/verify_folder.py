"""`gateway verify` of a ledger folder: files in, the one verifier, a result out; large ledgers on all cores."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from gateway.adapters.segment_store.disk import Disk
from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.adapters.segment_store.frozen import FrozenFolder
from gateway.adapters.segment_store.layout import Layout, SegmentName
from gateway.adapters.segment_store.reader import LOOKS_MAX
from gateway.adapters.segment_store.unpacked import read_pieces, read_segment
from gateway.errors import EvidenceRefused, LedgerDoubt, Unavailable
from gateway.ledger.authority import Authority
from gateway.ledger.merkle import Tree
from gateway.ledger.policy import Policy
from gateway.ledger.segment import segment_of
from gateway.ledger.verify import FileScan, LedgerVerifier, Result, fold_scan, scan_file, scan_stream, unread_file

PARALLEL_FROM: Final = 6
"""With fewer files the start of a second process costs more than it saves."""


def verify_folder(
    root: Path,
    *,
    policy: Policy | None = None,
    first: int = 0,
    stop: int | None = None,
    all_seals: bool = False,
    authority: Authority | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Verify the files that hold ``first <= index < stop``; whole segments, all of them when neither is given.

    ``authority``: whose time stamps count; None: that which the ledger names. Takes no lock, so it runs beside the gateway. ``progress`` is called with (files done, files in all). Raises
    `Unavailable` (69) when there is no ledger.
    """
    layout = Layout(root)
    if not layout.seg.is_dir():
        raise Unavailable(f"{root} is no ledger folder: it has no seg/", remedy="name the folder that holds seg/")
    names = [
        name for name in layout.segments() if name.first >= segment_of(first) and (stop is None or name.first < stop)
    ]
    whole = stop is None
    pruned = bool(names) and names[0].first > segment_of(first)
    begins = names[0].first if pruned else segment_of(first)
    start, lost = _tree_before(root, begins)
    verifier = LedgerVerifier(
        published=_published(layout) if whole else None,
        policy=policy,
        all_seals=all_seals,
        start=start,
        beside=BesideFiles(layout),
        authority=authority,
        pruned=pruned and whole and start is not None,
    )
    if lost:
        verifier.lack_tiles(begins)
    for done, scan in enumerate(_scans(layout, names, verifier.watched), start=1):
        verifier.add(scan)
        if progress is not None:
            progress(done, max(done, len(names)))
    return verifier.finish()


class BesideFiles(FrozenFolder):
    """Files of one ledger folder beside its segments (`gateway.ledger.verify.stamps.Beside`)."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(Disk(), layout)

    def blob(self, digest: str) -> bytes | None:
        """Return a side object by its SHA-256, None if it is not there."""
        try:
            return self._layout.blob_of(digest).read_bytes()
        except FileNotFoundError:
            return None


def _scans(layout: Layout, names: list[SegmentName], watched: int) -> Iterator[FileScan]:
    """Yield the scans of the files, in order; the files of one segment stay together, for it may be sealed meanwhile."""
    cores = os.cpu_count() or 1
    groups = [list(group) for _, group in groupby(names, key=lambda name: segment_of(name.first))]
    if len(names) < PARALLEL_FROM or cores == 1:
        for group in groups:
            yield from _scan_group(layout.root, group, watched)
        return
    with ProcessPoolExecutor(cores, mp_context=get_context("forkserver")) as pool:
        waiting: deque[Future[list[FileScan]]] = deque()
        for group in groups:
            waiting.append(pool.submit(_scan_group, layout.root, group, watched))
            if len(waiting) > cores:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def _scan_group(root: Path, names: list[SegmentName], watched: int) -> list[FileScan]:
    """Return the scans of the files of one segment; one that is gone was sealed: then its packed form is read."""
    layout, first = Layout(root), segment_of(names[0].first)
    for _ in range(LOOKS_MAX):
        try:
            return [scan_segment(layout.segment(name), name, watched) for name in names]
        except FileNotFoundError:
            names = [name for name in layout.segments() if segment_of(name.first) == first]
    raise Unavailable(f"the files of segment {first:,} change while they are read", remedy="verify again in a minute")


def scan_segment(path: Path, name: SegmentName, watched: int = 0) -> FileScan:
    """Return the folded scan of one file, read in pieces; a file that is not in order is read whole, to say what is wrong."""
    try:
        scan = scan_stream(name.text, read_pieces(path, packed=name.packed))
        if scan is None:
            scan = scan_file(name.text, read_segment(path, packed=name.packed))
    except LedgerDoubt as doubt:
        return unread_file(name.text, doubt.text.partition(": ")[2])
    return fold_scan(scan, watched)


def _published(layout: Layout) -> bytes | None:
    try:
        return layout.checkpoint.read_bytes()
    except FileNotFoundError:
        return None


def _tree_before(root: Path, size: int) -> tuple[Tree | None, bool]:
    """Return the tree before a segment from stored tiles; those that miss are made in memory from the files before.

    None at the beginning, and where the file begins inside a segment; (None, True): the tiles of what was pruned are lost.
    """
    if not size or size != segment_of(size):
        return None, False
    try:
        return Tree(size, LedgerFolder(root).tiles.peaks(size)), False
    except EvidenceRefused:
        return None, True
