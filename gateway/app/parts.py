"""Parts: every part of a run, made in the order in which each needs the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from importlib.resources import files as package_files
from typing import TYPE_CHECKING

from gateway.adapters.entropy import os_entropy
from gateway.adapters.people import PeopleFile
from gateway.adapters.segment_store.store import SegmentStore
from gateway.adapters.system_clock import OsClock
from gateway.app.backup import BackupDesk
from gateway.app.build import this_build
from gateway.app.desks import Desks, evidence_folder, make_desks
from gateway.app.finder import IndexFinder
from gateway.app.health import Health
from gateway.app.indexing import Indexing
from gateway.app.keys import key_opening, key_report, make_key_desk, open_book
from gateway.app.lookup import LedgerLookup
from gateway.app.restored import RestoredWatch, refuse_rolled_back
from gateway.app.setup import clock_limits, is_set_up, open_store, seal_signers
from gateway.app.sinks import modes, open_projectors, open_qms_sinks, required_sinks
from gateway.app.site import Site
from gateway.app.sources import early_commits, make_sources
from gateway.app.timestamps import StampFolder, open_stamping, tell_stamping
from gateway.app.upkeep import Upkeep, join_upkeep
from gateway.app.witnesses import Outside, adopt_keys, open_outside, tell_health
from gateway.app.zone import PlantZone
from gateway.config.load import understand
from gateway.domain.batch import Rolls
from gateway.domain.batch_plan import BatchSettings
from gateway.domain.reading_view import ReadingView
from gateway.errors import ConfigurationRefused, Unavailable
from gateway.ledger.policy import Policy
from gateway.ledger.records import Build, Reading, Record, parse_record
from gateway.ledger.segment import segment_of
from gateway.pipeline.batch_book import BatchBook
from gateway.pipeline.bundles import BundleBuilder
from gateway.pipeline.clock_watch import ClockRecorder, ClockWatch
from gateway.pipeline.committer import CommitSettings, Committer
from gateway.pipeline.event_maker import Maker, MakerSettings
from gateway.pipeline.fold import Epoch, Fold
from gateway.pipeline.intake import Intake
from gateway.pipeline.judge import Judge, JudgeSettings
from gateway.pipeline.key_book import KeyBook
from gateway.pipeline.key_desk import KeyDesk
from gateway.pipeline.late_jobs import Readings
from gateway.pipeline.opening import carry, effective, start
from gateway.pipeline.outbox import Outbox
from gateway.pipeline.projector import Projector
from gateway.pipeline.reading_views import view_of
from gateway.pipeline.stamp import Stamper
from gateway.pipeline.standing import Standing
from gateway.ports import People, Sealer, Source, StoreHead, SystemClock

if TYPE_CHECKING:
    from gateway.pipeline.stamping import Stamping

MS_NS = 1_000_000
INDEX_S = 1.0
"""How long the judge waits for the index when late readings are due; then it looks again later."""

Carried = Callable[[], tuple[Record, Sequence[bytes]]]


@dataclass(slots=True)
class Parts:
    """What `run` starts and stops."""

    version: str
    clock: SystemClock
    clocks: ClockRecorder
    stamp: Stamper
    committer: Committer
    outside: Outside
    stamping: Stamping | None
    indexing: Indexing
    judge: Judge
    outbox: Outbox
    intake: Intake
    clock_watch: ClockWatch
    sources: Mapping[str, Source]
    projectors: Mapping[str, Projector]
    desks: Desks
    key_desk: KeyDesk
    backups: BackupDesk
    restored: RestoredWatch
    health: Health
    opening: tuple[list[Record], list[bytes]]
    upkeep: Upkeep = field(init=False)

    async def drained(self) -> None:
        """Wait until everything that was offered is settled."""
        while self.intake.unsettled:
            self.committer.hurry()
            await asyncio.sleep(0.01)


async def make_parts(site: Site, stack: AsyncExitStack) -> Parts:
    """Lock and check the ledger, find where everything stands, and put the parts together. Nothing runs yet."""
    if not is_set_up(site):
        raise ConfigurationRefused(f"no ledger in {site.ledger}", remedy="once for a box: gateway setup")
    refuse_rolled_back(site.state)
    clock, seals, loop = OsClock(), seal_signers(site), asyncio.get_running_loop()
    store, build, origin = open_store(site, *seals), this_build(), site.settings.ledger.origin
    head = await loop.run_in_executor(None, store.open)
    stack.callback(store.close)
    standing = _standing(site, store, head)
    keys = await loop.run_in_executor(None, open_book, site, standing.keys, seals)
    stamp = Stamper(clock, dev=site.development, run=standing.run + 1, clock_number=standing.clock)
    clocks = ClockRecorder(clock, stamp, PlantZone(site.plan.zone), clock_limits(site))
    committer = _committer(site, store, head, keys, clock, lambda: carry(standing, stamp, site.plan.gateway))
    outside = await open_outside(site, store, head, committer, stamp, keys, stack)
    crashed = head.unclean or not standing.stopped
    opened = start(clocks.record("start"), stamp, site.plan, build, origin, _found(head, crashed=crashed), head.halted)
    opening = _opening(site, committer, stamp, keys, standing, opened)
    outside = adopt_keys(site, store, outside, keys)
    book = _book(site, stamp)
    intake = Intake(site.plan, standing, committer, committer, stamp, early=early_commits(site), batches=book)
    _know_repeats(site, standing, intake)
    indexing = Indexing(site.state / "index.db", origin, store, committer)
    stamping = await _stamping(site, store, committer, indexing, outside, standing, stamp, stack)
    judge = _judge(site, committer, stamp, store, head, indexing, book)
    names = PeopleFile(site.state / "people.db", os_entropy)
    stack.callback(names.close)
    bundles = _bundles(build, outside.policy, store, indexing, names)
    maker = _maker(_maker_settings(site, build.version), site, judge, store, indexing, bundles)
    outbox = Outbox(site.plan.gateway, await open_qms_sinks(site, clock, stack), maker, committer, stamp, clock)
    desks = make_desks(
        site, build.version, committer, stamp, store, indexing, judge, book, bundles, outbox, maker, outside.exported
    )
    key_desk = make_key_desk(site, store, outside, keys, committer, stamp, desks.audits, bundles.adopt)
    backups = BackupDesk(site, build.version, committer, stamp, desks.audits)
    health = _health(site, committer, intake, clocks, stamp, build.version, judge, outside, stamping, keys)
    health.more.append(backups.figures)
    parts = Parts(
        version=build.version,
        clock=clock,
        clocks=clocks,
        stamp=stamp,
        committer=committer,
        outside=outside,
        stamping=stamping,
        indexing=indexing,
        judge=judge,
        outbox=outbox,
        intake=intake,
        clock_watch=ClockWatch(clock, stamp, clocks, committer),
        sources=make_sources(site, clock, "gateway_crashed" if crashed else "gateway_stopped"),
        projectors=await open_projectors(site, clock, committer, LedgerLookup(lambda: indexing.query, store), stack),
        desks=desks,
        key_desk=key_desk,
        backups=backups,
        restored=RestoredWatch(site.state, site.plan.gateway, committer, stamp),
        health=health,
        opening=opening,
    )
    return join_upkeep(site, store, standing, parts)


def _opening(
    site: Site, committer: Committer, stamp: Stamper, keys: KeyBook, standing: Standing, opened: list[Record]
) -> tuple[list[Record], list[bytes]]:
    """Return the first records of a run, with side objects: its start, keys that enter or end, what comes into force."""
    begun = len(opened)
    changed = key_opening(site, keys, stamp, lambda nth: committer.index_of(begun + nth))
    configured, side_objects = effective(site.plan, site.files, stamp, standing)
    records = [*opened, *changed, *configured]
    for offset, record in enumerate(records):
        standing.apply(committer.index_of(offset), record)
    return records, side_objects


def _committer(
    site: Site, store: SegmentStore, head: StoreHead, sealer: Sealer, clock: SystemClock, carried: Carried
) -> Committer:
    ledger = site.settings.ledger
    return Committer(
        store,
        head,
        origin=ledger.origin,
        sealer=sealer,
        entropy=os_entropy,
        clock=clock,
        carry=carried,
        settings=CommitSettings(commit_ns=ledger.commit_ms * MS_NS, pool_leaves_max=ledger.pool_leaves_max),
    )


def _health(
    site: Site,
    committer: Committer,
    intake: Intake,
    clocks: ClockRecorder,
    stamp: Stamper,
    version: str,
    judge: Judge,
    outside: Outside,
    stamping: Stamping | None,
    keys: KeyBook,
) -> Health:
    health = Health(site.plan, committer, intake, clocks, stamp, stamp.clock, version, judge.readings)
    health.open_conditions = judge.fold.book.open_system
    tell_health(health, outside, stamp.clock, lambda: committer.size)
    health.sections["keys"] = lambda: key_report(keys.standing, outside.publisher.problem)
    if stamping is not None:
        tell_stamping(health, stamping, lambda: committer.size, alone=outside.witnessing is None)
    return health


def _bundles(build: Build, policy: Policy, store: SegmentStore, indexing: Indexing, names: People) -> BundleBuilder:
    """Return the builder of bundles, which name the keys and witnesses of our own policy."""
    facts = {"version": build.version, "commit": build.commit, "sha256": build.sha256}
    stamps = StampFolder(store, indexing)
    return BundleBuilder(
        store,
        lambda: IndexFinder(indexing.query),
        policy,
        facts,
        verifier(),
        stamps,
        page=verifier("verify.html"),
        openings=names.openings,
    )


def verifier(name: str = "verify.py") -> bytes:
    """Return a stand-alone verifier: ``verify.py`` lies in every bundle, ``verify.html`` in those of batches."""
    return package_files("gateway.ledger").joinpath("standalone", name).read_bytes()


def _standing(site: Site, store: SegmentStore, head: StoreHead) -> Standing:
    """Fold the newest segment: its carry holds all that stood before it."""
    size = head.tree.size
    places = {s.id: (s.source, s.address) for s in site.plan.signals.values()}
    standing = Standing(places=places, read_blob=store.read_blob)
    for index, _, content in store.read(segment_of(max(size - 1, 0)), size):
        standing.apply(index, parse_record(content))
    return standing


async def _stamping(
    site: Site,
    store: SegmentStore,
    committer: Committer,
    indexing: Indexing,
    outside: Outside,
    standing: Standing,
    stamp: Stamper,
    stack: AsyncExitStack,
) -> Stamping | None:
    """Return what stamps, None without an authority; the newest anchor of all kinds goes into the next segment's carry."""
    stamping = await open_stamping(site, store, committer, indexing, outside, stamp, stack)

    def note(index: int) -> None:
        standing.anchor = index

    for anchoring in (outside.witnessing, stamping):
        if anchoring is not None:
            anchoring.on_anchor = note
    return stamping


