"""The mirror's folder: a ledger folder that grows by frames as they came, each verified before it is kept (`ledger.md` 4, mirror).

Same layout as the gateway's, so `gateway verify` and `gateway restore` read it. Nothing in it is ever replaced but the
published checkpoint and the policy; a torn tail of a crash was never counted and goes to `quarantine/`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from gateway.adapters.segment_store.disk import Disk
from gateway.adapters.segment_store.durable import write_blob, write_durably
from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.adapters.segment_store.frozen import FrozenFolder
from gateway.adapters.segment_store.layout import FINISHED_MODE, Layout, SegmentName
from gateway.adapters.segment_store.pack import pack_segment, packable, remove_leftovers
from gateway.adapters.segment_store.reader import SegmentReader
from gateway.adapters.segment_store.recovery import recover
from gateway.adapters.segment_store.start import StartCheck
from gateway.adapters.segment_store.tile_maker import TileMaker
from gateway.adapters.segment_store.tiles import TileFolder
from gateway.adapters.segment_store.writer import SegmentWriter
from gateway.errors import EvidenceRefused
from gateway.ledger.checkpoint import parse_checkpoint
from gateway.ledger.frame import frame_entries
from gateway.ledger.keys import KeyRing
from gateway.ledger.merkle import Tree, hash_leaves
from gateway.ledger.note import VerifyKey, parse_note
from gateway.ledger.policy import SIZE_MAX, Policy, parse_policy
from gateway.ledger.records import Anchor, Key, parse_record
from gateway.ledger.segment import (
    FILE_HEADER_SIZE,
    SEGMENT_ENTRIES,
    PlacedFrame,
    format_name,
    iterate_frames,
    make_file_header,
    parse_file_header,
    segment_of,
)
from gateway.ledger.side_objects import side_objects_of
from gateway.ledger.verify import FileScan, LedgerVerifier, scan_file

_ANCHOR: Final = b'{"v":1,"kind":"anchor",'
REFETCH: Final = "nothing of it was kept; it is asked for again"


class Place(NamedTuple):
    """Where the next frame stands at the source: the file's first index and the offset in it."""

    first: int
    offset: int


class Piece(NamedTuple):
    """Frames that hold, not kept yet: the tree after them, their last note, what their records say and name."""

    place: Place
    content: bytes
    tree: Tree
    note: bytes
    told: Sequence[Any]
    side_objects: Sequence[str]


