"""Judge: acts on what the fold finds: excursions and their deviations, timers, late readings, proofs of judging.

At a start the fold walks the ledger from its beginning and nothing is written; once it is level with the head the judge
writes what was found and no record tells yet, and from then on what each commit brings. An excursion and its deviation
stand in one append, so in one frame.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from gateway.domain import deviation as domain
from gateway.domain.deviation_rules import BatchPresence, Surroundings
from gateway.domain.excursion_event import ExcursionEvent
from gateway.errors import Unavailable
from gateway.ledger.records import Config, Deviation, Excursion, Gateway, Reading, Record
from gateway.pipeline.batch_book import BatchBook
from gateway.pipeline.batch_impact import touched, updates
from gateway.pipeline.deviation_records import deviation_record
from gateway.pipeline.excursion_book import RAISING, t1_of
from gateway.pipeline.excursion_records import excursion_record
from gateway.pipeline.fold import Fold
from gateway.pipeline.late_jobs import LateJobs, Readings, settled_record
from gateway.pipeline.stamp import Stamper
from gateway.ports import Committed, Journal

LOOK_S: Final = 1.0
EVALUATED_NS: Final = 60_000_000_000
SLICE: Final = 250
"""Records folded before everything else has its turn: a few ms even where every reading is a breach."""
EVALUATOR_VERSION: Final = "each/1"


class JudgeSettings(Struct, frozen=True, kw_only=True):
    """The sinks that data conditions go to, which have no rule; and clients with sinks of their own."""

    required_sinks: tuple[str, ...]
    client_sinks: Mapping[str, tuple[str, ...]] = {}


class Judge:
    """Drives the fold along the journal; the only one that writes excursions and deviations."""

    def __init__(
        self,
        fold: Fold,
        settings: JudgeSettings,
        journal: Journal,
        stamp: Stamper,
        readings: Readings,
        batches: BatchBook,
        *,
        level_at: int,
    ) -> None:
        self.fold = fold
        self._settings = settings
        self._journal = journal
        self._stamp = stamp
        self._batches = batches
        self._level_at = level_at
        self._live = False
        self._size = 0
        self._advanced = asyncio.Condition()
        self._late = LateJobs(fold.evaluator, fold.book, readings)
        self._evaluated_ns = 0
        self.readings: Counter[str] = Counter()
        """Readings committed since the start, by quality: what waits for its commit, or was discarded, is none."""

    def begin_at(self, index: int) -> None:
        """Fold from ``index`` on: what stood before it was pruned. Before `run` alone."""
        self._size = index

    @property
    def size(self) -> int:
        """How far the fold is."""
        return self._size

    @property
    def level(self) -> bool:
        """Whether the fold has walked everything that was there at the start."""
        return self._size >= self._level_at

    async def folded(self, index: int) -> None:
        """Wait until the record at ``index`` is durable and folded."""
        await self._journal.committed(index)
        async with self._advanced:
            await self._advanced.wait_for(lambda: self._size > index)

    async def run(self) -> None:
        """Fold every commit, then act; look at timers each second, in silence and under load alike."""
        loop = asyncio.get_running_loop()
        look_at = loop.time() + LOOK_S
        while True:
            if self.level and not self._live:
                self._batches.open()
                self._complete()
                self._follow_batches()
                self._live = True
            if self.level and loop.time() >= look_at:
                look_at = loop.time() + LOOK_S
                await self._look()
            try:
                async with asyncio.timeout(LOOK_S):  # `wait_for` may swallow a cancellation
                    commit = await self._journal.follow(self._size)
            except TimeoutError:
                continue
            if commit is None:
                return
            await self._take(commit)
            async with self._advanced:
                self._advanced.notify_all()
            if self.level:
                self._write(self.fold.evaluator.outstanding())
                self._follow_batches()

    async def _take(self, commit: Committed) -> None:
        """Fold a commit in slices, so that nothing else waits long; understand a past configuration beside the loop."""
        loop = asyncio.get_running_loop()
        for nth, record in enumerate(commit.records):
            if isinstance(record, Config) and (work := self.fold.to_understand(record)) is not None:
                self.fold.understood[record.change_set] = await loop.run_in_executor(None, work)
            # first: a record that our own fault keeps from being folded is told by the supervisor and passed, never twice folded
            self._size = commit.first + nth + 1
            if isinstance(record, Reading) and self._size > self._level_at:
                self.readings[record.quality] += 1
            self.fold.take(commit.first + nth, record)
            if nth % SLICE == SLICE - 1:
                await asyncio.sleep(0)
        await asyncio.sleep(0)

    def _complete(self) -> None:
        """Write what power loss cut off, for an append that crosses the end of a segment is two frames.

        Those are the events of batches that an applied one had made possible, and the deviations of excursions.
        """
        placed = self._batches.cut_off(self._journal.index_of)
        if placed:
            self._journal.append(placed, urgent=True)
        for record in self.fold.cut_off:
            if not self.fold.deviations.holding(record.excursion):
                planned = self._raised(record, self._stamp()["at_ns"])
                if planned:
                    self._journal.append(planned, urgent=True)
        self.fold.cut_off.clear()

    async def _look(self) -> None:
        """Do what time alone brings: timers, late readings, deviations whose condition has ended and held."""
        now = self._stamp.clock.now()
        if now.monotonic_ns - self._evaluated_ns >= EVALUATED_NS:
            self._evaluated_ns = now.monotonic_ns
            self._journal.append([self._evaluated()])
        self._late.gap_closed(self.fold.gaps_closed)
        self.fold.gaps_closed.clear()
        for signal in self._late.due(now.monotonic_ns):
            try:
                events, through = await self._late.judge(signal)
            except Unavailable:  # the index is no record: timers and live readings do not wait for it
                break
            self._write(events)
            self._journal.append([settled_record(signal, through, *self._who())], urgent=True)
        self._write(self.fold.evaluator.due(now.boot_ns, now.wall_ns))
        expired = self._batches.expired(now.wall_ns, self._journal.index_of)
        if expired:
            self._journal.append(expired, urgent=True)
        revisions = self.fold.deviations.due(now.wall_ns)
        if revisions:
            self._journal.append([self._keep(revision) for revision in revisions], urgent=True)

    def _follow_batches(self) -> None:
        """Tell deviations of batches that came, went or were corrected; raise what only a batch makes a deviation.

        The first time after a start only deviations that are open are compared: the others were told in an earlier life.
        """
        changed, self.fold.batches_changed = self.fold.batches_changed, set()
        flying: set[tuple[str, int]] = {key[:2] for key in self.fold.appended} if changed else set()
        for story in touched(self.fold, changed):
            if (story.raised.condition, story.raised.t0_ns) in flying:
                self.fold.batches_changed |= changed  # its newest bounds come back with the next commit: compare then
                continue
            head = self._stamp()
            records: list[Record] = [
                self._keep(revision) for revision in updates(self.fold, story, head["at_ns"], open_only=not self._live)
            ]
            if story.t1_ns is None and not self.fold.deviations.holding(story.raised.excursion):
                records += self._raised(story.raised, head["at_ns"])
            if records:
                self._journal.append(records, urgent=True)

    def _evaluated(self) -> Gateway:
        """Return the record that proves that the silent part was judged (BA-06)."""
        head, gateway, run, config = self._who()
        facts = {"evaluator": EVALUATOR_VERSION, "index": self._size - 1}
        return Gateway(**head, event="evaluated", gateway=gateway, run=run, config=config, facts=facts)

    def _who(self) -> tuple[dict[str, Any], str, int, str]:
        return self._stamp(), self.fold.plan.gateway, self._stamp.run, self.fold.plan.config

    def _write(self, events: Sequence[ExcursionEvent]) -> None:
        for event in events:
            if event.key in self.fold.appended:
                continue
            self.fold.appended.add(event.key)
            head = self._stamp()
            record = excursion_record(event, head, gateway=self.fold.plan.gateway, config=self.fold.config_of(event))
            records: list[Record] = [record]
            if event.event in RAISING:
                records += self._raised(record, head["at_ns"])
            elif event.event in {"crossing", "revised"}:
                changed = self.fold.deviations.plan_changed(record.excursion, head["at_ns"])
                records += [self._keep(revision) for revision in changed]
            # as with `_keep`: the next decision must know it, long before the record comes back through the fold
            self.fold.deviations.apply_return(record.excursion, t1_of(record))
            self._journal.append(records, urgent=True)

    def _raised(self, record: Excursion, now_ns: int) -> list[Deviation]:
        """Return what a raised or late excursion makes of deviations, taken up already."""
        planned = self.fold.deviations.plan_raised(self.fold.view_of(record), self._around(record, now_ns), now_ns)
        return [self._keep(revision) for revision in planned]

    def _keep(self, revision: domain.Deviation) -> Deviation:
        """Take a planned revision up at once, so that the next decision sees it, and return its record."""
        self.fold.deviations.apply(revision)
        self.fold.expected[revision.deviation, revision.revision] = revision
        return deviation_record(revision, self._stamp())

    def _around(self, record: Excursion, now_ns: int) -> Surroundings:
        present = self.fold.present(record, record.t1_ns if isinstance(record.t1_ns, int) else None)
        shares = [(now_ns - record.t0_ns) / max(1, now_ns - m.from_ns) for m in present if record.class_ == "data"]
        return Surroundings(
            rule=self.fold.deviation_rule(record),
            batches=tuple(BatchPresence(m.batch, m.client) for m in present),
            missing_share=min(1.0, max(shares, default=0.0)),
            repeats_30d=self.fold.book.repeats_30d(record.condition, record.t0_ns),
            required_sinks=self._settings.required_sinks,
            client_sinks=self._settings.client_sinks,
        )
