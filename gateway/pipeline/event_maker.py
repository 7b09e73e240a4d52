"""Event maker: makes the body of a deviation event from entries up to its frame and that frame's checkpoint, no further.

Made again after a restart it gives the same bytes: nothing in it comes from the clock or from later records. The evidence
bundle is built first and kept under its hash; the event names it (`deviations.md` 4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final, Protocol

from msgspec import Struct

from gateway.domain.plan import Plan
from gateway.errors import Refused
from gateway.ledger.checkpoint import parse_checkpoint
from gateway.ledger.note import parse_note
from gateway.ledger.records import Batch, Clock, Deviation, Excursion, Reading, Record, parse_record
from gateway.pipeline.bundles import BundleBuilder, BundleSubject, Finder, Window
from gateway.pipeline.deviation_body import (
    BundleRef,
    DeviationContext,
    ExcursionStory,
    ProvenLeaf,
    build_deviation_event,
)
from gateway.pipeline.event_body import EventBody, format_event, format_ms
from gateway.pipeline.event_context import (
    HOUR_NS,
    SECOND_NS,
    Placed,
    batch_facts,
    limit_of,
    placed,
    quality,
    requirement,
    side_of,
    signal_facts,
    summarise,
)
from gateway.pipeline.event_data import Correlation, Envelope, Equipment, PingData
from gateway.pipeline.excursion_book import RAISING
from gateway.pipeline.rulebook import Rulebook
from gateway.ports import Committed, LedgerStore

BEFORE_NS: Final = 900 * SECOND_NS
REPEATS_NS: Final = 30 * 24 * HOUR_NS


class Epochs(Protocol):
    """What was in force under a configuration, and where conditions are."""

    def rules_under(self, config: str) -> Rulebook:
        """Return the rulebook of a configuration by its first 16 hex digits."""
        ...

    def places(self, record: Excursion) -> tuple[str, ...]:
        """Return the equipment and room of a condition."""
        ...


class MakerSettings(Struct, frozen=True, kw_only=True):
    """What events say of this gateway; ``serials`` by device, ``modes`` the CloudEvents mode and content type by sink."""

    origin: str
    build: str
    url: str
    serials: dict[str, str]
    modes: dict[str, tuple[str, str]]


class Story(Struct, frozen=True):
    """One excursion as records below a size tell it."""

    raised: Excursion
    newest: Excursion
    indexes: tuple[int, ...]


class Maker:
    """Implements `gateway.pipeline.outbox.EventMaker`; reads in a thread, keeps evidence bundles by hash."""

    def __init__(
        self,
        settings: MakerSettings,
        epochs: Epochs,
        store: LedgerStore,
        finder: Callable[[], Finder],
        bundles: BundleBuilder,
        keep: Callable[[str, bytes], None],
        indexed: Callable[[int], Awaitable[None]],
    ) -> None:
        self._settings = settings
        self._epochs = epochs
        self._store = store
        self._finder = finder
        self._bundles = bundles
        self._keep = keep
        self._indexed = indexed

    async def make(self, index: int, record: Deviation, sink: str, commit: Committed) -> EventBody:
        """Return the body of the deviation record at ``index`` (see `gateway.pipeline.outbox.EventMaker`)."""
        del commit  # a follower that lags gets pieces: the frame itself says which head sealed the record
        size, note = await asyncio.get_running_loop().run_in_executor(None, self._store.checkpoint_of, index)
        await self._indexed(size)
        return await asyncio.get_running_loop().run_in_executor(None, self._make, index, record, sink, size, note)

    async def make_evidence(self, index: int, record: Deviation) -> None:
        """Make the evidence bundle of a deviation record again and keep it; equal entries and equal build give equal bytes."""
        size, note = await asyncio.get_running_loop().run_in_executor(None, self._store.checkpoint_of, index)
        await self._indexed(size)
        sink = next(iter(self._settings.modes))
        await asyncio.get_running_loop().run_in_executor(None, self._make, index, record, sink, size, note)

    def ping(self, sink: str, number: int, at_ns: int) -> tuple[str, EventBody]:
        """Return id and body of ping ``number`` to a sink, made at ``at_ns``."""
        plan = self._plan()
        event_id = f"{plan.gateway}:ping:{number:06d}:1"
        event = Envelope(
            id=event_id,
            source=f"urn:gw:{plan.site}:{plan.gateway}",
            subject=f"sink/{sink}",
            type="gxp.gateway.ping.v1",
            time=format_ms(at_ns),
            dataschema="urn:gxp:gateway:schema:ping:v1",
            sequence="1",
            data=PingData(sink=sink),
        )
        return event_id, self._formatted(event, sink)

    def _plan(self) -> Plan:
        return self._epochs.rules_under("").plan

    def _formatted(self, event: Envelope, sink: str) -> EventBody:
        mode, content_type = self._settings.modes[sink]
        return format_event(event, mode=mode, content_type=content_type)

    def _make(self, index: int, record: Deviation, sink: str, size: int, note: bytes) -> EventBody:
        finder = self._finder()
        stories = [self._story(excursion, finder, size) for excursion in record.excursions]
        lead = min(stories, key=lambda story: (story.newest.t0_ns, story.indexes[0]))
        rules = self._epochs.rules_under(lead.raised.config)
        context, window = self._context(record, stories, lead, rules, finder, size)
        subject = BundleSubject(
            kind="excursion",
            id=lead.newest.excursion,
            scope=record.scope,
            windows=(window,),
            names=tuple(("excursion", one) for one in record.excursions),
            sent=True,
        )
        bundle = self._bundles.build(subject, size, note, record.at_ns)
        digest = sha256(bundle).hexdigest()
        self._keep(digest, bundle)
        event = build_deviation_event(
            record,
            [ExcursionStory(story.raised, story.newest) for story in stories],
            context,
            self._leaf(index, window, finder, size, note),
            BundleRef(digest, len(bundle)),
        )
        return self._formatted(event, sink)

    def _context(
        self, record: Deviation, stories: Sequence[Story], lead: Story, rules: Rulebook, finder: Finder, size: int
    ) -> tuple[DeviationContext, Window]:
        plan, newest = rules.plan, lead.newest
        signal = plan.signals.get(newest.signal) if isinstance(newest.signal, str) else None
        t0_ns = min(story.newest.t0_ns for story in stories)
        t1_ns = newest.t1_ns if isinstance(newest.t1_ns, int) else None
        found = rules.rule_behind(lead.raised)
        places = self._epochs.places(lead.raised)
        wanted = frozenset({signal.id}) if signal is not None else frozenset[str]()
        window = Window(signals=wanted, from_ns=t0_ns - HOUR_NS, to_ns=record.at_ns + 1)
        readings = self._readings(window, finder, size)
        summary = summarise(readings, t0_ns, t1_ns, limit_of(newest, found), side_of(newest))
        until_ns = summary.until_ns if t1_ns is None else t1_ns
        doubts = newest.doubts if isinstance(newest.doubts, list) else []
        node = None if signal is None else plan.nodes.get(signal.node)
        batches = [
            r for name in record.batches for r in self._linked("batch", name, finder, size) if isinstance(r, Batch)
        ]
        context = DeviationContext(
            gateway=plan.gateway,
            site=plan.site,
            area=_area(plan, None if signal is None else signal.node),
            room=None if signal is None else signal.room,
            timezone=plan.zone,
            build=self._settings.build,
            duty=None,
            url=self._settings.url,
            event_class=str(record.facts.get("event_class", "")) if isinstance(record.facts, dict) else "",
            equipment=None if node is None else Equipment(id=node.id, qualified_until=node.qualified_until),
            signal=None
            if signal is None
            else signal_facts(signal, self._settings.serials.get(signal.device), _day(newest.t0_ns)),
            requirement=requirement(newest, found, plan.config_sha256),
            summary=summary,
            batches=batch_facts(record, batches, places, t0_ns, t1_ns, until_ns),
            data_quality=quality(readings, t0_ns, until_ns, newest.unknown_ns, self._clock_bound(finder, size), doubts),
            correlation=self._correlation(record, newest, finder, size),
        )
        evidence = Window(signals=wanted, from_ns=t0_ns - BEFORE_NS, to_ns=record.at_ns + 1)
        return context, evidence

    def _leaf(self, index: int, window: Window, finder: Finder, size: int, note: bytes) -> ProvenLeaf:
        spans = [s for signal in window.signals if (s := finder.span(signal, window.from_ns, window.to_ns, size))]
        _, salt, content = next(iter(self._store.read(index, index + 1)))
        return ProvenLeaf(
            origin=self._settings.origin,
            first=min((first for first, _ in spans), default=index),
            index=index,
            entry=salt + content,
            size=size,
            root=parse_checkpoint(parse_note(note).text).root,
            proof=tuple(self._store.prove(index, size)),
            checkpoint=note,
            key_id=parse_note(note).lines[0].key_id,
        )

    def _readings(self, window: Window, finder: Finder, size: int) -> list[Placed]:
        found: list[tuple[int, Reading]] = []
        for signal in window.signals:
            span = finder.span(signal, window.from_ns, window.to_ns, size)
            if span is None:
                continue
            for index, _, content in self._store.read(span[0], span[1] + 1):
                record = parse_record(content)
                if isinstance(record, Reading) and record.signal == signal:
                    found.append((index, record))
        return placed(found)

    def _story(self, excursion: str, finder: Finder, size: int) -> Story:
        told = [
            (index, record)
            for index, record in self._indexed_records(finder.linked("excursion", excursion, size))
            if isinstance(record, Excursion)
        ]
        raised = next((record for _, record in told if record.event in RAISING), None)
        if raised is None:
            raise Refused(
                f"no record raises {excursion} below {size:,}", code="EXC-01", remedy="gateway ledger rebuild-index"
            )
        return Story(raised, told[-1][1], tuple(index for index, _ in told))

    def _correlation(self, record: Deviation, newest: Excursion, finder: Finder, size: int) -> Correlation:
        facts = record.facts if isinstance(record.facts, dict) else {}
        earlier = [
            one
            for _, one in self._indexed_records(finder.linked("condition", newest.condition, size))
            if isinstance(one, Excursion) and one.event in RAISING
        ]
        repeats = sum(1 for one in earlier if newest.t0_ns - REPEATS_NS <= one.t0_ns < newest.t0_ns)
        return Correlation(
            parent=record.parent if isinstance(record.parent, str) else None,
            previous=facts.get("previous"),
            repeats_30d=repeats,
        )

    def _clock_bound(self, finder: Finder, size: int) -> int | None:
        clock = finder.newest_of_kind("clock", size)
        for _, record in self._indexed_records(() if clock is None else (clock,)):
            if isinstance(record, Clock) and isinstance(record.bound_ns, int):
                return record.bound_ns
        return None

    def _linked(self, what: str, key: str, finder: Finder, size: int) -> list[Record]:
        return [record for _, record in self._indexed_records(finder.linked(what, key, size))]

    def _indexed_records(self, indexes: Iterable[int]) -> list[tuple[int, Record]]:
        return [
            (index, parse_record(content)) for one in indexes for index, _, content in self._store.read(one, one + 1)
        ]


def _area(plan: Plan, node: str | None) -> str | None:
    """Return the area that a node lies in, None if it lies in none."""
    known = None if node is None else plan.nodes.get(node)
    while known is not None and known.level != "area":
        above = known.parent or known.room
        known = plan.nodes.get(above) if above is not None and above != known.id else None
    return None if known is None else known.id


def _day(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // SECOND_NS, UTC).strftime("%Y-%m-%d")
