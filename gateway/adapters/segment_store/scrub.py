"""Scrub: stored files read again and compared with tiles, seals and notes; every damaged file is named with its remedy (`ledger.md` 6).

Takes no lock and writes nothing, so it runs beside the gateway and without it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.adapters.segment_store.layout import Layout, SegmentName
from gateway.adapters.segment_store.scrub_segment import SegmentScrub, drop_cached, finding
from gateway.errors import LedgerDoubt
from gateway.ledger.policy import Policy
from gateway.ledger.segment import SEGMENT_ENTRIES, segment_of
from gateway.ports import ScrubFinding, ScrubReport

NIGHTS: Final = 30
"""In so many nights everything is read once."""
FINDINGS_MAX: Final = 20
Progress = Callable[[int, int], None]
Pace = Callable[[int], None]
"""Called with the bytes just read; may sleep."""


def scrub(
    root: Path, firsts: Sequence[int], blobs: Iterable[Path], policy: Policy, *, pace: Pace, progress: Progress
) -> ScrubReport:
    """Read the segments that begin at ``firsts``, and side objects; ``progress`` is told (segments done, in all)."""
    folder = LedgerFolder(root)
    one = SegmentScrub(folder, policy)
    findings = holes(folder.layout, firsts)
    files = bytes_read = notes = blobs_read = 0
    for done, first in enumerate(firsts, start=1):
        read = one.scrub(first)
        files, bytes_read, notes = files + read.files, bytes_read + read.bytes_read, notes + read.notes
        findings += read.findings
        pace(read.bytes_read)
        progress(done, len(firsts))
    for path in blobs:
        size, damaged = _scrub_blob(path)
        blobs_read, bytes_read = blobs_read + 1, bytes_read + size
        findings += damaged
        pace(size)
    head = folder.head()
    return ScrubReport(
        segments=list(firsts),
        files=files,
        blobs=blobs_read,
        notes=notes,
        size=0 if head is None else head.checkpoint.size,
        bytes_read=bytes_read,
        findings=findings[:FINDINGS_MAX],
        more=max(0, len(findings) - FINDINGS_MAX),
    )


def all_segments(folder: LedgerFolder) -> list[int]:
    """Return the first index of every segment that is stored."""
    return sorted({segment_of(name.first) for name in folder.layout.segments()})


def all_blobs(layout: Layout) -> list[Path]:
    """Return every side object."""
    return sorted(path for path in layout.blob.glob("??/*") if path.suffix != ".tmp") if layout.blob.is_dir() else []


def of_the_night(folder: LedgerFolder, night: int, since_ns: int) -> list[int]:
    """Return the segments with entries made since ``since_ns``, and those whose turn it is; every one once in 30 nights."""
    firsts = all_segments(folder)
    recent: set[int] = set()
    for first in reversed(firsts):
        recent.add(first)
        if _made_ns(folder, first) < since_ns:
            break
    return [first for first in firsts if first in recent or (first // SEGMENT_ENTRIES - night) % NIGHTS == 0]


def blobs_of_the_night(layout: Layout, night: int) -> list[Path]:
    """Return the side objects whose turn it is, by the beginning of their hashes."""
    return [path for path in all_blobs(layout) if (int(path.parent.name, 16) - night) % NIGHTS == 0]


def holes(layout: Layout, firsts: Sequence[int]) -> list[ScrubFinding]:
    """Return a finding for every segment among or between ``firsts`` that has no file."""
    stored = sorted({segment_of(name.first) for name in layout.segments()})
    if not stored or not firsts:
        return []
    wanted = range(max(stored[0], min(firsts)), stored[-1], SEGMENT_ENTRIES)
    return [
        finding(SegmentName(first, packed=False).text, f"missing, records {first:,}..{first + SEGMENT_ENTRIES - 1:,}")
        for first in wanted
        if first not in stored
    ]


def _made_ns(folder: LedgerFolder, first: int) -> int:
    """Return when the first stored entry of a segment was made; unreadable ones are old enough for nothing."""
    try:
        for _, _, record in folder.reader.read(first, first + 1):
            told = msgspec.json.decode(record, type=dict[str, Any])
            return int(told.get("received_ns", told.get("at_ns", 0)))
    except (LedgerDoubt, msgspec.DecodeError):
        return 1 << 62
    return 0


def _scrub_blob(path: Path) -> tuple[int, list[ScrubFinding]]:
    hasher, size = sha256(), 0
    try:
        with path.open("rb", buffering=0) as file:
            drop_cached(file.fileno())
            while piece := file.read(1 << 20):
                hasher.update(piece)
                size += len(piece)
    except FileNotFoundError:
        return 0, []
    except OSError as error:
        return size, [finding(f"blob/{path.name}", f"cannot be read: {error.strerror or os.strerror(5)}")]
    if hasher.hexdigest() != path.name:
        return size, [finding(f"blob/{path.name}", "content is not what its name says")]
    return size, []


__all__ = ["NIGHTS", "all_blobs", "all_segments", "blobs_of_the_night", "of_the_night", "scrub"]
