"""Desks: what routes and commands ask, one desk for each thing they ask about."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.adapters.machine_accounts import MachineAccounts
from gateway.adapters.segment_store.store import SegmentStore
from gateway.app.api_desk import ApiDesk
from gateway.app.bundle_desk import BundleDesk
from gateway.app.condition_desk import ConditionDesk
from gateway.app.evidence import EvidenceFolder
from gateway.app.evidence_desk import EvidenceDesk
from gateway.app.indexing import Indexing
from gateway.app.linked import Linked
from gateway.app.site import Site
from gateway.pipeline.audit_log import AuditLog
from gateway.pipeline.batch_book import BatchBook
from gateway.pipeline.batch_desk import BatchDesk
from gateway.pipeline.bundles import BundleBuilder
from gateway.pipeline.committer import Committer
from gateway.pipeline.delivery_desk import DeliveryDesk
from gateway.pipeline.event_maker import Maker
from gateway.pipeline.judge import Judge
from gateway.pipeline.outbox import Outbox
from gateway.pipeline.stamp import Stamper

Covering = Callable[[int], Awaitable[tuple[int, bytes] | None]]
"""Size → the newest cosigned checkpoint that covers it, if any."""


@dataclass(frozen=True, slots=True)
class Desks:
    """One for a run."""

    batches: ApiDesk
    deliveries: DeliveryDesk
    conditions: ConditionDesk
    evidence: EvidenceDesk
    audits: AuditLog


def evidence_folder(site: Site) -> EvidenceFolder:
    """Return the folder of the bundles that events name."""
    return EvidenceFolder(site.state / "evidence")


def make_desks(
    site: Site,
    version: str,
    committer: Committer,
    stamp: Stamper,
    store: SegmentStore,
    indexing: Indexing,
    judge: Judge,
    book: BatchBook,
    bundles: BundleBuilder,
    outbox: Outbox,
    maker: Maker,
    covering: Covering | None,
) -> Desks:
    """Put the desks together; all of them write their acts with one audit log."""
    accounts = MachineAccounts(site.state / "machines.json")
    audits, clock, fold = AuditLog(site.plan.zone, stamp, version, accounts.name_of), stamp.clock, judge.fold
    linked = Linked(indexing, store, committer)
    desk = BatchDesk(site.plan, book, fold, judge.folded, committer, stamp, audits)
    batches = ApiDesk(desk, fold, bundles, committer, indexing.indexed, lambda: clock.now().wall_ns, covering)
    exports = BundleDesk(desk, fold, bundles, batches.head, indexing.indexed, lambda: clock.now().wall_ns)
    return Desks(
        batches=batches,
        deliveries=DeliveryDesk(outbox, committer, stamp, clock, audits, linked.deviation, linked.proven),
        conditions=ConditionDesk(fold),
        evidence=EvidenceDesk(evidence_folder(site), outbox.fold, maker, linked.deviation, desk, exports),
        audits=audits,
    )
