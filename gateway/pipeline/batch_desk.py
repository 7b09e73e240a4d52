"""Batch desk: takes batch events of machines, one after the other, and answers when they are durable and folded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from gateway.domain.batch import Batches
from gateway.domain.batch_event import BatchEvent, Judged, NodeUse
from gateway.domain.batch_states import BatchAct
from gateway.domain.membership import Membership
from gateway.domain.plan import Plan
from gateway.domain.times import format_time, parse_time
from gateway.ledger.records import ObjectRef
from gateway.pipeline.audit_log import AuditLog
from gateway.pipeline.batch_book import BatchBook, Beside
from gateway.pipeline.stamp import Stamper
from gateway.ports import Journal

ADAPTER = "rest"
REMOTE_TERMINAL = "control.sock"


class Told(Struct, frozen=True, kw_only=True):
    """A batch event as a machine tells it; texts as received."""

    act: str
    effective_time: str | None = None
    nodes: tuple[NodeUse, ...] = ()
    client: str | None = None
    phase: str | None = None
    header: Mapping[str, Any] = {}
    reason: str | None = None


class Folded(Protocol):
    """The fold of the ledger that knows the batches."""

    @property
    def batches(self) -> Batches:
        """Batches as far as the fold is."""
        ...

    def excursions_of(self, memberships: Sequence[Membership]) -> list[dict[str, Any]]:
        """Return the excursions that meet these intervals on their places."""
        ...

    def deviations_of(self, batch: str) -> list[dict[str, Any]]:
        """Return the deviations that name a batch, with their QMS record ids."""
        ...


class BatchDesk:
    """An event is judged against everything that was appended before it, and answered when it is durable and folded."""

    def __init__(
        self,
        plan: Plan,
        book: BatchBook,
        fold: Folded,
        folded: Callable[[int], Awaitable[None]],
        journal: Journal,
        stamp: Stamper,
        audits: AuditLog,
    ) -> None:
        self._plan = plan
        self._book = book
        self._fold = fold
        self._folded = folded
        self._journal = journal
        self._stamp = stamp
        self._audits = audits

    async def record(
        self, batch: str, told: Told, key: str, account: str, *, may_create: bool
    ) -> tuple[dict[str, Any], bool]:
        """Record one event; return the answer and whether it repeats an earlier one. Raises `Refused` (BAT-…)."""
        await self._book.ready()
        event = self._event(batch, told, key, self._stamp()["at_ns"])
        facts: dict[str, Any] = {"body_sha256": sha256(msgspec.json.encode(told)).hexdigest()}
        if told.reason:
            facts["told_reason"] = told.reason
        beside = Beside(account=account, facts=facts, may_create=may_create)
        verdict = self._book.judge(event, beside, self._journal.index_of)
        if verdict.records:
            self._journal.append(verdict.records, urgent=True)
        await self._folded(verdict.index + max(0, len(verdict.records) - 1))
        return self._answer(batch, verdict.judged, verdict.index), not verdict.records

    async def refused(self, operation: str, account: str, terminal: str, code: str) -> None:
        """Record that somebody was not permitted to do something; recorded, not waited for."""
        subject = ObjectRef(kind="api", id=operation)
        self._journal.append([self._audits.record(account, operation, subject, terminal, f"refused:{code}")])

    async def exported(self, subject: ObjectRef, account: str, terminal: str, content: bytes) -> None:
        """Record an export with the hash of what left the box."""
        facts = {"bundle_bytes": len(content), "bundle_sha256": sha256(content).hexdigest()}
        audit = self._audits.record(account, "bundle.export", subject, terminal, facts=facts)
        index = self._journal.append([audit], urgent=True)
        await self._journal.committed(index)

    def all(self, *, open_only: bool, node: str | None) -> list[dict[str, Any]]:
        """Return all batches, oldest first."""
        found = [
            self._shown(context.batch)
            for context in self._fold.batches.batches()
            if (context.open or not open_only) and (node is None or any(m.node == node for m in context.memberships))
        ]
        return sorted(found, key=lambda shown: (shown["from"] or "", shown["batch"]))

    def show(self, batch: str) -> dict[str, Any] | None:
        """Return one batch with its memberships, excursions and deviations; None if there is none."""
        context = self._fold.batches.batch(batch)
        if not context.told and not context.pending and not context.conflicts:
            return None
        return {
            **self._shown(batch),
            "excursions": self._fold.excursions_of(context.memberships),
            "deviations": self._fold.deviations_of(batch),
            "pending": len(context.pending),
            "conflicts": len(context.conflicts),
        }

    def _shown(self, batch: str) -> dict[str, Any]:
        context = self._fold.batches.batch(batch)
        return {
            "batch": batch,
            "state": context.state.value,
            "client": context.client,
            "header": context.header,
            "from": _time(context.started_ns),
            "to": _time(context.ended_ns),
            "revision": context.revision,
            "nodes": [
                {
                    "node": m.node,
                    "use": m.use,
                    "room": m.room,
                    "from": format_time(m.from_ns),
                    "to": _time(m.to_ns),
                    "withdrawn": m.withdrawn,
                }
                for m in context.memberships
            ],
            "phases": [{"phase": span.phase, "from": format_time(span.from_ns)} for span in context.phases],
        }

    def _event(self, batch: str, told: Told, key: str, now_ns: int) -> BatchEvent:
        return BatchEvent(
            batch=batch,
            act=BatchAct(told.act),
            effective_ns=now_ns if told.effective_time is None else parse_time(told.effective_time),
            recorded_ns=now_ns,
            key=key,
            adapter=ADAPTER,
            client=told.client,
            nodes=told.nodes,
            phase=told.phase,
            header={name: str(value) for name, value in told.header.items()},
        )

    def _answer(self, batch: str, judged: Judged, index: int | None) -> dict[str, Any]:
        return {
            "batch": batch,
            "event": judged.event.act.value,
            "effect": judged.effect,
            "effective_time": format_time(judged.event.effective_ns),
            "state": self._fold.batches.batch(batch).state.value,
            "ledger_index": index,
            **({"remark": judged.remark} if judged.remark else {}),
        }


def _time(at_ns: int | None) -> str | None:
    return None if at_ns is None else format_time(at_ns)
