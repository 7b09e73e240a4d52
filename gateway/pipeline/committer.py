"""Committer: the one writer of the ledger. Pools become frames; a frame on disk settles sources and wakes followers.

The commit point is `LedgerStore.commit` returning. Nothing is acknowledged, shown, evaluated or published before it, and
frame k+1 waits for frame k (`ledger.md` 3). A full disk keeps the planned frames and tries the *same bytes* again, so
that no size is ever sealed twice; any other doubt halts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import Final

import structlog
from msgspec import Struct

from gateway.errors import DiskFull, LedgerDoubt
from gateway.ledger.commit import CommitPlan, plan_commit
from gateway.ledger.merkle import Tree
from gateway.ledger.records import Record, parse_record
from gateway.ledger.segment import SEGMENT_ENTRIES
from gateway.pipeline.pool import Pool, Settle
from gateway.pipeline.recent import RecentCommits
from gateway.ports import Committed, Entropy, LedgerStore, Outcome, Sealer, StoreHead, SystemClock

PIECE_LEAVES: Final = 4_096
"""Most entries a follower gets at once from the store."""
RECENT_LEAVES: Final = 20_000
"""Leaves kept in memory for followers that keep up."""
DISK_FULL_RETRY_S: Final = 0.5
PLANNED_HERE_MAX: Final = 1_000
"""Leaves that are hashed on the event loop: 3 ms at most, less than another thread may wait for the interpreter."""
SEED_BYTES: Final = 32
LEAD_MEMORY: Final = 16
"""Commits after which a slow one is forgotten: each takes off a sixteenth of what it took."""

_log = structlog.get_logger(component="committer")


class CommitSettings(Struct, frozen=True, kw_only=True):
    """When a pool is committed: its oldest leaf's age, its size; and what may wait in all (leaves)."""

    commit_ns: int = 50_000_000
    pool_leaves_max: int = 5_000
    waiting_leaves_max: int = 40_000


class CommitFigures(Struct):
    """What the committer has done so far; read by telemetry, written here alone. Durations in seconds."""

    commits: int = 0
    leaves: int = 0
    last_commit_s: float = 0.0
    disk_full: bool = False
    on_commit: Callable[[int, float], None] | None = None


