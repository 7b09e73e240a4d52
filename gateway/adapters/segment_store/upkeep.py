"""Upkeep of one store: space kept aside, the swap of packed files, the removal of pruned ones. Beside the commits, not in them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from gateway.adapters.segment_store.disk import Disk
from gateway.adapters.segment_store.layout import Layout
from gateway.adapters.segment_store.pack import packable, swap_packed
from gateway.adapters.segment_store.prune import prune_segments
from gateway.adapters.segment_store.reader import SegmentReader
from gateway.adapters.segment_store.reserve import Reserve
from gateway.errors import DiskFull, LedgerDoubt
from gateway.ledger.checkpoint import parse_checkpoint
from gateway.ledger.note import parse_note


class StoreUpkeep:
    """Implements `gateway.ports.Space`, and `gateway.ports.Disposal` for a prefix of the log.

    May be called in another thread than the commits. An error of the disk is `DiskFull` where it may be tried again, else
    the store halts, as with a commit.
    """

    def __init__(
        self,
        disk: Disk,
        layout: Layout,
        reader: SegmentReader,
        reserve: Reserve,
        judge: Callable[[OSError, Path], DiskFull | LedgerDoubt],
        free_bytes: Callable[[], int],
        published: Callable[[], int],
    ) -> None:
        self._disk = disk
        self._reader = reader
        self._reserve = reserve
        self._judge = judge
        self.published = published
        self.layout = layout
        self.free_bytes = free_bytes

    def spare_bytes(self) -> int:
        """Return the space that is free for us, counted as if the reserve stood."""
        return self.free_bytes() - (0 if self._reserve.held else self._reserve.size)

    def release_reserve(self) -> bool:
        """Give the reserve up; return whether there was one."""
        try:
            return self._reserve.release()
        except OSError as error:
            raise self.judged(error) from error

    def build_reserve(self) -> None:
        """Take the reserve again; `DiskFull` leaves none."""
        try:
            self._reserve.build()
        except OSError as error:
            raise self.judged(error) from error

    def next_to_pack(self, passed_over: Collection[int] = ()) -> int | None:
        """Return the first index of the oldest segment that is full, published past its end and not packed yet."""
        ready = packable(self.layout, self.published())
        return next((first for first in ready if first not in passed_over), None)

    def take_packed(self, first: int, temporary: Path) -> None:
        """Put what `pack.prepare_packed` made elsewhere in the place of the segment's files."""
        try:
            swap_packed(self._disk, self.layout, first, temporary)
        except OSError as error:
            raise self.judged(error) from error

    def first_index(self) -> int:
        """Return the first index that is stored."""
        return self._reader.first_index()

    def root_at(self, size: int) -> bytes:
        """Return the root sealed at ``size``, the end of a frame."""
        for _, frame in self._reader.frames(size - 1, size):
            if frame.stop == size:
                return parse_checkpoint(parse_note(frame.checkpoint).text).root
        raise LedgerDoubt(f"damaged: no frame ends at {size:,}", remedy="run gateway verify")

    def remove(self, stop: int, record: int) -> int:
        """Remove the segments below ``stop``, which the ``pruned`` record at ``record`` names; return the bytes freed."""
        try:
            freed = prune_segments(self._disk, self.layout, stop, record)
        except OSError as error:
            raise self.judged(error) from error
        finally:
            self._reader.forget()
        return freed

    def judged(self, error: OSError) -> DiskFull | LedgerDoubt:
        """Return what an error of the disk means; all but a full disk ends the commits."""
        return self._judge(error, self.layout.seg)
