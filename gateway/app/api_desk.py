"""API desk: the batch desk as routes ask it, with bodies of the API on one side and bundles on the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from gateway.adapters.http.bodies import BatchEventBody
from gateway.adapters.machine_accounts import MachineAccount
from gateway.domain.batch_event import NodeUse
from gateway.errors import Unavailable
from gateway.ledger.records import ObjectRef
from gateway.pipeline.batch_desk import BatchDesk, Told
from gateway.pipeline.bundles import BundleBuilder, batch_subject
from gateway.pipeline.committer import Committer
from gateway.pipeline.fold import Fold


class ApiDesk:
    """Implements `gateway.adapters.http.desk.BatchDesk`."""

    def __init__(
        self,
        desk: BatchDesk,
        fold: Fold,
        bundles: BundleBuilder,
        committer: Committer,
        indexed: Callable[[int], Awaitable[None]],
        now_ns: Callable[[], int],
        cosigned: Callable[[int], Awaitable[tuple[int, bytes] | None]] | None = None,
    ) -> None:
        self._desk = desk
        self._fold = fold
        self._bundles = bundles
        self._committer = committer
        self._indexed = indexed
        self._now_ns = now_ns
        self._cosigned = cosigned
        self.held: Callable[[], str] = str

    async def record(
        self, batch: str, body: BatchEventBody, key: str, account: MachineAccount, terminal: str
    ) -> tuple[dict[str, Any], bool]:
        """Record one event of a machine account; one that may create batches also starts them unplanned.

        Raises `Unavailable` while the disk is short: the space that is kept back is for other records.
        """
        del terminal
        if self.held():
            raise Unavailable(self.held(), remedy="send the event again with the same key once there is space")
        told = Told(
            act=body.event,
            effective_time=body.effective_time,
            nodes=tuple(NodeUse(node=use.node, use=use.use, room=use.room) for use in body.nodes),
            client=body.client,
            phase=body.phase,
            header=body.header,
            reason=body.reason,
        )
        return await self._desk.record(batch, told, key, account.person, may_create="batch.create" in account.scopes)

    def all(self, *, open_only: bool, node: str | None) -> list[dict[str, Any]]:
        """Return all batches, oldest first."""
        return self._desk.all(open_only=open_only, node=node)

    def show(self, batch: str) -> dict[str, Any] | None:
        """Return one batch, None if there is none."""
        return self._desk.show(batch)

    async def bundle(self, batch: str, account: MachineAccount, terminal: str) -> bytes:
        """Build the bundle of a batch up to the newest head and record that it left."""
        size, note = await self.head()
        await self._indexed(size)
        context = self._fold.batches.batch(batch)
        excursions = [("excursion", shown["excursion"]) for shown in self._fold.excursions_of(context.memberships)]
        deviations = [("deviation", shown["deviation"]) for shown in self._fold.deviations_of(batch)]
        now_ns = self._now_ns()
        subject = batch_subject(
            batch, context.memberships, self._fold.rules_under("").plan, [*excursions, *deviations], now_ns
        )
        loop = asyncio.get_running_loop()
        content = await loop.run_in_executor(None, self._bundles.build, subject, size, note, now_ns)
        await self._desk.exported(ObjectRef(kind="batch", id=batch), account.person, terminal, content)
        return content

    async def head(self) -> tuple[int, bytes]:
        """Return the newest head: with the cosignatures of a quorum where witnesses answer, else sealed by us alone."""
        size, note = self._committer.size, self._committer.checkpoint
        found = None if self._cosigned is None else await self._cosigned(size)
        return (size, note) if found is None else found

    async def refused(self, operation: str, account: str, terminal: str, code: str) -> None:
        """Record a refusal."""
        await self._desk.refused(operation, account, terminal, code)
