"""Linked: the records that name something, read in a thread once the index is level."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gateway.adapters.segment_store.store import SegmentStore
from gateway.app.finder import IndexFinder
from gateway.app.indexing import Indexing
from gateway.ledger.records import Record, parse_record
from gateway.pipeline.committer import Committer


class Linked:
    """Answers from everything that is committed at the moment of the question."""

    def __init__(self, indexing: Indexing, store: SegmentStore, committer: Committer) -> None:
        self._indexing = indexing
        self._store = store
        self._committer = committer

    async def deviation(self, deviation: str) -> Sequence[tuple[int, Record]]:
        """Return all records of a deviation, its deliveries included, in order."""
        size = self._committer.size
        await self._indexing.indexed(size)
        return await asyncio.get_running_loop().run_in_executor(None, self._read, "deviation", deviation, size)

    def _read(self, what: str, key: str, size: int) -> list[tuple[int, Record]]:
        indexes = IndexFinder(self._indexing.query).linked(what, key, size)
        return [
            (index, parse_record(content))
            for wanted in indexes
            for index, _, content in self._store.read(wanted, wanted + 1)
        ]
