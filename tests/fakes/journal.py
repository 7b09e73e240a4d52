"""A journal in memory (port `Journal`) that can lose power: what is not committed by then was never written."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.ledger.records import format_record
from gateway.ports import Committed, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.ledger.records import Record


class FakeJournal:
    """Commits each append at the next turn of the loop; after ``commits_left`` commits nothing is committed any more.

    ``piece``: how many records a follower gets at most at once, as one that lags does.
    """

    def __init__(
        self, records: Sequence[Record] = (), *, commits_left: int = 1_000_000, piece: int = 1_000_000
    ) -> None:
        self.records: list[Record] = list(records)
        self.commits_left = commits_left
        self.commits = 0
        self.piece = piece
        self._pending: list[Record] = []
        self._more = asyncio.Event()
        self._ended = False

    @property
    def next_index(self) -> int:
        return len(self.records) + len(self._pending)

    def index_of(self, nth: int) -> int:
        return self.next_index + nth

    async def room(self) -> None:
        await asyncio.sleep(0)

    def hurry(self) -> None:
        """Each append is committed at the next turn anyway."""

    def append(
        self,
        records: Sequence[Record],
        *,
        settle: Callable[[Outcome], None] | None = None,
        side_objects: Sequence[bytes] = (),
        urgent: bool = False,
    ) -> int:
        first = self.next_index
        self._pending += records
        asyncio.get_running_loop().call_soon(self._commit, len(records), settle)
        return first

    def _commit(self, count: int, settle: Callable[[Outcome], None] | None) -> None:
        if self.commits_left <= 0:
            return
        self.commits_left -= 1
        self.commits += 1
        self.records += self._pending[:count]
        del self._pending[:count]
        self._turn()
        if settle is not None:
            settle(Outcome.COMMITTED)

    def _turn(self) -> None:
        self._more.set()
        self._more = asyncio.Event()

    async def committed(self, index: int) -> None:
        while len(self.records) <= index:
            await self._more.wait()

    async def follow(self, size: int) -> Committed | None:
        while len(self.records) <= size:
            if self._ended:
                return None
            await self._more.wait()
        records = tuple(self.records[size : size + self.piece])
        contents = tuple(format_record(record) for record in records)
        head = len(self.records)
        return Committed(
            first=size, records=records, contents=contents, size=head, root=b"r" * 32, checkpoint=b"note %d\n" % head
        )

    def end(self) -> None:
        """Nothing more will come: followers get None."""
        self._ended = True
        self._turn()