class MirrorFolder:
    """One log's mirror; all methods block and are called by one thread at a time. ``keys``: the seal keys trusted at first."""

    def __init__(self, root: Path, origin: str, keys: Sequence[VerifyKey], disk: Disk | None = None) -> None:
        self.layout = Layout(root)
        self.origin = origin
        self._keys = tuple(keys)
        self._disk = disk or Disk()
        self._reader = SegmentReader(self.layout)
        self._tiles = TileFolder(self._disk, self.layout, self._leaves_of)
        self.frozen = FrozenFolder(self._disk, self.layout)
        self._writer: SegmentWriter | None = None
        self._first = 0
        self.note = b""
        self._verifier = LedgerVerifier()
        self._ring = KeyRing(Policy(self._keys))
        self.tree = Tree()

    @property
    def size(self) -> int:
        """How many entries are kept."""
        return self.tree.size

    @property
    def place(self) -> Place:
        """Where the next frame stands, as far as the open file goes."""
        return Place(self._first, self._writer.offset) if self._writer is not None else Place(self.size, 0)

    @property
    def seals(self) -> list[VerifyKey]:
        """The seal keys that count for what is published from here on."""
        return self._ring.counting("seal", max(self.size, 1))

    def open(self) -> None:
        """Check what stands on disk, take a torn tail out, go on behind it. Raises `LedgerDoubt` on damage."""
        self.close()
        self.layout.make_folders(self._disk)
        self._reader.forget()
        maker = TileMaker(self._reader, self._tiles)
        found = StartCheck(self._disk, self.layout, maker, self._root_at, self.origin, self._policy()).run()
        if found.tail is not None:
            recover(self._disk, self.layout, found.tail)
        remove_leftovers(self._disk, self.layout)
        self._reader.forget()
        self.tree, self.note = found.tree, found.note
        self._ring = KeyRing(self._policy())
        self._begin()
        if found.file is not None and not found.file.packed and self.size % SEGMENT_ENTRIES:
            path = self.layout.segment(found.file)
            if path.stat().st_mode & 0o777 != FINISHED_MODE:
                self._writer = SegmentWriter.resume(self._disk, path, found.offset)
                self._first = found.file.first

    def close(self) -> None:
        """Close the open file as it is."""
        if self._writer is not None:
            with suppress(OSError):
                self._writer.close()
            self._writer = None

    def judge(self, place: Place, content: bytes, until: int) -> Piece | None:
        """Verify bytes that came from ``place``, frames up to size ``until`` alone; None when they hold no frame.

        Raises `EvidenceRefused` when anything about them is not as it should be; nothing is kept then.
        """
        header = make_file_header(self.origin, self.size, self.tree.root())
        if not place.offset:
            if content[:FILE_HEADER_SIZE] != header:
                parse_file_header(content)
                raise EvidenceRefused(f"file {place.first:,} does not begin where ours ends", remedy=REFETCH)
            content = content[FILE_HEADER_SIZE:]
        frames = [one for one in iterate_frames(header + content) if isinstance(one, PlacedFrame)]
        frames = [one for one in frames if one.frame.stop <= until]
        if not frames:
            return None
        content = content[: frames[-1].offset + frames[-1].length - FILE_HEADER_SIZE]
        scan = scan_file(format_name(self.size), header + content)
        self._verify(scan)
        assert self._verifier.tree is not None, "a tree is lost only with a finding"
        records = (entry for one in frames for entry in frame_entries(one.frame))
        named = [digest for entry in records for digest in side_objects_of(entry)]
        kept = content if place.offset else make_file_header(self.origin, place.first, self.tree.root()) + content
        told = [record for _, record in scan.facts.told]
        return Piece(place, kept, self._verifier.tree.copy(), frames[-1].frame.checkpoint, told, named)

    def keep(self, piece: Piece) -> None:
        """Append a piece and make it durable: from then on it counts."""
        if piece.place.offset:
            assert self._writer is not None, "a piece goes on where the last one ended"
            self._writer.append(piece.content)
        else:
            self._finish()
            path = self.layout.segment(SegmentName(piece.place.first, packed=False))
            header, frames = piece.content[:FILE_HEADER_SIZE], piece.content[FILE_HEADER_SIZE:]
            self._writer, self._first = SegmentWriter.create(self._disk, path, header), piece.place.first
            self._writer.append(frames)
        self.tree, self.note = piece.tree, piece.note
        for record in piece.told:
            if isinstance(record, Key):
                self._ring.learn(self.origin, record)
        if not self.size % SEGMENT_ENTRIES:
            self._finish()
            self._tiles.peaks(self.size)

    def drop(self) -> None:
        """Forget a piece that was judged and is not kept."""
        self._begin()

    def save_blob(self, content: bytes) -> None:
        """Keep a side object under its hash."""
        write_blob(self._disk, self.layout, content)

    def has_blob(self, digest: str) -> bool:
        """Say whether a side object stands here."""
        return self.layout.blob_of(digest).is_file()

    def publish(self, note: bytes) -> None:
        """Replace `checkpoint` by a note that was checked."""
        if not self.layout.checkpoint.is_file() or self.layout.checkpoint.read_bytes() != note:
            write_durably(self._disk, self.layout.checkpoint, note)

    def save_policy(self, content: bytes) -> None:
        """Replace `keys/policy` if all seal keys that it names are known here by the log's own records; else refuse it."""
        ring = self._ring
        known = {*self._policy().seals, *ring.counting("seal", SIZE_MAX), *ring.ended_before(SIZE_MAX)}
        strange = [str(key) for key in parse_policy(content.decode(errors="replace")).seals if key not in known]
        if strange:
            raise EvidenceRefused(f"policy names {strange[0]}, which no record of the log introduces", remedy=REFETCH)
        if not self.layout.policy.is_file() or self.layout.policy.read_bytes() != content:
            write_durably(self._disk, self.layout.policy, content)

    def pack(self) -> None:
        """Seal one segment that is full and published past its end, as the gateway does."""
        published = LedgerFolder(self.layout.root).published()
        ready = packable(self.layout, 0 if published is None else published.checkpoint.size)
        if ready:
            pack_segment(self._disk, self.layout, ready[0])
            self._reader.forget()

    def unfinished(self) -> tuple[set[str], list[Anchor]]:
        """Return the side objects and time stamps that records of the last segment name and that are not here."""
        missing, stamped = set[str](), list[Anchor]()
        for _, _, content in self._reader.read(segment_of(max(self.size - 1, 0)), self.size):
            missing.update(digest for digest in side_objects_of(content) if not self.has_blob(digest))
            record = parse_record(content) if content.startswith(_ANCHOR) else None
            if isinstance(record, Anchor) and record.event == "timestamped" and not self.frozen.token(record.size):
                stamped.append(record)
        return missing, stamped

    def _begin(self) -> None:
        self._verifier = LedgerVerifier(policy=Policy(self._policy().seals), start=self.tree, all_seals=True)

    def _policy(self) -> Policy:
        """Return the keys trusted: those given, and those of the policy that was checked when it was kept."""
        try:
            kept = parse_policy(self.layout.policy.read_text())
        except (FileNotFoundError, EvidenceRefused):
            return Policy(self._keys)
        return Policy(tuple(dict.fromkeys((*self._keys, *kept.seals))))

    def _verify(self, scan: FileScan) -> None:
        self._verifier.add(scan)
        failures = self._verifier.finish().failures
        if failures:
            self._begin()
            raise EvidenceRefused(failures[0].text.removeprefix("FAILED "), remedy=REFETCH)

    def _finish(self) -> None:
        if self._writer is not None:
            self._writer.finish()
            self._writer = None

    def _root_at(self, size: int) -> bytes | None:
        for _, frame in self._reader.frames(size - 1, size) if size else ():
            head = parse_checkpoint(parse_note(frame.checkpoint).text)
            return head.root if head.size == size else None
        return None

    def _leaves_of(self, first: int) -> list[bytes]:
        frames = self._reader.frames(first, first + SEGMENT_ENTRIES)
        return [leaf for _, frame in frames for leaf in hash_leaves(frame_entries(frame))]