def _found(head: StoreHead, *, crashed: bool) -> dict[str, object]:
    found: dict[str, object] = {}
    if crashed:
        found["unclean"] = True
    if head.torn_bytes:
        found |= {"torn_bytes": head.torn_bytes, "torn_sha256": head.torn_sha256 or ""}
    return found


def _know_repeats(site: Site, standing: Standing, intake: Intake) -> None:
    """Cut the newest committed payloads again: their devices' own repeat keys are known from then on."""
    if not any(standing.payloads.values()):
        return
    from gateway.app.repeats import repeat_keys  # noqa: PLC0415 - paho only where MQTT is configured

    for plan in site.plan.mqtt:
        intake.know(plan.source, repeat_keys(plan, standing.payloads.get(plan.source, ())))


def _judge(
    site: Site,
    committer: Committer,
    stamp: Stamper,
    store: SegmentStore,
    head: StoreHead,
    indexing: Indexing,
    book: BatchBook,
) -> Judge:
    def epochs(files: Mapping[str, bytes], change_set: str) -> Epoch | None:
        loaded = understand(files, change_set=change_set)
        return None if loaded.plan is None else Epoch(loaded.plan, loaded.limit_sets)

    fold = Fold(Epoch(site.plan, site.limit_sets), epochs, book.batches.rolls, store.read_blob)
    fold.batch_notes.append(book.note)
    fold.retired_notes.append(book.retire)
    return Judge(
        fold,
        JudgeSettings(required_sinks=required_sinks(site)),
        committer,
        stamp,
        _readings(indexing, committer),
        book,
        level_at=head.tree.size,
    )


