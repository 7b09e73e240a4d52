"""Where each file of a ledger folder lies (`ledger.md` 3). Folders 0750, open files 0640, finished ones 0440."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from gateway.adapters.segment_store.disk import Disk, sync_folder
from gateway.errors import EvidenceRefused
from gateway.ledger.segment import SEGMENT_ENTRIES, format_name, parse_name, segment_of

OPEN_MODE: Final = 0o640
FINISHED_MODE: Final = 0o440
LISTINGS_MAX: Final = 3
FOLDERS: Final = ("seg", "tile", "cp", "blob", "keys", "quarantine")


class SegmentName(NamedTuple):
    """A segment file by its name: first index, and whether it is packed (``.seg.zst``)."""

    first: int
    packed: bool

    @property
    def text(self) -> str:
        """File name."""
        return format_name(self.first, packed=self.packed)


class Layout:
    """Paths of one ledger folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.seg = root / "seg"
        self.tile = root / "tile"
        self.blob = root / "blob"
        self.quarantine = root / "quarantine"
        self.checkpoint = root / "checkpoint"
        self.policy = root / "keys" / "policy"
        self.lock = root / "LOCK"
        self.reserve = root / "reserve"
        self.halted = root / "HALTED"
        self.pruned = root / "PRUNED"

    def make_folders(self, disk: Disk) -> None:
        """Make what is missing, durably."""
        if not self.root.is_dir():
            self.root.parent.mkdir(parents=True, exist_ok=True)
            disk.mkdir(self.root)
            sync_folder(disk, self.root.parent)
        missing = [name for name in FOLDERS if not (self.root / name).is_dir()]
        for name in missing:
            disk.mkdir(self.root / name)
        if missing:
            sync_folder(disk, self.root)

    def segments(self) -> list[SegmentName]:
        """Return the segment files in order.

        An interrupted sealing may leave both forms of a segment: while its first unpacked file stands, the unpacked ones
        count; after that the packed one does, and unpacked leftovers inside it are passed over. A listing that runs beside
        the sealing may miss both forms: where there is a hole it is taken again, and a hole that stays is one.
        """
        names = self._listed()
        for _ in range(LISTINGS_MAX):
            if not _has_hole(names):
                break
            before, names = names, self._listed()
            if before == names:
                break
        return names

    def _listed(self) -> list[SegmentName]:
        found: dict[int, SegmentName] = {}
        for path in self.seg.iterdir() if self.seg.is_dir() else ():
            if path.name.endswith(".tmp"):
                continue
            try:
                first, packed = parse_name(path.name)
            except EvidenceRefused:
                continue
            if first not in found or not packed:
                found[first] = SegmentName(first, packed)
        sealed = {name.first for name in found.values() if name.packed}
        kept = [first for first in sorted(found) if first in sealed or segment_of(first) not in sealed]
        return [found[first] for first in kept]

    def segment(self, name: SegmentName) -> Path:
        """Return the path of a segment file."""
        return self.seg / name.text

    def blob_of(self, sha256: str) -> Path:
        """Return the path of a side object."""
        return self.blob / sha256[:2] / sha256


def _has_hole(names: list[SegmentName]) -> bool:
    """Say whether a segment has no file between the first and the last."""
    return any(after.first - segment_of(name.first) >= 2 * SEGMENT_ENTRIES for name, after in pairwise(names))
