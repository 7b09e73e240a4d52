"""Linked: the records that name something, read in a thread once the index is level."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gateway.adapters.segment_store.store import SegmentStore
from gateway.app.finder import IndexFinder
from gateway.app.indexing import Indexing
from gateway.errors import GatewayError
from gateway.ledger.checkpoint import parse_checkpoint
from gateway.ledger.merkle import hash_leaf
from gateway.ledger.note import parse_note
from gateway.ledger.proof import check_inclusion
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

    async def proven(self, index: int) -> bool:
        """Tell whether the entry at ``index`` is in the tree that the checkpoint of its frame seals."""
        return await asyncio.get_running_loop().run_in_executor(None, self._proven, index)

    def _proven(self, index: int) -> bool:
        size, note = self._store.checkpoint_of(index)
        _, salt, content = next(iter(self._store.read(index, index + 1)))
        root = parse_checkpoint(parse_note(note).text).root
        try:
            check_inclusion(index, size, root, hash_leaf(salt + content), self._store.prove(index, size))
        except GatewayError:
            return False
        return True

    def _read(self, what: str, key: str, size: int) -> list[tuple[int, Record]]:
        indexes = IndexFinder(self._indexing.query).linked(what, key, size)
        return [
            (index, parse_record(content))
            for wanted in indexes
            for index, _, content in self._store.read(wanted, wanted + 1)
        ]
