"""Any life of a ledger: append, commit, publish, stop, crash at any call, start again; after each step it is what was acknowledged.

An index follows along, falls behind, dies with the process and takes up again; made anew from the segments it is the same.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from hashlib import sha256
from pathlib import Path

import apsw
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.adapters.index import IndexFollower
from gateway.adapters.segment_store import SegmentStore
from gateway.adapters.segment_store.verify_folder import verify_folder
from gateway.errors import DiskFull, LedgerDoubt
from gateway.ledger.policy import make_policy
from tests.adapters.segment_store.publication import SEALED, open_store
from tests.fakes.disk import FaultyDisk, Killed
from tests.fakes.log import ORIGIN, SEALER, gateway, plan, reading

POLICY = make_policy([SEALER.key], [], [])
SIGNALS = ("BR-201-CTL/temp", "FRZ-01/temp", "R-1/door")
HOW = st.sampled_from(
    [("kill", 0), ("kill_after", 0), ("not_applied", errno.EIO), ("applied", errno.EIO), ("short", errno.ENOSPC)]
)


def dump(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows of an index but the number of its making."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: sorted(db.execute(f"SELECT * FROM {name}"), key=repr) for name in tables if "snapshot" not in name
        }
    finally:
        db.close()


class Life(RuleBasedStateMachine):
    """``acknowledged``: records of commits that returned; ``offered``: those and the ones of a commit that did not."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="ledger-life-"))
        self.path = self.folder / "ledger"
        self.index = self.folder / "state" / "index.db"
        self.acknowledged: list[bytes] = []
        self.offered: list[bytes] = []
        self.blobs: list[bytes] = []
        self.published: dict[int, bytes] = {}
        self.boot = 0
        self.counts = dict.fromkeys(SIGNALS, 0)
        self.store: SegmentStore | None = None
        self.follower: IndexFollower | None = None
        self.disk = FaultyDisk()

    @initialize()
    def birth(self) -> None:
        self.start()

    def start(self) -> None:
        """A start in another boot: nothing acknowledged is missing; what was offered may have come through."""
        self.boot += 1
        self.disk = FaultyDisk()
        self.store = open_store(self.path, self.disk, boot_id=f"boot-{self.boot}")
        self.tree = self.store.open().tree
        found = [content for _, _, content in self.store.read(0, self.tree.size)]
        assert found[: len(self.acknowledged)] == self.acknowledged
        assert found == self.offered[: len(found)]
        self.acknowledged, self.offered = found, list(found)
        for signal in SIGNALS:
            self.counts[signal] = sum(1 for one in found if f'"signal":"{signal}"'.encode() in one)
        self.follower = IndexFollower(self.index, ORIGIN, self.store.reader)
        self.follower.open(self.tree.size)

    def records(self, amounts: list[int]) -> list[bytes]:
        made = []
        counts = dict(self.counts)
        for nth in amounts:
            signal = SIGNALS[nth % len(SIGNALS)]
            counts[signal] += 1
            made.append(reading(counts[signal], signal))
        return made

    def commit(self, records: list[bytes], side: bytes | None) -> None:
        made = plan(self.tree, records)
        self.offered += records
        assert self.store is not None
        sides = [] if side is None else [side]
        try:
            self.store.commit(made.frames, sides)
        except DiskFull:
            self.store.commit(made.frames, sides)
        self.acknowledged += records
        self.blobs += sides
        self.tree = made.head
        for one in records:
            for signal in SIGNALS:
                self.counts[signal] += f'"signal":"{signal}"'.encode() in one

    @rule(amounts=st.lists(st.integers(0, 2), min_size=1, max_size=40), side=st.none() | st.binary(max_size=9))
    def append(self, amounts: list[int], side: bytes | None) -> None:
        self.commit(self.records(amounts), side)

    @precondition(lambda self: bool(self.acknowledged))
    @rule()
    def publish(self) -> None:
        assert self.store is not None
        size, root = self.tree.size, self.tree.root()
        self.store.publish(self.store.checkpoint_of(size - 1)[1], size)
        self.published[size] = root

    @rule()
    def follow(self) -> None:
        assert self.follower is not None
        self.follower.follow(self.tree.size)

    @rule()
    def stop_and_start(self) -> None:
        assert self.store is not None
        self.commit([gateway("stop")], None)
        self.end()
        self.start()

    @rule()
    def crash(self) -> None:
        self.end(crashed=True)
        self.start()

    @rule(
        k=st.integers(1, 14), how=HOW, amounts=st.lists(st.integers(0, 2), min_size=1, max_size=9), public=st.booleans()
    )
    def fail_at(self, k: int, how: tuple[str, int], amounts: list[int], *, public: bool) -> None:
        """The k-th system call from here on fails or is the last one; then a start."""
        self.disk.calls.clear()
        self.disk.fail_at, (self.disk.how, self.disk.number) = k, how
        crashed = False
        try:
            self.commit(self.records(amounts), b"side %d" % len(self.offered))
            if public:
                self.publish()
        except Killed:
            crashed = True
        except (LedgerDoubt, DiskFull):
            pass
        self.disk.fail_at = 0
        self.end(crashed=crashed)
        self.start()

    def end(self, *, crashed: bool = False) -> None:
        """Close; a crash leaves the files as they are and gives only the lock back, as the kernel does."""
        assert self.store is not None
        assert self.follower is not None
        self.follower.close()
        if crashed:
            if self.store._lock._fd is not None:
                os.close(self.store._lock._fd)
        else:
            self.store.close()
        self.store = None

    @invariant()
    def what_was_told_is_true(self) -> None:
        if self.store is None:
            return
        for size, root in self.published.items():
            assert self.store._root_at(size) == root
        for content in self.blobs:
            assert self.store.read_blob(sha256(content).hexdigest()) == content

    def teardown(self) -> None:
        try:
            if self.store is None:
                return
            result = verify_folder(self.path, policy=SEALED, all_seals=True)
            assert result.exit_code == 0, result.last_line
            assert result.size == self.tree.size
            assert self.follower is not None
            self.follower.follow(self.tree.size)
            followed = dump(self.index)
            self.follower.rebuild(self.tree.size)
            assert dump(self.index) == followed
            self.end()
        finally:
            shutil.rmtree(self.folder)


TestLife = Life.TestCase
TestLife.settings = settings(deadline=None, stateful_step_count=30)
