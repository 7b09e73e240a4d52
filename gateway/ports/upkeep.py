"""Ports of the ledger's upkeep: sealing segments, reading all of them again, and what is found damaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct


class PackedSegment(Struct, frozen=True, kw_only=True):
    """A segment that became one packed file: its first index, the bytes it took before and takes now."""

    first: int
    bytes_before: int
    bytes_after: int


class Packer(Protocol):
    """Packs one segment at a time beside the commits; readers notice nothing.

    Crash-safe: whenever it is interrupted, the segment stands in one form that counts. Cancelled: the work is dropped.
    """

    async def pack_next(self) -> PackedSegment | None:
        """Pack the oldest segment that is full and published past its end; None if there is none.

        Raises `DiskFull` when there is no room, `Unavailable` when it could not be done: both may be tried again.
        `LedgerDoubt`: the segment's files are damaged and stay as they are; it is passed over from then on. Commits go on,
        unless a write or a sync failed: then the store has halted.
        """
        ...


class ScrubFinding(Struct, frozen=True, kw_only=True):
    """Something stored that is not what was sealed: the file, what is wrong with it, what to do."""

    file: str
    text: str
    remedy: str


class ScrubReport(Struct, frozen=True, kw_only=True):
    """What was read again: first indexes of the segments, counts of files, side objects and notes, bytes, and what was found."""

    segments: Sequence[int]
    files: int
    blobs: int
    notes: int
    size: int
    bytes_read: int
    findings: Sequence[ScrubFinding] = ()
    more: int = 0


class Scrubber(Protocol):
    """Reads stored files again, from the medium, and compares them with tiles, seals and notes; writes nothing."""

    async def scrub_night(self, night: int, since_ns: int) -> ScrubReport:
        """Read the segments with entries made since ``since_ns``, and of all others those whose turn ``night`` is.

        Each file has its turn once in 30 successive nights. Raises `Unavailable` when it could not be done.
        """
        ...


class Space(Protocol):
    """Free space on the ledger's disk, and the file that keeps some of it aside. All methods block; call them in a thread.

    An error of the disk is `DiskFull` where there was no room and nothing changed, else `LedgerDoubt`.
    """

    def spare_bytes(self) -> int:
        """Return the space that is free for us, counted as if the reserve stood."""
        ...

    def release_reserve(self) -> bool:
        """Give the reserve up, so that what matters most still fits; return whether there was one."""
        ...

    def build_reserve(self) -> None:
        """Take the reserve again, durably; nothing happens where it stands."""
        ...


class Disposal(Protocol):
    """Removes the beginning of the log. All methods block; call them in a thread.

    Crash-safe: what is to go is durable before the first file goes, and the next start goes on. Tiles of level 1 and above
    stay, so all proofs of what remains do. Errors as for `Space`.
    """

    def first_index(self) -> int:
        """Return the first index that is stored."""
        ...

    def root_at(self, size: int) -> bytes:
        """Return the root sealed at the end of a segment."""
        ...

    def remove(self, stop: int, record: int) -> int:
        """Remove the segments below ``stop``, which the ``pruned`` record at ``record`` names; return the bytes freed."""
        ...
