"""Pruning: disposal of what no rule keeps. Recorded, shown to others, and only then removed (`ledger.md` 6, prune).

The record is published, cosigned and time-stamped where witnesses and an authority are configured, before the first file
goes. Where that cannot be had the act ends, and the next one goes on from the record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

import structlog
from msgspec import Struct

from gateway.errors import Refused, Unavailable
from gateway.ledger.records import Gateway, ObjectRef, Record
from gateway.pipeline.audit_log import AuditLog
from gateway.pipeline.prune_plan import Ground, PrunePlan, plan_prune
from gateway.pipeline.stamp import Stamper
from gateway.ports import Disposal, Journal

OPERATION: Final = "ledger.prune"
REASON_CHARS_MIN: Final = 4
_NOT_PERMITTED: Final = "ACC-002"
NEXT: Final = "wait until that day, or change the rule that says so by an approved change set"

_log = structlog.get_logger(component="pruning")


class PruneGround(Protocol):
    """What is known of the ledger, its batches and what is not done; complete up to the newest record, or an error."""

    async def ground(self) -> Ground:
        """Return it."""
        ...

    async def decided(self) -> tuple[int, int] | None:
        """Return (stop, index) of the newest ``pruned`` record whose files are not all gone yet, None if there is none."""
        ...

    def explaining(self) -> tuple[Sequence[Record], Sequence[bytes]]:
        """Return the records of the configuration in force, written again, and their side objects."""
        ...

    def judged(self) -> int:
        """Return below which index everything has been judged; raise `Unavailable` while that is not level."""
        ...


class PruneSettings(Struct, frozen=True):
    """Who we are; ``development``: no signature can be asked for, and the record says so."""

    gateway: str
    development: bool


class Pruning:
    """One act at a time. ``covered``: size → why the world has not seen it yet, "" when it has; ``on_removed``: files are gone."""

    def __init__(
        self,
        settings: PruneSettings,
        ground: PruneGround,
        disposal: Disposal,
        journal: Journal,
        stamp: Stamper,
        audits: AuditLog,
        covered: Callable[[int], Awaitable[str]],
        alone: asyncio.Lock,
        on_removed: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._ground = ground
        self._disposal = disposal
        self._journal = journal
        self._stamp = stamp
        self._audits = audits
        self._covered = covered
        self._alone = alone
        self._on_removed = on_removed

    async def prune(self, person: str, terminal: str, reason: str | None, *, dry_run: bool) -> dict[str, Any]:
        """Dispose of what may go; raise `Refused` RET-001 where nothing may, `Unavailable` where others must see it first."""
        if not self._settings.development:
            raise Refused(
                "disposal needs the signatures of two people, and this version cannot take them",
                code=_NOT_PERMITTED,
                remedy="keep the records; a later version takes the signatures",
            )
        if not dry_run:
            _need_reason(reason)
        async with self._alone:
            decided = await self._ground.decided()
            if decided is None or dry_run:
                plan = plan_prune(await self._ground.ground())
                if plan.stop <= plan.first:
                    raise Refused(f"{plan.why}; nothing removed", code="RET-001", remedy=NEXT)
                if dry_run:
                    return {**_told(plan.first, plan.stop), "batches": list(plan.batches), "stays": plan.why}
                decided = await self._record(plan, person, terminal, reason)
            return await self._remove(*decided)

    async def _record(self, plan: PrunePlan, person: str, terminal: str, reason: str | None) -> tuple[int, int]:
        """Write what goes, by which rules, and who asked; return (stop, index) of the record once it is durable."""
        judged = self._ground.judged()
        root = await asyncio.to_thread(self._disposal.root_at, plan.stop)
        explaining, side_objects = self._ground.explaining() if plan.explains else ((), ())
        facts: dict[str, Any] = {
            "approval": "off",
            "batches": list(plan.batches),
            "count": plan.stop - plan.first,
            "first": plan.first,
            "judged": judged,
            "last": plan.stop - 1,
            "person": person,
            "policy": plan.policy,
            "root": root.hex(),
            "signatures": 0,
        }
        pruned = Gateway(
            **self._stamp(), event="pruned", gateway=self._settings.gateway, run=self._stamp.run, facts=facts
        )
        audit = self._audits.record(
            person,
            OPERATION,
            ObjectRef(kind="ledger", id=f"{plan.first}..{plan.stop - 1}"),
            terminal,
            reason=reason,
            facts={"batches": len(plan.batches), "policy": plan.policy},
        )
        index = self._journal.index_of(len(explaining))
        self._journal.append([*explaining, pruned, audit], side_objects=side_objects, urgent=True)
        await self._journal.committed(index + 1)
        _log.warning("ledger.pruned", error=f"records {plan.first:,}..{plan.stop - 1:,} are to go", remedy=plan.policy)
        return plan.stop, index

    async def _remove(self, stop: int, record: int) -> dict[str, Any]:
        why = await self._covered(record + 1)
        if why:
            raise Unavailable(
                f"recorded as {record:,}, nothing removed: {why}", remedy="ask again: it goes on from that record"
            )
        first = self._disposal.first_index()
        freed = await asyncio.to_thread(self._disposal.remove, stop, record)
        self._on_removed()
        _log.info("ledger.removed", first=first, stop=stop, record=record, bytes=freed)
        return {**_told(first, stop), "record": record, "bytes": freed}


def _need_reason(reason: str | None) -> None:
    if reason is None or len(reason.strip()) < REASON_CHARS_MIN:
        raise Refused("a reason is needed: write why", code="SIG-006", remedy="give --reason TEXT")


def _told(first: int, stop: int) -> dict[str, Any]:
    return {"first": first, "last": stop - 1, "count": stop - first}