class Committer:
    """Implements `gateway.ports.Journal`; all methods but the commit itself run on the event loop."""

    def __init__(
        self,
        store: LedgerStore,
        head: StoreHead,
        *,
        origin: str,
        sealer: Sealer,
        entropy: Entropy,
        clock: SystemClock,
        carry: Callable[[], tuple[Record, Sequence[bytes]]],
        settings: CommitSettings,
    ) -> None:
        self._store = store
        self._origin = origin
        self._sealer = sealer
        self._entropy = entropy
        self._clock = clock
        self._carry = carry
        self._settings = settings
        self._tree: Tree = head.tree
        self._checkpoint = head.checkpoint
        self._pool = Pool(head.tree.size, 0)
        self._committing: Pool | None = None
        self._recent = RecentCommits(RECENT_LEAVES)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._wake = asyncio.Event()
        self._hurry = False
        self._advanced = asyncio.Condition()
        self._room = asyncio.Event()
        self._room.set()
        self._doubt: LedgerDoubt | None = None
        self._closing = False
        self._slowest_ns = 0
        self.figures = CommitFigures()

    @property
    def next_index(self) -> int:
        """Index the next appended record will have."""
        return self.index_of(0)

    def index_of(self, nth: int) -> int:
        """Index the ``nth`` record would have in an append made now: a carry opens each later segment."""
        index = self._pool.next_index
        before_next_segment = -index % SEGMENT_ENTRIES
        carries = int(nth >= before_next_segment and (index > 0 or nth >= SEGMENT_ENTRIES))
        return index + nth + carries

    @property
    def size(self) -> int:
        """Committed size."""
        return self._tree.size

    @property
    def root(self) -> bytes:
        """Root of the committed tree."""
        return self._tree.root()

    @property
    def checkpoint(self) -> bytes:
        """Sealed note of the committed tree."""
        return self._checkpoint

    @property
    def halted(self) -> LedgerDoubt | None:
        """Why nothing more is sealed, None while all is well."""
        return self._doubt

    @property
    def oldest_wait_ns(self) -> int:
        """How long the oldest uncommitted leaf has waited, ns on the monotonic clock; 0 when none waits."""
        waiting = self._committing or (self._pool if self._pool.contents else None)
        return self._clock.now().monotonic_ns - waiting.opened_ns if waiting else 0

    def append(
        self,
        records: Sequence[Record],
        *,
        settle: Settle | None = None,
        side_objects: Sequence[bytes] = (),
        urgent: bool = False,
    ) -> int:
        """Put records into the pool (see `gateway.ports.Journal.append`)."""
        if self._doubt is not None:
            raise self._doubt
        if self._closing:
            raise LedgerDoubt("the ledger is closing", remedy="start the gateway again")
        if not self._pool.contents:
            if not records:
                self._settle_idle(settle)
                return self.next_index
            self._pool.opened_ns = self._clock.now().monotonic_ns
            self._wake.set()
        index = self.index_of(0)
        room = -self._pool.next_index % SEGMENT_ENTRIES
        if len(records) > room and self._pool.next_index + room > 0:
            self._pool.add(records[:room], None, ())
            carry, carried = self._carry()
            records, side_objects = [carry, *records[room:]], [*side_objects, *carried]
        self._pool.add(records, settle, side_objects)
        waiting = len(self._pool.contents)
        if waiting >= self._settings.waiting_leaves_max:
            self._room.clear()
        if urgent or waiting >= self._settings.pool_leaves_max:
            self.hurry()
        return index

    def _settle_idle(self, settle: Settle | None) -> None:
        """Settle a parcel that needs no record: after what is on its way to disk, at once if nothing is."""
        if settle is None:
            return
        if self._committing is not None:
            self._committing.settles.append(settle)
        else:
            settle(Outcome.COMMITTED)

    def hurry(self) -> None:
        """Commit what waits without waiting for the interval: a source's window is half full."""
        if not self._hurry:
            self._hurry = True
            self._wake.set()

    async def room(self) -> None:
        """Wait until the pool is below its bound: the back-pressure of every source."""
        await self._room.wait()
        if self._doubt is not None:
            raise self._doubt

    async def committed(self, index: int) -> None:
        """Wait until the record at ``index`` is durable."""
        async with self._advanced:
            await self._advanced.wait_for(lambda: self._tree.size > index or self._doubt is not None)
        if self._tree.size <= index:
            assert self._doubt is not None
            raise self._doubt

    async def grown(self, size: int) -> None:
        """Wait until more than ``size`` entries are committed, or nothing more will come."""
        async with self._advanced:
            await self._advanced.wait_for(lambda: self._tree.size > size or self._closing or self._doubt is not None)

    async def follow(self, size: int) -> Committed | None:
        """Return the commit that starts at ``size``; None when the run has ended."""
        await self.grown(size)
        if self._tree.size <= size:
            return None
        commit = self._recent.from_size(size)
        if commit is not None:
            return commit
        stop = min(size + PIECE_LEAVES, self._tree.size)
        return await asyncio.get_running_loop().run_in_executor(None, self._read_piece, size, stop)

    async def run(self) -> None:
        """Commit pools until `close` has drained them; end by raising the doubt that halted the ledger.

        A disk that is full is waited for, but not by a gateway that is to stop: then nothing of the pool was committed.
        """
        while True:
            await self._next_pool()
            if self._doubt is not None:
                raise self._doubt
            if not self._pool.contents:
                if self._closing:
                    break
                continue
            try:
                await self._commit_one()
            except DiskFull:
                _log.error(
                    "commit.abandoned",
                    error="no space left while the gateway stopped: what waited is not recorded and was not acknowledged",
                    remedy="make space and start the gateway; sources send again what was not acknowledged",
                )
                break
        async with self._advanced:
            self._advanced.notify_all()

    async def close(self) -> None:
        """Take no more records; `run` commits what waits and ends."""
        self._closing = True
        self._wake.set()
        async with self._advanced:
            self._advanced.notify_all()

    async def halt(self, doubt: LedgerDoubt) -> None:
        """Stop for good over a doubt that arose outside: what is being written ends, nothing more is settled."""
        if self._doubt is None:
            waiting, self._pool = self._pool, Pool(self._pool.first, 0)
            await self._halt(doubt, waiting)
            self._wake.set()

    async def _next_pool(self) -> None:
        """Wait until a pool is due: its oldest leaf's interval ends, it is full, or somebody is in a hurry.

        A commit begins earlier by twice what the slow ones took of late, so that the oldest leaf is sealed within the
        interval; never before half of it.
        """
        lead_ns = min(2 * self._slowest_ns, self._settings.commit_ns // 2)
        if not self._pool.contents and not self._closing and self._doubt is None:
            self._wake.clear()
            await self._wake.wait()
        while self._pool.contents and not self._hurry and not self._closing:  # `halt` leaves no contents
            age_ns = self._clock.now().monotonic_ns - self._pool.opened_ns
            left_s = (self._settings.commit_ns - lead_ns - age_ns) / 1e9
            if left_s <= 0:
                break
            self._wake.clear()
            try:
                async with asyncio.timeout(left_s):
                    await self._wake.wait()
            except TimeoutError:
                break

    async def _commit_one(self) -> None:
        pool = self._pool
        self._pool = Pool(pool.next_index, 0)
        self._committing, self._hurry = pool, False
        began_ns = self._clock.now().monotonic_ns
        try:
            plan = await self._make_durable(pool)
        except LedgerDoubt as doubt:
            await self._halt(doubt, pool)
            raise
        except DiskFull:
            for settle in (*pool.settles, *self._pool.settles):
                settle(Outcome.DISCARDED)
            raise
        self._committing = None
        if self._doubt is not None:
            for settle in pool.settles:
                settle(Outcome.DISCARDED)
            raise self._doubt
        self._adopt(pool, plan)
        took_ns = self._clock.now().monotonic_ns - began_ns
        self._slowest_ns = max(took_ns, self._slowest_ns - self._slowest_ns // LEAD_MEMORY)
        seconds = took_ns / 1e9
        self.figures.commits += 1
        self.figures.leaves += len(pool.contents)
        self.figures.last_commit_s = seconds
        if self.figures.on_commit is not None:
            self.figures.on_commit(len(pool.contents), seconds)
        async with self._advanced:
            self._advanced.notify_all()

    async def _make_durable(self, pool: Pool) -> CommitPlan:
        loop = asyncio.get_running_loop()
        if len(pool.contents) <= PLANNED_HERE_MAX:
            plan = self._plan(pool)
        else:
            plan = await loop.run_in_executor(self._thread, self._plan, pool)
        while True:
            try:
                await loop.run_in_executor(self._thread, self._store.commit, plan.frames, pool.side_objects)
            except DiskFull:
                self.figures.disk_full = True
                if self._closing:
                    raise
                await asyncio.sleep(DISK_FULL_RETRY_S)
            else:
                self.figures.disk_full = False
                return plan

    def _plan(self, pool: Pool) -> CommitPlan:
        seeds = (self._entropy(size) for size in repeat(SEED_BYTES))
        return plan_commit(self._tree, self._origin, pool.contents, seeds, self._sealer.seal)

    def _adopt(self, pool: Pool, plan: CommitPlan) -> None:
        assert plan.head.size == pool.next_index, "the head must grow by exactly the pool"
        self._tree = plan.head
        self._checkpoint = plan.frames[-1].note
        self._recent.add(
            Committed(
                first=pool.first,
                records=tuple(pool.records),
                contents=tuple(pool.contents),
                size=plan.head.size,
                root=plan.head.root(),
                checkpoint=self._checkpoint,
            ),
        )
        if len(self._pool.contents) < self._settings.waiting_leaves_max:
            self._room.set()
        for settle in pool.settles:
            settle(Outcome.COMMITTED)

    async def _halt(self, doubt: LedgerDoubt, pool: Pool) -> None:
        self._doubt = self._doubt or doubt
        self._store.halt(doubt.text, {"code": doubt.code, "size": self._tree.size})
        for settle in (*pool.settles, *self._pool.settles):
            settle(Outcome.DISCARDED)
        self._room.set()
        async with self._advanced:
            self._advanced.notify_all()

    def _read_piece(self, size: int, stop: int) -> Committed:
        contents = tuple(content for _, _, content in self._store.read(size, stop))
        return Committed(
            first=size,
            records=tuple(parse_record(content) for content in contents),
            contents=contents,
            size=stop,
            root=b"",
            checkpoint=b"",
        )
