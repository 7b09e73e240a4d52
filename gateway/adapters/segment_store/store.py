"""The ledger store on one local disk: frames in, fdatasync, entries out (`ledger.md` 3; port `LedgerStore`)."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from gateway.adapters.segment_store.disk import FULL_ERRNOS, Disk, SyncFailed
from gateway.adapters.segment_store.durable import write_blob, write_durably
from gateway.adapters.segment_store.file_system import refuse_foreign_file_system
from gateway.adapters.segment_store.frozen import FrozenFolder
from gateway.adapters.segment_store.halt import read_halt, write_halt
from gateway.adapters.segment_store.layout import FINISHED_MODE, Layout, SegmentName
from gateway.adapters.segment_store.leaf_walk import LeafWalk
from gateway.adapters.segment_store.lock import WriterLock
from gateway.adapters.segment_store.pack import pack_segment, packable, remove_leftovers
from gateway.adapters.segment_store.reader import SegmentReader
from gateway.adapters.segment_store.recovery import Recovered, is_stop, recover
from gateway.adapters.segment_store.reserve import Reserve
from gateway.adapters.segment_store.start import RESTORE, Found, StartCheck
from gateway.adapters.segment_store.tile_maker import TileMaker
from gateway.adapters.segment_store.tiles import TileFolder
from gateway.adapters.segment_store.upkeep import StoreUpkeep
from gateway.adapters.segment_store.writer import SegmentWriter
from gateway.errors import DiskFull, EvidenceRefused, LedgerDoubt
from gateway.ledger.checkpoint import parse_checkpoint
from gateway.ledger.commit import PlannedFrame
from gateway.ledger.frame import frame_leaves
from gateway.ledger.merkle import EMPTY_ROOT
from gateway.ledger.note import parse_note, parse_vkey
from gateway.ledger.policy import Policy, parse_policy
from gateway.ledger.proof import prove_inclusion
from gateway.ledger.segment import SEGMENT_ENTRIES, make_file_header, segment_of
from gateway.ledger.tile import TileReader
from gateway.ports import StoreHead, SystemClock

RESERVE_BYTES: Final = 64 * 1024 * 1024


class SegmentStore:
    """One ledger folder. ``commit``, ``publish``, ``open`` and ``close`` are called by one thread at a time; reads by any.

    ``vkeys`` are the seal keys that may seal the last frame, beside those of `keys/policy`; none at all: not checked.
    """

    def __init__(
        self,
        path: Path,
        origin: str,
        clock: SystemClock,
        *,
        vkeys: Sequence[str] = (),
        disk: Disk | None = None,
        check_place: Callable[[Path], None] = refuse_foreign_file_system,
        reserve_bytes: int = RESERVE_BYTES,
    ) -> None:
        self.layout = Layout(path)
        self.reader = SegmentReader(self.layout)
        self._origin = origin
        self._clock = clock
        self._vkeys = tuple(vkeys)
        self._disk = disk or Disk()
        self._check_place = check_place
        self._lock = WriterLock(self.layout.lock)
        self.reserve = Reserve(self._disk, self.layout.reserve, reserve_bytes)
        self.frozen = FrozenFolder(self._disk, self.layout, self._judged)
        self.tiles = TileFolder(self._disk, self.layout, self._leaves_of)
        self.tile_maker = TileMaker(self.reader, self.tiles)
        self.upkeep = StoreUpkeep(
            self._disk, self.layout, self.reader, self.reserve, self._judged, self.free_bytes, lambda: self._published
        )
        self._doubt: LedgerDoubt | None = None
        self._writer: SegmentWriter | None = None
        self._size = 0
        self._published = 0
        self._level_1: list[bytes] | None = []
        self._halted = False
        self._halt_written = False
        self._is_open = False

    @property
    def size(self) -> int:
        """Number of committed entries."""
        return self._size

    def open(self) -> StoreHead:
        """Lock, check, recover a torn tail, return the head."""
        assert not self._is_open, "the store is open"
        self._check_place(self.layout.root)
        try:
            self.layout.make_folders(self._disk)
            self._lock.take(self._clock.now().wall_ns)
        except OSError as error:
            raise self._judged(error, self.layout.root) from error
        try:
            head = self._start()
        except OSError as error:
            self._lock.release()
            raise self._judged(error, self.layout.root) from error
        except BaseException:
            self._lock.release()
            raise
        self._is_open = True
        return head

    def commit(self, frames: Sequence[PlannedFrame], side_objects: Sequence[bytes] = ()) -> None:
        """Make side objects durable, then each frame in its turn: the commit point is the last fdatasync."""
        self._require_writable()
        for content in side_objects:
            try:
                write_blob(self._disk, self.layout, content)
            except OSError as error:
                raise self._judged(error, self.layout.blob) from error
        before = self._writer
        mark = before.offset if before is not None else 0
        created: list[SegmentWriter] = []
        size = self._size
        for frame in frames:
            assert frame.first == size, f"frame at {frame.first} after size {size}"
            try:
                if self._writer is None or frame.opens_segment:
                    created.append(self._new_file(frame))
                    self._writer = created[-1]
                self._writer.append(frame.content)
            except OSError as error:
                path = self._writer.path if self._writer is not None else self.layout.seg
                offset = self._writer.offset if self._writer is not None else 0
                judged = self._judged(error, path, offset)
                if isinstance(judged, DiskFull):
                    self._take_back(before, mark, created)
                raise judged from error
            size = frame.stop
        self._advance(frames, before, created)

    def read(self, first: int, stop: int) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield (index, salt, JSON) of committed entries."""
        return self.reader.read(first, min(stop, self._size))

    def pick(self, indexes: Sequence[int]) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield (index, salt, JSON) of some of them."""
        return self.reader.pick(indexes[: bisect_left(indexes, self._size)])

    def checkpoint_of(self, index: int) -> tuple[int, bytes]:
        """Return (size, note) of the frame that holds the committed entry ``index``."""
        assert index < self._size, f"entry {index} is not committed"
        for _, frame in self.reader.frames(index, index + 1):
            return frame.stop, frame.checkpoint
        raise LedgerDoubt(f"damaged: record {index:,} missing", remedy=RESTORE)

    def prove(self, index: int, size: int) -> list[bytes]:
        """Return the inclusion proof of ``index`` in the tree of ``size`` (a frame's end), leaf to root."""
        assert index < size <= self._size, f"index {index}, size {size}, committed {self._size}"
        return prove_inclusion(self.nodes(size), index, size)

    def nodes(self, size: int) -> TileReader:
        """Return a reader of tree nodes of the tree of ``size`` (a frame's end), checked against its sealed root."""
        root = self._root_at(size)
        assert root is not None, f"no frame ends at {size}"
        return TileReader(size, root, LeafWalk(self.reader, self.tile_maker).tile)

    def publish(self, note: bytes, size: int) -> None:
        """Replace `checkpoint` durably."""
        self._require_writable()
        if not self._published <= size <= self._size:
            raise self._fail(
                LedgerDoubt(
                    f"published size {size:,} is not between {self._published:,} and {self._size:,}",
                    remedy="keep the evidence and run gateway verify",
                ),
                {"cause": "head"},
            )
        try:
            write_durably(self._disk, self.layout.checkpoint, note)
        except OSError as error:
            raise self._judged(error, self.layout.checkpoint) from error
        self._published = size

    def read_blob(self, sha256: str) -> bytes | None:
        """Return a side object by its hash, None when it is not there."""
        try:
            return self.layout.blob_of(sha256).read_bytes()
        except FileNotFoundError:
            return None

    def save_policy(self, text: str) -> None:
        """Replace `keys/policy` durably; the one before stays beside it, under the size it ended at."""
        self._require_writable()
        try:
            before = self.layout.policy.read_bytes() if self.layout.policy.is_file() else b""
            if before and before != text.encode():
                former = self.layout.policy.with_name(f"policy.until-{self._size}")
                write_durably(self._disk, former, before, FINISHED_MODE)
            write_durably(self._disk, self.layout.policy, text.encode())
        except OSError as error:
            raise self._judged(error, self.layout.policy) from error

    def pack(self) -> int | None:
        """Seal the oldest segment that is full and published past its end; return its first index, None if there is none.

        May run in another thread than the commits. A full disk leaves everything as it is; `LedgerDoubt` says that a
        stored file is damaged and does not stop the commits.
        """
        ready = packable(self.layout, self._published)
        if not ready:
            return None
        try:
            pack_segment(self._disk, self.layout, ready[0])
        except OSError as error:
            raise self._judged(error, self.layout.seg) from error
        return ready[0]

    def free_bytes(self) -> int:
        """Return the space that is free for us on the disk of the ledger."""
        stat = os.statvfs(self.layout.root)
        return stat.f_bavail * stat.f_frsize

    def halt(self, cause: str, detail: dict[str, Any]) -> None:
        """Write `HALTED` if that is still possible; never raises. Nothing more is written after it."""
        if self._doubt is None:
            self._doubt = LedgerDoubt(f"ledger halted: {cause}", remedy="keep the evidence and run gateway verify")
        if self._halt_written:
            return
        self._halt_written = True
        write_halt(self._disk, self.layout.halted, {"cause": cause, **detail, "boot_id": self._clock.boot_id})

    def close(self) -> None:
        """Close the open file and release the lock."""
        if self._writer is not None:
            with suppress(OSError):
                self._writer.close()
            self._writer = None
        self._lock.release()
        self._is_open = False

    def _start(self) -> StoreHead:
        halted = read_halt(self.layout.halted)
        check = StartCheck(self._disk, self.layout, self.tile_maker, self._root_at, self._origin, self._policy())
        found = check.run()
        self._refuse_unproved(halted, found)
        recovered = recover(self._disk, self.layout, found.tail) if found.tail is not None else Recovered(0, None)
        remove_leftovers(self._disk, self.layout)
        self.reader.forget()
        clean = not found.tree.size or (is_stop(found.last) and found.tail is None)
        size = found.tree.size
        if found.file is not None and not found.file.packed:
            self._take_up(self.layout.segment(found.file), found.offset, append=clean and bool(size % SEGMENT_ENTRIES))
        self._size, self._level_1 = size, found.level_1
        if size and not size % SEGMENT_ENTRIES:
            self.tiles.full(1, size // SEGMENT_ENTRIES - 1)
            self._level_1 = []
        self._published = self._published_size()
        self._halted = halted is not None
        try:
            self.reserve.build()
        except OSError as error:
            if error.errno not in FULL_ERRNOS or isinstance(error, SyncFailed):
                raise
        return StoreHead(
            tree=found.tree,
            checkpoint=found.note,
            torn_bytes=recovered.length,
            torn_sha256=recovered.sha256,
            unclean=not clean,
            halted=halted,
        )

    def _take_up(self, path: Path, offset: int, *, append: bool) -> None:
        """Append to the last file after a clean stop; else finish it, so that the next commit begins a new one."""
        if not os.access(path, os.W_OK) or path.stat().st_mode & 0o777 == FINISHED_MODE:
            return
        writer = SegmentWriter.resume(self._disk, path, offset)
        if append:
            self._writer = writer
        else:
            writer.finish()

    def _refuse_unproved(self, halted: dict[str, Any] | None, found: Found) -> None:
        """After a failed sync in this boot the page cache may lie: only what O_DIRECT reads counts."""
        if not halted or not halted.get("sync") or halted.get("boot_id") != self._clock.boot_id:
            return
        if found.direct and found.tail is None:
            return
        raise LedgerDoubt(
            "a sync failed in this boot and the end of the ledger cannot be read past the page cache",
            remedy="check the disk, then restart the machine",
        )

    def _new_file(self, frame: PlannedFrame) -> SegmentWriter:
        path = self.layout.segment(SegmentName(frame.first, packed=False))
        return SegmentWriter.create(self._disk, path, make_file_header(self._origin, frame.first, frame.root_before))

    def _take_back(self, before: SegmentWriter | None, mark: int, created: list[SegmentWriter]) -> None:
        """After a full disk: leave the files as they were before the commit, so that the same call may come again."""
        self._writer = before
        try:
            for writer in reversed(created):
                writer.remove()
            if before is not None:
                before.cut(mark)
        except OSError as error:
            path = before.path if before is not None else self.layout.seg
            raise self._doubted(error, path, mark) from error

    def _advance(
        self,
        frames: Sequence[PlannedFrame],
        before: SegmentWriter | None,
        created: list[SegmentWriter],
    ) -> None:
        """Adopt the new head; then finish full files and store their tiles, which can be made again at any time."""
        if not frames:
            return
        self._size = frames[-1].stop
        try:
            finished = [before, *created] if before is not None else created
            for writer in finished[:-1]:
                writer.finish()
            for frame in frames:
                self._collect_tiles(frame)
            if self._halted:
                self._disk.unlink(self.layout.halted)
                self._halted = False
        except OSError as error:
            judged = self._judged(error, self.layout.tile)
            if not isinstance(judged, DiskFull):
                raise judged from error
            self._level_1 = None
        except LedgerDoubt as doubt:
            raise self._fail(doubt, {"cause": doubt.text}) from doubt

    def _collect_tiles(self, frame: PlannedFrame) -> None:
        first = segment_of(frame.first)
        if frame.first == first:
            self._level_1 = []
        if self._level_1 is not None:
            self._level_1 += frame.grown.get(1, ())
        if frame.stop == first + SEGMENT_ENTRIES:
            if self._level_1 is None:
                self.tiles.full(1, first // SEGMENT_ENTRIES)
            else:
                self.tiles.finish_segment(first, self._level_1)

    def _leaves_of(self, first: int) -> list[bytes]:
        """Return the leaf hashes of a whole segment, read from its files."""
        leaves = [leaf for _, one in self.reader.frames(first, first + SEGMENT_ENTRIES) for leaf in frame_leaves(one)]
        if len(leaves) != SEGMENT_ENTRIES:
            raise LedgerDoubt(
                f"damaged: segment {first:,} has {len(leaves):,} of {SEGMENT_ENTRIES:,} records and no tile",
                remedy="restore its file from backup or mirror",
            )
        return leaves

    def _root_at(self, size: int) -> bytes | None:
        for _, frame in self.reader.frames(size - 1, size):
            if frame.stop == size:
                return parse_checkpoint(parse_note(frame.checkpoint).text).root
        return EMPTY_ROOT if not size else None

    def _policy(self) -> Policy:
        """Return the keys of the policy file, and the seal keys given; who must have cosigned is not asked of a start."""
        try:
            found = parse_policy(self.layout.policy.read_text())
        except FileNotFoundError:
            found = Policy(logs=())
        logs = tuple(dict.fromkeys([*map(parse_vkey, self._vkeys), *found.logs]))
        return Policy(logs=logs, publish=found.publish, former=found.former, spans=found.spans)

    def _published_size(self) -> int:
        try:
            return parse_checkpoint(parse_note(self.layout.checkpoint.read_bytes()).text).size
        except (FileNotFoundError, EvidenceRefused):
            return 0

    def _require_writable(self) -> None:
        if self._doubt is not None:
            raise self._doubt
        assert self._is_open, "the store is not open"

    def _judged(self, error: OSError, path: Path, offset: int = 0) -> DiskFull | LedgerDoubt:
        """Return what an error of the disk means: full may be tried again, everything else halts."""
        if error.errno in FULL_ERRNOS and not isinstance(error, SyncFailed):
            return DiskFull(f"no space left for {path}", remedy="free space on the disk of the ledger")
        return self._doubted(error, path, offset)

    def _doubted(self, error: OSError, path: Path, offset: int) -> LedgerDoubt:
        doubt = LedgerDoubt(
            f"{path} offset {offset:,}: {error.strerror or error}",
            remedy="check the disk, then start again: the start check says what is whole",
        )
        detail = {"errno": error.errno, "file": path.name, "offset": offset, "sync": isinstance(error, SyncFailed)}
        return self._fail(doubt, {"cause": str(error.strerror or error), **detail})

    def _fail(self, doubt: LedgerDoubt, detail: dict[str, Any]) -> LedgerDoubt:
        self._doubt = doubt
        self.halt(detail.pop("cause"), detail)
        return doubt
