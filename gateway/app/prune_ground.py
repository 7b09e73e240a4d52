"""Prune ground: what the index, the fold and the outbox know of the beginning of the log, for a plan of disposal."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from gateway.adapters.index.query import IndexQuery
from gateway.adapters.segment_store.prune import Pruned
from gateway.adapters.segment_store.store import SegmentStore
from gateway.app.indexing import Indexing
from gateway.app.site import Site
from gateway.domain.batch import BatchContext
from gateway.domain.batch_states import FINAL_STATES
from gateway.domain.deviation_states import DeviationState
from gateway.domain.retention import Rule, Term, day_of, keep_batch
from gateway.errors import Unavailable
from gateway.ledger.records import Gateway, Record, parse_record
from gateway.ledger.segment import SEGMENT_ENTRIES, segment_of
from gateway.pipeline.committer import Committer
from gateway.pipeline.judge import Judge
from gateway.pipeline.opening import effective
from gateway.pipeline.outbox import Outbox
from gateway.pipeline.projector import Projector
from gateway.pipeline.prune_plan import Epoch, Ground, Holding, SegmentSpan
from gateway.pipeline.stamp import Stamper
from gateway.pipeline.standing import Standing

SECOND_NS = 1_000_000_000
FILES_BEFORE = 1_000
"""Records of a configuration's files stand so closely before the one that puts it into force."""


class LedgerGround:
    """Implements `gateway.pipeline.pruning.PruneGround`."""

    def __init__(
        self,
        site: Site,
        store: SegmentStore,
        indexing: Indexing,
        committer: Committer,
        judge: Judge,
        outbox: Outbox,
        standing: Standing,
        stamp: Stamper,
    ) -> None:
        self._site = site
        self._store = store
        self._indexing = indexing
        self._committer = committer
        self._judge = judge
        self._outbox = outbox
        self._standing = standing
        self._stamp = stamp
        self.projectors: Mapping[str, Projector] = {}

    async def ground(self) -> Ground:
        """Return what a plan rests on, complete up to the newest record."""
        self.judged()
        size = self._committer.size
        await self._indexing.indexed(size)
        site_rules = site_retention(self._site)
        contexts = {one.batch: one for one in self._judge.fold.batches.batches()}
        query, held = self._indexing.query, self._held()
        segments = await asyncio.to_thread(self._segments, query, contexts, min(size, self._store.upkeep.published()))
        holdings = await asyncio.to_thread(lambda: sorted(self._holdings(query, held, size)))
        epochs = await asyncio.to_thread(self._epochs, query, size)
        return Ground(
            segments=segments,
            batches={name: keep_batch(one.header, site_rules) for name, one in contexts.items()},
            retired=self._judge.fold.retired,
            site=site_rules,
            holdings=[Holding(first, why) for first, why in holdings],
            epochs=epochs,
            today=day_of(self._stamp.clock.now().wall_ns),
        )

    async def decided(self) -> tuple[int, int] | None:
        """Return the newest ``pruned`` record whose files still stand."""
        size = self._committer.size
        await self._indexing.indexed(size)
        found = self._indexing.query.newest_event("gateway", "pruned", size)
        if found is None:
            return None
        record = next((parse_record(content) for _, _, content in self._store.read(found.entry, found.entry + 1)), None)
        last = record.facts.get("last") if isinstance(record, Gateway) and isinstance(record.facts, dict) else None
        if not isinstance(last, int) or self._store.reader.first_index() > last:
            return None
        return Pruned(last + 1, found.entry).stop, found.entry

    def explaining(self) -> tuple[Sequence[Record], Sequence[bytes]]:
        """Return the configuration in force, written again."""
        records, side_objects = effective(
            self._site.plan, self._site.files, self._stamp, replace(self._standing, config=None)
        )
        for offset, record in enumerate(records):
            self._standing.apply(self._committer.index_of(offset), record)
        return records, side_objects

    def judged(self) -> int:
        """Return how far everything is judged and every decision is written."""
        if not self._judge.level:
            raise Unavailable("the ledger is still being judged", remedy="ask again in a minute")
        return self._judge.size

    def _held(self) -> list[tuple[str, str]]:
        """Return (kind, id) of everything that is not done."""
        fold = self._judge.fold
        held = [("batch", one.batch) for one in fold.batches.batches() if one.state not in FINAL_STATES or one.pending]
        held += [("excursion", name) for name, story in fold.book.stories.items() if story.t1_ns is None]
        newest: dict[tuple[str, bool], tuple[int, str]] = {}
        for one in fold.deviations.all():
            if one.state is DeviationState.OPEN:
                held.append(("deviation", one.deviation))
            series = (one.scope, one.test)
            newest[series] = max(newest.get(series, (0, "")), (one.number, one.deviation))
        held += [("deviation", name) for _, name in newest.values()]  # numbers go on from it
        held += [("deviation", name) for name in self._outbox.unconfirmed()]
        held += [("gap", name) for name in self._standing.gaps_open]
        return held

    def _holdings(self, query: IndexQuery, held: list[tuple[str, str]], size: int) -> Iterator[tuple[int, str]]:
        for kind, name in held:
            if kind == "gap":
                found = [event.entry for event in query.events(size, kind=kind, object_id=name, limit=1)]
            else:
                found = query.linked(kind, name, size, after=self._store.reader.first_index() - 1, limit=1)
            if found:
                yield found[0], f"{kind} {name} is not done"
        for name, projector in self.projectors.items():
            yield projector.report().next_index, f"projection {name} has not taken up what follows"
        for fold in self._outbox.fold.sinks.values():
            for shipment in fold.unresolved():
                yield shipment.index, f"delivery {shipment.event_id} is not done"

    def _segments(self, query: IndexQuery, contexts: dict[str, BatchContext], size: int) -> list[SegmentSpan]:
        """Return the full, published segments below the newest one, with their times and batches."""
        spans: list[SegmentSpan] = []
        begins = self._store.reader.first_index()
        for first in range(begins, segment_of(size) - SEGMENT_ENTRIES + 1, SEGMENT_ENTRIES):
            stop = first + SEGMENT_ENTRIES
            stretch = query.stretch(first, stop)
            batches = set(query.keys_between("batch", first, stop))
            if stretch is not None:
                batches |= {name for name, one in contexts.items() if _meets(one, stretch.from_ns, stretch.to_ns)}
            written = None if stretch is None else stretch.written_ns
            spans.append(SegmentSpan(first=first, newest_ns=written, batches=frozenset(batches)))
        return spans

    def _epochs(self, query: IndexQuery, size: int) -> list[Epoch]:
        epochs: list[Epoch] = []
        for event in query.events(size, kind="config", event="effective"):
            for _, _, content in self._store.read(event.entry, event.entry + 1):
                running = getattr(parse_record(content), "config", None) == self._site.plan.config
                epochs.append(Epoch(max(0, event.entry - FILES_BEFORE), running))
        return epochs


def site_retention(site: Site) -> dict[str, Rule]:
    """Return the site's own retention rules by id."""
    rules = site.settings.batch.retention
    return {name: Rule((Term(rule.from_, rule.years),)) for name, rule in rules.items()}


def _meets(context: BatchContext, from_ns: int, to_ns: int) -> bool:
    """Say whether a batch with its rolls meets a stretch of time."""
    for one in context.memberships:
        until = None if one.to_ns is None else one.to_ns + one.post_roll_s * SECOND_NS
        if one.from_ns - one.pre_roll_s * SECOND_NS <= to_ns and (until is None or from_ns <= until):
            return True
    return False