def _readings(indexing: Indexing, committer: Committer) -> Readings:
    """Return the function that reads a stretch of a signal up to the newest head."""

    async def readings(signal: str, from_ns: int, to_ns: int) -> list[ReadingView]:
        size = committer.size
        try:
            async with asyncio.timeout(INDEX_S):
                await indexing.indexed(size)
        except TimeoutError:
            raise Unavailable("the index is behind", remedy="late readings are judged once it is level") from None
        return await asyncio.get_running_loop().run_in_executor(None, read, signal, from_ns, to_ns, size)

    def read(signal: str, from_ns: int, to_ns: int, size: int) -> list[ReadingView]:
        rows = indexing.query.readings(signal, from_ns, to_ns, size)
        records = ((row.entry, parse_record(row.content)) for row in rows)
        return [view_of(index, record) for index, record in records if isinstance(record, Reading)]

    return readings


def _maker(
    settings: MakerSettings, site: Site, judge: Judge, store: SegmentStore, indexing: Indexing, bundles: BundleBuilder
) -> Maker:
    async def level(size: int) -> None:
        await judge.folded(size - 1)  # an event is made of the epoch of its excursion: the fold must have come by it
        await indexing.indexed(size)

    keep = evidence_folder(site).keep
    return Maker(settings, judge.fold, store, lambda: IndexFinder(indexing.query), bundles, keep, level)


def _book(site: Site, stamp: Stamper) -> BatchBook:
    rolls = Rolls(site.settings.batch.pre_roll_s, site.settings.batch.post_roll_s)
    return BatchBook(_batch_settings(site), site.plan.nodes, rolls, stamp)


def _batch_settings(site: Site) -> BatchSettings:
    block = site.settings.batch
    created = frozenset(name for name, adapter in block.adapters.items() if adapter.auto_create)
    return BatchSettings(pairing_window_h=block.pairing_window_h, auto_create=created)


def _maker_settings(site: Site, version: str) -> MakerSettings:
    http = site.settings.http
    return MakerSettings(
        origin=site.settings.ledger.origin,
        build=version,
        url=(http.url or f"https://{http.listen}").rstrip("/"),
        serials=site.serials,
        modes=modes(site),
    )
