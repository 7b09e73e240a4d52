"""Second half of verifying a ledger: joins file scans in order, recomputes every root, checks seals and what was published.

`verify_ledger` is `gateway verify`, the start-up check and the assertion after every ledger test (rule 5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any, Final

from gateway.ledger.authority import Authority
from gateway.ledger.checkpoint import Checkpoint, format_checkpoint
from gateway.ledger.merkle import Tree
from gateway.ledger.policy import Policy
from gateway.ledger.verify import texts
from gateway.ledger.verify.findings import Collector, Counts, Finding, Result
from gateway.ledger.verify.heads import judge_quorum, open_head, read_head
from gateway.ledger.verify.roots import FrameRoots
from gateway.ledger.verify.scan import FileScan, FrameScan, scan_file
from gateway.ledger.verify.seals import FrameSeals
from gateway.ledger.verify.stamps import Beside, Stamps, bracket_of
from gateway.ledger.verify.told import Told

ROOTS_KEPT: Final = 100_000
"""Frame roots remembered for the anchors that follow: more than an hour at 20 commits a second."""
_CAUSES: Final = frozenset({"altered", "missing", "inserted", "reordered"})


def verify_ledger(
    files: Iterable[tuple[str, bytes]],
    *,
    published: bytes | None = None,
    policy: Policy | None = None,
    all_seals: bool = False,
    start: Tree | None = None,
    progress: Callable[[int], None] | None = None,
) -> Result:
    """Verify a ledger folder given as (file name, unpacked bytes) in the order of the names; one file in memory at a time.

    ``published``: the note of ``checkpoint``; ``policy``: seal keys and witnesses trusted from outside; ``all_seals``:
    check the seal of every frame, not only of each file's last; ``start``: the tree before the first file of a pruned
    ledger; ``progress`` is called with the records seen so far after each file.
    """
    verifier = LedgerVerifier(published=published, policy=policy, all_seals=all_seals, start=start)
    for name, content in files:
        verifier.add(scan_file(name, content))
        if progress is not None:
            progress(verifier.size)
    return verifier.finish()


class LedgerVerifier:
    """Takes the scans of a ledger's files in order, then says the result. See `verify_ledger` for the arguments.

    ``beside``: frozen notes, time stamps and side objects; None: time stamps are not checked. ``authority``: the one
    trusted from outside; None: the one that the ledger names. ``pruned``: what ``start`` holds is gone, and a record says so.
    """

    def __init__(
        self,
        *,
        published: bytes | None = None,
        policy: Policy | None = None,
        all_seals: bool = False,
        start: Tree | None = None,
        beside: Beside | None = None,
        authority: Authority | None = None,
        pruned: bool = False,
    ) -> None:
        self.tree: Tree | None = start.copy() if start is not None else Tree()
        self.size = self.tree.size
        self.origin = ""
        self._policy = policy
        self._all_seals = all_seals
        self._published = published
        self._watch = _size_of(published)
        self._root_at_watch: bytes | None = None
        self._roots = FrameRoots(self.size, ROOTS_KEPT)
        self._first = self.size
        self._stamps = None if beside is None else Stamps(beside, authority, self._fail, whole=start is None)
        self._told = Told(policy, self._fail, self._roots, self._stamps)
        self._seals = FrameSeals(self._told.ring, self._told.heads, self._fail)
        self._findings = Collector()
        self._records = 0
        self._torn: FrameScan | None = None
        self._headless: FileScan | None = None
        self._damaged = False
        self._from_start = start is None
        self._start_root = start.root() if start is not None and pruned else None
        self._prefix = self.size if pruned else 0

    @property
    def watched(self) -> int:
        """Size whose root is asked for: what was published; see `fold_scan`."""
        return self._watch

    def add(self, scan: FileScan) -> None:
        """Take the next file."""
        if self._torn is not None:
            self._take_damage(scan.name, self._torn, self.size)
            self._torn = None
        if self._headless is not None:
            self._fail_header(self._headless)
            self._headless = None
        if _begins_nothing(scan) and scan.first == self.size:
            self._headless = scan
            return
        if self._from_start and not self.size and not self._records and scan.first:
            self._prefix, self._from_start = scan.first, False
            self._lose(scan.first)
        self._take_header(scan)
        for frame in self._in_order(scan):
            if frame.text:
                self._take_unread(scan, frame)
            else:
                self._take_frame(scan.name, frame)
        self._told.take(scan.facts, self.origin)
        holes = self._told.follow_signals(scan.facts, scan.name, from_one=self._from_start)
        if not self._damaged:
            for finding in holes:
                self._findings.add(finding)
        whole = [frame for frame in scan.frames if not frame.text]
        for frame in whole if self._all_seals else whole[-1:]:
            self._check_seal(frame)

    def finish(self) -> Result:
        """Return the result; the torn tail, a pruned beginning and the published note are judged here."""
        self._take_tail()
        if self._prefix:
            self._judge_prefix()
        if self._published is not None:
            self._judge_published(self._published)
        ended = self._seals.finish()
        if ended is not None:
            self._findings.add(ended)
        counts = Counts(
            records=self._records,
            heads=len(self._told.heads),
            witnesses=len(self._told.cosigners),
            time_stamps=0 if self._stamps is None else len(self._stamps.held),
        )
        return Result(
            counts=counts,
            findings=self._findings.ordered(),
            size=self.size,
            root=b"" if self.tree is None else self.tree.root(),
            bracket=None if self._stamps is None else bracket_of(self._stamps.held, self._first, self.size - 1),
            more=self._findings.more,
        )

    def _fail(self, finding: Finding) -> None:
        self._damaged = self._damaged or finding.class_ in _CAUSES
        self._findings.add(finding)

    def _take_header(self, scan: FileScan) -> None:
        place: dict[str, Any] = {"file": scan.name, "offset": 0}
        if scan.header is None:
            self._fail_header(scan)
            return
        self._skip_to(scan.first, scan.name, 0)
        if scan.header.first != scan.first:
            self._fail(texts.altered_range(scan.first, scan.first, "file name and header differ", **place))
        elif self.tree is not None and self.tree.size == scan.first and self.tree.root() != scan.header.root:
            self._fail(texts.altered_range(scan.first, scan.first, "root in the file header differs", **place))
        if self.origin and sha256(self.origin.encode()).digest() != scan.header.origin_sha256:
            self._fail(texts.altered_range(scan.first, scan.first, "file of another log", **place))

    def _fail_header(self, scan: FileScan) -> None:
        why = f"file cannot be read, {scan.text}"
        self._fail(texts.altered_range(scan.first, scan.first, why, file=scan.name, offset=0))

    def _in_order(self, scan: FileScan) -> list[FrameScan]:
        """Return the frames by first index; one that stands before its elder is reordered."""
        readable = [frame for frame in scan.frames if not frame.unreadable]
        ordered = sorted(readable, key=lambda frame: frame.first)
        for stands, due in zip(readable, ordered, strict=True):
            if stands is not due:
                self._fail(texts.reordered(due.first, stands.first, file=scan.name, offset=stands.offset))
                return ordered
        return scan.frames

    def _take_unread(self, scan: FileScan, frame: FrameScan) -> None:
        """Take bytes that are no valid frame: a torn tail waits for what was published, anything else is damage."""
        if frame.torn:
            self._torn = frame
        else:
            following = [one.first for one in scan.frames if one.offset > frame.offset and not one.text]
            self._take_damage(scan.name, frame, following[0])

    def _take_damage(self, file: str, frame: FrameScan, following: int) -> None:
        """Name what a damaged stretch held; ``following`` is the index that comes after it."""
        place: dict[str, Any] = {"file": file, "offset": frame.offset}
        self._learn_origin(frame)
        grown = None if frame.unreadable else self._grown_by(frame)
        if grown is not None:
            why = "frame is damaged, its records are whole"
            self._fail(texts.altered_range(frame.first, frame.first + frame.n - 1, why, **place))
            self._adopt(frame, grown)
        elif not frame.unreadable:
            located = frame.located or [texts.altered_range(frame.first, frame.first + frame.n - 1, **place)]
            for finding in located:
                self._fail(finding)
            self._lose(frame.first + frame.n)
        elif following > self.size:
            self._fail(texts.altered_range(self.size, following - 1, f"cannot be read, {frame.text}", **place))
            self._lose(following)
        else:
            self._fail(texts.inserted(self.size, **place))

    def _take_frame(self, file: str, frame: FrameScan) -> None:
        """Take a frame with valid CRCs: its place, then its entries against the root it was sealed with."""
        place: dict[str, Any] = {"file": file, "offset": frame.offset}
        if frame.first < self.size:
            self._fail(texts.inserted(frame.first, **place))
            return
        self._skip_to(frame.first, file, frame.offset)
        self._records += frame.n
        self._learn_origin(frame)
        grown = self._grown_by(frame)
        if grown is not None:
            if frame.located:
                why = "frame is damaged, its records are whole"
                self._fail(texts.altered_range(frame.first, frame.first + frame.n - 1, why, **place))
            self._adopt(frame, grown)
            return
        for finding in frame.located:
            self._fail(finding)
        if not frame.located and self.tree is not None:
            self._judge_root(file, frame)
        self._lose(max(frame.stop, frame.first + frame.n) if frame.located else frame.first + frame.n)

    def _grown_by(self, frame: FrameScan) -> Tree | None:
        """Return the tree with the frame's leaves if it has the root in the frame's checkpoint, else None."""
        if self.tree is None or self.tree.size != frame.first:
            return None
        grown = self.tree.copy()
        if frame.subtrees:
            grown.graft(frame.n, frame.subtrees)
        elif len(frame.leaf_hashes) == frame.n:
            grown.extend(frame.leaf_hashes)
        else:
            return None
        text = format_checkpoint(Checkpoint(self.origin, grown.size, grown.root()))
        return grown if frame.checkpoint.startswith(text + b"\n") else None

    def _learn_origin(self, frame: FrameScan) -> None:
        """Take the origin from the first checkpoint that can be read; all others must bear it."""
        if not self.origin:
            read = read_head(frame.checkpoint, frame.first + frame.n)
            self.origin = "" if isinstance(read, Finding) else read[1].origin

    def _judge_root(self, file: str, frame: FrameScan) -> None:
        """Say what is wrong with a frame whose 4-byte hashes fit and whose root does not."""
        place: dict[str, Any] = {"file": file, "offset": frame.offset}
        size = frame.first + frame.n
        read = read_head(frame.checkpoint, size)
        if isinstance(read, Finding):
            self._fail(texts.bad_note(size, read.text.partition(": ")[2], **place))
        elif read[1].origin != self.origin:
            self._fail(texts.bad_note(size, f"checkpoint of {read[1].origin}", **place))
        elif read[1].size > size:
            self._fail(texts.missing(size, read[1].size - size, **place))
        elif read[1].size < size:
            self._fail(texts.inserted(max(read[1].size, frame.first), **place))
        else:
            self._fail(texts.altered_range(frame.first, size - 1, **place))

    def _adopt(self, frame: FrameScan, grown: Tree) -> None:
        """Go on with a frame's leaves; catches the root at the published size when the frame holds it."""
        cut = self._watch - frame.first
        if 0 < cut < frame.n and self.tree is not None:
            self.tree.extend(frame.leaf_hashes[:cut])
            self._root_at_watch = self.tree.root()
        self.tree, self.size = grown, grown.size
        root = grown.root()
        self._roots.add(self.size, root)
        if cut == frame.n:
            self._root_at_watch = root

    def _skip_to(self, first: int, file: str, offset: int) -> None:
        if first > self.size:
            self._fail(texts.missing(self.size, first - self.size, file=file, offset=offset))
            self._lose(first)

    def _lose(self, size: int) -> None:
        """Go on at ``size`` without a tree: later roots can no longer be recomputed, salts and CRCs can."""
        self.tree, self.size = None, size
        self._roots.lose(size)

    def _check_seal(self, frame: FrameScan) -> None:
        self._seals.check(frame.checkpoint, frame.first + frame.n)

    def _take_tail(self) -> None:
        """A torn tail was never acknowledged, unless what was published reaches into it; nor was a file just begun."""
        if self._headless is not None:
            self._findings.add(texts.torn_tail(self._headless.length, self.size, offset=0))
        if self._torn is None:
            return
        torn, self._torn = self._torn, None
        if not torn.unreadable and torn.first == self.size and self._watch > torn.first:
            self._take_damage("", torn, self.size)
        else:
            self._findings.add(texts.torn_tail(torn.length, self.size, offset=torn.offset))

    def _judge_prefix(self) -> None:
        """A ledger that does not begin at 0 was pruned by a record of its own, or its beginning is missing."""
        by = self._told.pruned_by(self._prefix)
        if by is None:
            self._fail(texts.missing(0, self._prefix))
            return
        self._findings.add(texts.note(f"pruned 0..{self._prefix - 1:,} by record {by.entry:,}"))
        if self._start_root is not None and by.size == self._prefix and by.root not in {b"", self._start_root}:
            self._fail(texts.split(self._prefix, self._start_root, by.root))

    def lack_tiles(self, size: int) -> None:
        """What was pruned below ``size`` has lost its tiles: no root after it can be computed."""
        self._fail(texts.at_size("missing", size, "tiles of what was pruned are missing"))

    def _judge_published(self, content: bytes) -> None:
        """Judge the note that others have seen: its seals, its cosignatures, its root, and that the ledger reaches it."""
        policy, ring = self._policy, self._told.ring
        demanded, seals = ring.counting("publish", self._watch), ring.counting("seal", self._watch)
        head = open_head(content, self._watch, seals, demanded, self._told.trusted_witnesses)
        for finding in head.findings:
            self._fail(finding)
        if head.checkpoint is None:
            return
        checkpoint = head.checkpoint
        self._told.cosigners.update(head.cosigners)
        unwitnessed = judge_quorum(policy, checkpoint.size, head.cosigners)
        if unwitnessed is not None:
            self._findings.add(unwitnessed)
        if checkpoint.size > self.size:
            self._fail(texts.truncated(self.size, checkpoint.size))
        elif self._root_at_watch is not None and self._root_at_watch != checkpoint.root:
            self._fail(texts.split(checkpoint.size, self._root_at_watch, checkpoint.root))
        elif head.sealed:
            self._told.heads.add(checkpoint.size)


def _begins_nothing(scan: FileScan) -> bool:
    """Say whether a file has neither a header nor a whole frame: as a last one, its making was interrupted."""
    return scan.header is None and scan.unfinished and not any(not frame.text for frame in scan.frames)


def _size_of(published: bytes | None) -> int:
    """Return the size a published note speaks of, 0 if there is none or it cannot be read."""
    if published is None:
        return 0
    read = read_head(published, 0)
    return 0 if isinstance(read, Finding) else read[1].size
