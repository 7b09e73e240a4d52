"""Fold: the whole ledger taken up into batches, excursions, deviations and the evaluator's state, record by record.

Nothing is decided and nothing is written here: the same calls serve the start and the live path (rule 6).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from typing import Any, Final, Protocol

import structlog
from msgspec import Struct

from gateway.domain import deviation as domain
from gateway.domain.batch import Batches, Rolls
from gateway.domain.deviation import DEFAULT_RULE, Deviations, Part
from gateway.domain.deviation_rules import ExcursionView
from gateway.domain.evaluator import Evaluator
from gateway.domain.excursion_event import EventKey, ExcursionEvent
from gateway.domain.limits import DeviationRule, LimitSet
from gateway.domain.membership import Membership, places_of
from gateway.domain.plan import Plan
from gateway.domain.reading_view import ReadingView
from gateway.domain.signal_track import NEVER_NS, Instant, SignalWatch
from gateway.domain.times import format_time
from gateway.ledger.records import (
    Anchor,
    Batch,
    Clock,
    Config,
    Content,
    Delivery,
    Deviation,
    Excursion,
    Gap,
    Gateway,
    NewReading,
    Reading,
    Record,
    parse_content,
)
from gateway.ledger.segment import SEGMENT_ENTRIES
from gateway.pipeline.anchor_flags import AnchorFlags
from gateway.pipeline.batch_records import judged_of
from gateway.pipeline.deviation_records import revision_of
from gateway.pipeline.excursion_book import RAISING, ExcursionBook, shown_excursion, view_of_excursion
from gateway.pipeline.excursion_records import written_of
from gateway.pipeline.late_jobs import SETTLED
from gateway.pipeline.reading_views import view_of
from gateway.pipeline.rulebook import Rulebook
from gateway.pipeline.system_flags import SystemFlags, flag_view

LINK_DOWN: Final = "link_down"

_log = structlog.get_logger(component="judge")


class Epoch(Struct, frozen=True):
    """One configuration epoch as far as judging needs it."""

    plan: Plan
    limit_sets: Sequence[LimitSet]


class Epochs(Protocol):
    """Understands a configuration from the bytes that the ledger holds."""

    def __call__(self, files: Mapping[str, bytes], change_set: str) -> Epoch | None:
        """Return the epoch, None if these bytes are not understood by this version."""
        ...


class Fold:
    """One owner, the judge; others ask it. ``plan`` is the configuration in force where the fold stands.

    ``appended`` and ``expected`` are what the judge has written and the fold has not seen come back. ``cut_off`` are raising
    records that end a segment: their deviation stood in the next frame, which power may have been lost before. ``gaps_closed``
    collects signals whose backfill is done, ``batches_changed`` batches that were changed; ``batch_notes`` are told of every
    batch record with its index.
    """

    def __init__(self, running: Epoch, epochs: Epochs, rolls: Rolls, read_blob: Callable[[str], bytes | None]) -> None:
        self._running = running
        self._epochs = epochs
        self._read_blob = read_blob
        self.plan = running.plan
        self._rules = Rulebook(running.plan, running.limit_sets)
        self._books: dict[str, Rulebook] = {running.plan.config: self._rules}
        self._files: dict[str, bytes] = {}
        self._states: dict[str, str | None] = {}
        self._state_ns: dict[str, int] = {}
        self._state_signals = _state_signals(self._rules)
        self._batches_ns = 0
        self._judging = True
        self._system = SystemFlags()
        self._begun = False
        self.retired: frozenset[str] = frozenset()
        self.retired_notes: list[Callable[[frozenset[str]], None]] = []
        self.understood: dict[str, Epoch | None] = {}
        self._boot: str | None = None
        self.appended: set[EventKey] = set()
        self.expected: dict[tuple[str, int], domain.Deviation] = {}
        self.cut_off: list[Excursion] = []
        self.gaps_closed: set[str] = set()
        self.batches_changed: set[str] = set()
        self.batch_notes: list[Callable[[int, Batch], None]] = []
        self.record_ids: dict[str, str] = {}
        self.batches = Batches(rolls)
        self.book = ExcursionBook()
        self.deviations = Deviations(running.plan.gateway)
        self.evaluator = Evaluator()
        self.anchor_flags = AnchorFlags()
        self._folds: Mapping[type[Record], Any] = {
            Reading: self._reading,
            NewReading: self._reading,
            Excursion: self._excursion,
            Deviation: self._deviation,
            Delivery: self._delivery,
            Batch: self._batch,
            Gap: self._gap,
            Gateway: self._gateway,
            Clock: self._clock,
            Config: self._config,
            Anchor: self._anchor,
        }

    def rules_under(self, config: str) -> Rulebook:
        """Return the rulebook of a configuration by its first 16 hex digits, the one in force if that is not known."""
        return self._books.get(config, self._rules)

    def config_of(self, event: ExcursionEvent) -> str:
        """Return the configuration whose rule an event names, by its first 16 hex digits: not always the one in force.

        What was found before a restart may be written after it, when another configuration is in force.
        """
        found = self._rules
        if event.rule is not None and found.rule_of(event.condition, event.rule, event.rule_name) is None:
            earlier = (
                b for b in reversed(self._books.values()) if b.rule_of(event.condition, event.rule, event.rule_name)
            )
            found = next(earlier, found)
        return found.plan.config

    def take(self, index: int, record: Record) -> None:
        """Fold one record."""
        fold = self._folds.get(type(record))
        if fold is not None:
            fold(index, record)

    def excursions_of(self, memberships: Sequence[Membership]) -> list[dict[str, Any]]:
        """Return the excursions that meet these intervals on their places, oldest first."""
        found = [
            story
            for story in self.book.stories.values()
            if any(self._meets(m, story.newest, story.t1_ns) for m in memberships if not m.withdrawn)
        ]
        return [shown_excursion(story, format_time) for story in sorted(found, key=lambda s: s.raised.t0_ns)]

    def deviations_of(self, batch: str) -> list[dict[str, Any]]:
        """Return the deviations that name a batch, oldest first, with the record ids the QMS gave."""
        return [
            {
                "deviation": one.deviation,
                "state": one.state.value,
                "revision": one.revision,
                "excursions": list(one.excursions),
                "record_id": self.record_ids.get(one.deviation),
            }
            for one in self.deviations.all()
            if batch in one.batches
        ]

    def present(self, record: Excursion, t1_ns: int | None) -> tuple[Membership, ...]:
        """Return the memberships that an excursion meets on its equipment, or in its room, rolls excluded."""
        return self.batches.batches_at(self.places(record), record.t0_ns, t1_ns)

    def places(self, record: Excursion) -> tuple[str, ...]:
        """Return what a condition is about: equipment, or a room with all that stands in it; a source, all its signals' places.

        What happens in one unit does not touch a batch in another unit of the same room; what happens in the room touches both.
        """
        plan = self.rules_under(record.config).plan
        if isinstance(record.signal, str) and record.signal in plan.signals:
            signals = [plan.signals[record.signal]]
        else:
            source = record.condition.partition(":")[0]
            signals = [s for s in plan.signals.values() if s.source == source]
        places: dict[str, None] = {}
        for signal in signals:
            places.update(dict.fromkeys(places_of(signal.node, plan.nodes)))
        return tuple(places)

    def _reading(self, index: int, record: Reading) -> None:
        view = view_of(index, record)
        if record.signal in self._state_signals and view.te_ns >= self._state_ns.get(record.signal, 0):
            self._state(index, view)
        self.evaluator.apply_reading(view)

    def _state(self, index: int, view: ReadingView) -> None:
        """Take up the newest state of a signal; a bad one is unknown. One out of a history changes nothing."""
        self._state_ns[view.signal] = view.te_ns
        state = str(view.value) if view.value is not None and view.quality != "bad" else None
        if self._states.get(view.signal) != state:
            self._states[view.signal] = state
            at = Instant(index, view.te_ns, view.monotonic_ns)
            self._rewatch(sorted(self._rules.state_signals.get(view.signal, ())), at)

    def _gap(self, index: int, record: Gap) -> None:
        if record.cause == LINK_DOWN and record.event in {"opened", "closed"}:
            lost = flag_view(f"{record.source}:comm_lost", index, record, raised=record.event == "opened")
            self.evaluator.apply_reading(lost)
        signals = record.signals or [s.id for s in self.plan.signals.values() if s.source == record.source]
        if record.event == "closed":
            self.gaps_closed.update(signals)
        if record.event == "opened":
            self.evaluator.apply_gap(tuple(signals), Instant(index, record.at_ns, record.boot_ns))

    def _config(self, index: int, record: Config) -> None:
        if record.event == "file" and isinstance(record.path, str) and isinstance(record.content, Content):
            content = parse_content(record.content)
            if content is None and isinstance(record.content.sha256, str):
                content = self._read_blob(record.content.sha256)
            self._files[record.path] = content or b""
        elif record.event == "effective":
            self._begun = True
            work = self.to_understand(record)
            self._files = {}
            if work is None:
                epoch: Epoch | None = self._running
            elif record.change_set in self.understood:
                epoch = self.understood.pop(record.change_set)
            else:
                epoch = work()
            if epoch is None:
                _log.warning(
                    "config.unknown",
                    error=f"configuration {record.change_set} of record {index:,} is not understood by this version: "
                    "nothing is judged again until the next one, what its records tell stands",
                    remedy="gateway verify proves its readings; an older version can judge them",
                )
                self._judging = False
                self.evaluator.forget()
                return
            self._in_force(epoch, Instant(index, record.at_ns, record.boot_ns))

    def to_understand(self, record: Config) -> Callable[[], Epoch | None] | None:
        """Return the work of understanding a configuration that comes into force; None where there is nothing to do.

        It may be done in a thread beforehand and left in ``understood`` under its change set.
        """
        if record.event != "effective" or record.config == self._running.plan.config:
            return None
        return partial(self._epochs, dict(self._files), record.change_set)

    def _in_force(self, epoch: Epoch, at: Instant) -> None:
        """Judge by other rules from here on; signals that are no longer there are judged by none."""
        self.plan, self._rules = epoch.plan, Rulebook(epoch.plan, epoch.limit_sets)
        self._books[epoch.plan.config] = self._rules
        self._state_signals = _state_signals(self._rules)
        left = set(self.evaluator.signals())
        for watch in self._rules.watches(self._phase_at(max(at.te_ns, self._batches_ns)), self._states):
            left.discard(watch.signal)
            self.evaluator.apply_rules(watch, at)
        for signal in sorted(left):
            self.evaluator.apply_rules(SignalWatch(signal=signal, stale_ns=NEVER_NS, conditions=()), at)
            self.evaluator.forget(signal)  # one that comes back begins anew: its silence meanwhile was nobody's
        if not self._judging:
            self._judging = True
            for story in self.book.stories.values():
                if story.t1_ns is None and (written := written_of(story.newest_index, story.newest)) is not None:
                    self.evaluator.adopt(written)

    def _batch(self, index: int, record: Batch) -> None:
        judged = judged_of(record)
        for note in self.batch_notes:
            note(index, record)
        if judged is None:
            return
        self.batches.apply(judged)
        if judged.effect != "applied":
            return
        self.batches_changed.add(record.batch)
        self._batches_ns = max(self._batches_ns, record.at_ns, judged.event.effective_ns)
        at = Instant(index, record.at_ns, record.boot_ns)
        places = {m.node for m in self.batches.batch(record.batch).memberships}
        signals = (self.plan.signals[one] for one in sorted(self._rules.phased) if one in self.plan.signals)
        here = (one.id for one in signals if not places.isdisjoint(places_of(one.node, self.plan.nodes)))
        self._rewatch(here, at)

    def _rewatch(self, signals: Iterable[str], at: Instant) -> None:
        """Put the rules of phases and states into force; phases as of the newest batch event, which may be told ahead."""
        phase = self._phase_at(max(at.te_ns, self._batches_ns))
        for signal in signals:
            self.evaluator.apply_rules(self._rules.watch(signal, phase, self._states), at, "phase_change")

    def _phase_at(self, at_ns: int) -> Any:
        """Return the function node → phase of the open batch there."""

        @cache
        def phase(node: str) -> str | None:
            here = self.batches.batches_at(places_of(node, self.plan.nodes), at_ns, at_ns + 1)
            phases = {self.batches.batch(m.batch).phase_at(at_ns) for m in here} - {None}
            return phases.pop() if len(phases) == 1 else None

        return phase

    def _excursion(self, index: int, record: Excursion) -> None:
        written = written_of(index, record)
        ours = written is not None and written.key in self.appended
        if written is not None:
            self.evaluator.apply_written(written)
            self.appended.discard(written.key)
        self.book.take(index, record)
        if record.event in RAISING and (index + 1) % SEGMENT_ENTRIES == 0:
            self.cut_off.append(record)
        story = self.book.stories.get(record.excursion)
        # what we decided ourselves is known since then, and more may be known by now
        if story is not None and not ours:
            self.deviations.apply_return(record.excursion, story.t1_ns)

    def _gateway(self, index: int, record: Gateway) -> None:
        if record.event == "notice" and (flag := self.anchor_flags.notice(index, record)) is not None:
            self.evaluator.apply_reading(flag)
        if record.event == "evaluated" and record.code == SETTLED and isinstance(record.facts, dict):
            self.evaluator.settle_late(record.facts["signal"], record.facts["index"])
        elif record.event == "pruned":
            self._pruned(record)
        elif record.event == "carry" and not self._begun:
            self._begin(index, record)
        elif (told := self._system.told(record)) is not None:
            self.evaluator.apply_reading(flag_view(told[0], index, record, raised=told[1]))

    def _begin(self, index: int, record: Gateway) -> None:
        """The log's beginning was pruned: judge on by the configuration that its first record names, if it is the one running."""
        self._begun, self._judging = True, record.config == self._running.plan.config
        if self._judging:
            self._in_force(self._running, Instant(index, record.at_ns, record.boot_ns))

    def _pruned(self, record: Gateway) -> None:
        """What was judged when a beginning was pruned is told by records, or was done with: it is not found anew without it."""
        facts = record.facts if isinstance(record.facts, dict) else {}
        self.evaluator.drop_outstanding(facts.get("judged", 0))
        names = frozenset(facts.get("batches", ()))
        self.retired |= names
        self.batches.forget(names)
        for note in self.retired_notes:
            note(names)

    def _anchor(self, index: int, record: Anchor) -> None:
        if (flag := self.anchor_flags.anchor(index, record)) is not None:
            self.evaluator.apply_reading(flag)

    def _clock(self, index: int, record: Clock) -> None:
        if self._boot is not None and self._boot != record.boot_id:
            self.evaluator.apply_boot(index)
        self._boot = record.boot_id

    def _delivery(self, _index: int, record: Delivery) -> None:
        if isinstance(record.external_id, str) and record.object.kind == "deviation":
            self.record_ids[record.object.id] = record.external_id

    def _deviation(self, _index: int, record: Deviation) -> None:
        known = self.expected.pop((record.deviation, record.revision), None)
        if known is None:
            before = self.deviations.newest(record.deviation)
            known = revision_of(
                record, before, {one: self._part(one) for one in record.excursions if one in self.book.stories}
            )
            self.deviations.apply(known)

    def _part(self, excursion: str) -> Part:
        story = self.book.stories[excursion]
        rule = self.deviation_rule(story.raised) or DEFAULT_RULE
        return Part(
            excursion=self.view_of(story.raised),
            t1_ns=story.t1_ns,
            reopen_s=rule.reopen_s,
            ended_hold_s=rule.ended_hold_s,
        )

    def view_of(self, record: Excursion) -> ExcursionView:
        """Return what deviations see of an excursion, by the configuration it was judged under."""
        return view_of_excursion(record, self.rules_under(record.config).plan)

    def _meets(self, membership: Membership, record: Excursion, t1_ns: int | None) -> bool:
        places = self.places(record)
        return (membership.node in places or membership.room in places) and membership.overlaps(record.t0_ns, t1_ns)

    def deviation_rule(self, record: Excursion) -> DeviationRule | None:
        """Return what the rule behind an excursion says of deviations, None for data and system conditions."""
        found = self.rules_under(record.config).rule_behind(record)
        return None if found is None else found[1].deviation


def _state_signals(rules: Rulebook) -> frozenset[str]:
    """Return the signals whose newest state is remembered: those that rules ask for, and all states, for rules to come."""
    states = {signal.id for signal in rules.plan.signals.values() if signal.measure == "state"}
    return frozenset(states | rules.state_signals.keys())
