"""Indexing: keeps the index behind the ledger, in its own thread, and lets others wait for it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Lock

from gateway.adapters.index.follower import IndexFollower
from gateway.adapters.index.query import IndexQuery
from gateway.adapters.segment_store.store import SegmentStore
from gateway.pipeline.committer import Committer

TURN_S = 0.2
"""Shortest time between two transactions of the index: it may lag, it must not steal the disk from commits."""

BREATH_S = 0.0005
"""Rest after each frame while the index keeps up: it gives the interpreter to the loop, which asking politely does not."""
LIVE_ENTRIES = 20_000
"""Entries behind which the index catches up without rest."""


class Indexing:
    """One writer thread; `query` is for everybody."""

    def __init__(self, path: Path, origin: str, store: SegmentStore, committer: Committer) -> None:
        self._follower = IndexFollower(path, origin, store.reader)
        self._committer = committer
        self._path = path
        self._layout = store.layout
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="index")
        self._size = 0
        self._advanced = asyncio.Condition()
        self._wanted = asyncio.Event()
        self._query: IndexQuery | None = None
        self._opening = Lock()

    @property
    def query(self) -> IndexQuery:
        """A reading connection, opened when the index is there."""
        with self._opening:  # events and bundles ask from several threads
            if self._query is None:
                self._query = IndexQuery(self._path, self._layout)
            return self._query

    def release(self) -> None:
        """Let go of segment files that were sealed or pruned."""
        if self._query is not None:
            self._query.release()

    async def run(self) -> None:
        """Open the index, or begin it anew, and follow until the journal ends.

        A disk that fails here ends this task, never recording: the supervisor starts it again.
        """
        loop = asyncio.get_running_loop()
        usable = await loop.run_in_executor(self._thread, self._follower.open, self._committer.size)
        if not usable and self._query is not None:
            self._query.close()
            self._query = None
        self._size = self._follower.next_index
        while True:
            await self._committer.grown(self._size)
            size = self._committer.size
            if size <= self._size:
                break
            breath_s = BREATH_S if size - self._size <= LIVE_ENTRIES else 0.0
            await loop.run_in_executor(self._thread, partial(self._follower.follow, size, breath_s=breath_s))
            self._size = size
            async with self._advanced:
                self._advanced.notify_all()
            self._wanted.clear()
            try:
                async with asyncio.timeout(TURN_S):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def indexed(self, size: int) -> None:
        """Wait until everything below ``size`` is indexed."""
        self._wanted.set()
        async with self._advanced:
            await self._advanced.wait_for(lambda: self._size >= size)

    async def close(self) -> None:
        """Close both connections."""
        if self._query is not None:
            self._query.close()
        await asyncio.get_running_loop().run_in_executor(self._thread, self._follower.close)
        self._thread.shutdown()
