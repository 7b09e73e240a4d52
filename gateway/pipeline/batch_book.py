"""Batch book: judges batch events against all that was appended, durable or not, and remembers how each key was answered.

The fold takes batches in from what is durable; two events of one machine may stand in one commit, and the second must
know the first. So this book takes a record in when it is appended, and not again when it comes back through the fold.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct, structs

from gateway.domain.batch import Batches, Rolls
from gateway.domain.batch_event import BatchEvent, Judged
from gateway.domain.batch_plan import (
    BatchSettings,
    expired_batch_events,
    placeable_batch_events,
    plan_batch_event,
)
from gateway.domain.plan import Node
from gateway.errors import Refused
from gateway.ledger.records import Batch, Content
from gateway.ledger.segment import SEGMENT_ENTRIES
from gateway.pipeline.batch_records import batch_record, judged_of
from gateway.pipeline.stamp import Stamper


class Beside(Struct, frozen=True, kw_only=True):
    """What stands beside an event: the account of a machine, facts, the bytes it came as."""

    account: str | None = None
    facts: Mapping[str, Any] = {}
    evidence: Content | None = None
    may_create: bool = False


class Verdict(Struct, frozen=True):
    """The answer to one event: its judgement, its index, and the records to append now; none where it was known before."""

    judged: Judged
    index: int
    records: tuple[Batch, ...] = ()


class BatchBook:
    """One owner on the loop. Nothing may be judged before `ready`: the past has to be known first."""

    def __init__(self, settings: BatchSettings, nodes: Mapping[str, Node], rolls: Rolls, stamp: Stamper) -> None:
        self._settings = settings
        self._nodes = nodes
        self._stamp = stamp
        self._own: set[int] = set()
        self._answers: dict[tuple[str, str], int] = {}
        self._cut_off: dict[str, None] = {}
        self._level = asyncio.Event()
        self.batches = Batches(rolls)
        self._retired: frozenset[str] = frozenset()

    async def ready(self) -> None:
        """Wait until everything that stood in the ledger at the start has been taken in."""
        await self._level.wait()

    def open(self) -> None:
        """Everything that stood in the ledger has been taken in."""
        self._level.set()

    def note(self, index: int, record: Batch) -> None:
        """Take in a batch record that comes through the fold, unless it was taken in when it was appended."""
        if index in self._own:
            self._own.discard(index)
            return
        if (index + 1) % SEGMENT_ENTRIES == 0:
            self._cut_off[record.batch] = None
        self._take(index, record)

    def retire(self, names: frozenset[str]) -> None:
        """Batches are pruned: nothing is known of them but that their ids are used."""
        self._retired |= names
        self.batches.forget(names)

    def judge(self, event: BatchEvent, told: Beside, index_of: Callable[[int], int]) -> Verdict:
        """Judge one event; ``index_of`` tells which index its nth record will have. What is returned must be appended at once.

        Raises `Refused` (BAT-001 … BAT-007); then nothing was taken in.
        """
        if event.batch in self._retired:
            raise Refused(
                f"batch id '{event.batch}' was used before; ids are never reused",
                code="BAT-006",
                remedy="choose another id: the records of that batch are past their retention and gone",
            )
        answer = self._answers.get((event.adapter, event.key))
        first = self.batches.answered(event.adapter, event.key)
        settings = self._settings
        if told.may_create:
            settings = structs.replace(settings, auto_create=settings.auto_create | {event.adapter})
        judged = plan_batch_event(self.batches, event, self._nodes, settings)
        if first is not None and answer is not None:
            return Verdict(first, answer)
        return Verdict(judged[0], index_of(0), self._written(judged, told, index_of))

    def cut_off(self, index_of: Callable[[int], int]) -> tuple[Batch, ...]:
        """Return what a start must complete: waiting events that could be placed when power was lost; to be appended at once.

        An event and those it places are one append, but two frames where it crosses the end of a segment.
        """
        found: list[Judged] = []
        for batch in self._cut_off:
            found += placeable_batch_events(self.batches, batch, self._settings)
        self._cut_off.clear()
        return self._written(tuple(found), Beside(), index_of) if found else ()

    def expired(self, now_ns: int, index_of: Callable[[int], int]) -> tuple[Batch, ...]:
        """Return the records of waiting events whose pairing window has passed; they must be appended at once."""
        found = expired_batch_events(self.batches, now_ns, self._settings)
        return self._written(found, Beside(), index_of) if found and self._level.is_set() else ()

    def _written(self, judged: tuple[Judged, ...], told: Beside, index_of: Callable[[int], int]) -> tuple[Batch, ...]:
        head = self._stamp()
        records: list[Batch] = []
        for nth, one in enumerate(judged):
            beside = told if nth == 0 else Beside()
            applied = one.effect == "applied"
            record = batch_record(
                one,
                head,
                revision=self.batches.batch(one.event.batch).revision + applied,
                rolls=self.batches.rolls,
                account=beside.account,
                facts=dict(beside.facts),
                evidence=beside.evidence,
            )
            index = index_of(nth)
            self._own.add(index)
            self._take(index, record)
            records.append(record)
        return tuple(records)

    def _take(self, index: int, record: Batch) -> None:
        judged = judged_of(record)
        if judged is None:
            return
        self._answers.setdefault((judged.event.adapter, judged.event.key), index)
        self.batches.apply(judged)
