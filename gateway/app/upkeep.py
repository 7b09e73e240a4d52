"""Upkeep: what looks after the ledger on disk beside the commits: space, sealing of segments, scrub, disposal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.adapters.segment_store.pack_process import PackProcess
from gateway.adapters.segment_store.scrub_process import ScrubProcess
from gateway.adapters.segment_store.store import SegmentStore
from gateway.adapters.telemetry import Figure
from gateway.app.indexing import Indexing
from gateway.app.prune_ground import LedgerGround
from gateway.app.site import Site
from gateway.app.zone import PlantZone
from gateway.ledger.records import Gateway, parse_record
from gateway.pipeline.committer import Committer
from gateway.pipeline.disk_gate import DiskGate
from gateway.pipeline.disk_watch import DiskWatch
from gateway.pipeline.pruning import PruneSettings, Pruning
from gateway.pipeline.scrubbing import EVENT, Scrubbing, ScrubSettings
from gateway.pipeline.sealing import Sealing
from gateway.pipeline.standing import Standing

if TYPE_CHECKING:
    from gateway.app.parts import Parts
    from gateway.app.witnesses import Outside
    from gateway.pipeline.stamping import Stamping

MB_SHIFT = 20
NS = 1_000_000_000
STAMP_S = 60
"""How long a disposal waits for the time stamp over its record."""


@dataclass(frozen=True, slots=True)
class Upkeep:
    """One for a run. ``gate`` stands in front of the intake."""

    gate: DiskGate
    disk_watch: DiskWatch
    sealing: Sealing
    scrubbing: Scrubbing
    pruning: Pruning

    def tasks(self) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        """Return what runs beside the committer, by name; the disk first of all."""
        return [("disk", self.disk_watch.run), ("sealing", self.sealing.run), ("scrub", self.scrubbing.run)]


def make_upkeep(site: Site, store: SegmentStore, standing: Standing, parts: Parts) -> Upkeep:
    """Put together what looks after the ledger; nothing runs yet."""
    gate, gateway, held = DiskGate(parts.intake), site.plan.gateway, store.upkeep
    committer, indexing, stamp = parts.committer, parts.indexing, parts.stamp
    ground = LedgerGround(site, store, indexing, committer, parts.judge, parts.outbox, standing, stamp)
    ground.projectors = parts.projectors
    alone = asyncio.Lock()
    disk_watch = DiskWatch(
        held,
        site.settings.ledger.disk_reserve_mb << MB_SHIFT,
        gate,
        committer.figures,
        committer,
        stamp,
        gateway,
        committer.halt,
        # a broker keeps what is not acknowledged; an OPC UA server keeps little of what is not fetched
        waitless=[plan.source for plan in site.plan.opcua],
    )
    zone = PlantZone(site.plan.zone)
    settings = ScrubSettings(gateway, lambda at_ns: zone.offset_s(at_ns) * NS)
    scrubbing = Scrubbing(
        settings, ScrubProcess(store.layout.root), committer, stamp, lambda: last_scrub(store, indexing, committer)
    )
    sealing = Sealing(PackProcess(held, alone, indexing.release), committer.figures, scrubbing.damaged)
    pruning = Pruning(
        PruneSettings(gateway, site.development),
        ground,
        held,
        committer,
        stamp,
        parts.desks.audits,
        lambda size: covered(parts.outside, parts.stamping, size),
        alone,
        indexing.release,
    )
    return Upkeep(gate, disk_watch, sealing, scrubbing, pruning)


async def covered(outside: Outside, stamping: Stamping | None, size: int) -> str:
    """Return why others have not seen a tree of ``size`` yet, "" when all have whom the configuration names."""
    await outside.publisher.now()
    if outside.publisher.published < size:
        return "its checkpoint is not published yet"
    if outside.covering is not None and await outside.covering(size) is None:
        return "no quorum of witnesses has cosigned it yet"
    if stamping is not None:
        for _ in range(STAMP_S):
            if stamping.standing.anchored >= size:
                return ""
            await asyncio.sleep(1)
        return "no time stamp covers it yet"
    return ""


async def last_scrub(store: SegmentStore, indexing: Indexing, committer: Committer) -> tuple[int, int] | None:
    """Return when the newest nightly scrub was recorded (ns) and which night it was, None if there was none."""
    size = committer.size
    await indexing.indexed(size)
    return await asyncio.to_thread(_newest_scrub, store, indexing, size)


def _newest_scrub(store: SegmentStore, indexing: Indexing, size: int) -> tuple[int, int] | None:
    while (found := indexing.query.newest_event("gateway", EVENT, size)) is not None:
        for _, _, content in store.read(found.entry, found.entry + 1):
            record = parse_record(content)
            if isinstance(record, Gateway) and isinstance(record.facts, dict) and "night" in record.facts:
                return record.at_ns, record.facts["night"]
        size = found.entry
    return None


def join_upkeep(site: Site, store: SegmentStore, standing: Standing, parts: Parts) -> Parts:
    """Return the parts joined: tell pages, probes and desks of the ledger's state on disk; let all who follow the ledger begin where it begins."""
    upkeep = parts.upkeep = make_upkeep(site, store, standing, parts)
    health = parts.health
    first = store.reader.first_index()
    parts.judge.begin_at(first)
    parts.outbox.rebuild((), first)
    for projector in parts.projectors.values():
        projector.begins_at = first
    health.held = parts.desks.batches.held = lambda: upkeep.disk_watch.held
    health.sections["disk"] = lambda: {
        "spare_bytes": upkeep.disk_watch.spare_bytes,
        "held": upkeep.disk_watch.held,
        "segments_packed": upkeep.sealing.standing.packed,
        "not_packed": upkeep.sealing.standing.problem,
        "first_index": store.reader.first_index(),
    }
    health.sections["scrub"] = upkeep.scrubbing.report
    health.more.append(lambda: upkeep_figures(upkeep))
    return parts


def upkeep_figures(upkeep: Upkeep) -> Iterable[Figure]:
    """Yield the metrics of space, sealing and scrub (`interface.md` 6)."""
    sealing, scrub, spare = upkeep.sealing.standing, upkeep.scrubbing.standing, upkeep.disk_watch.spare_bytes
    yield Figure("disk_free_bytes", "Space free for the ledger", "gauge", {"": float(spare)})
    yield Figure("segments_packed", "Segments sealed in this run", "counter", {"": float(sealing.packed)})
    yield Figure("scrub_findings", "Damaged files found in this run", "counter", {"": float(scrub.findings)})
    yield Figure("scrub_files", "Files read again in this run", "counter", {"": float(scrub.files)})
