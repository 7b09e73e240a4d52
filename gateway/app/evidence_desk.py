"""Evidence desk: the bundle that an event names by its hash; one that is missing is made again from the ledger."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import structlog

from gateway.adapters.machine_accounts import MachineAccount
from gateway.app.bundle_desk import BundleDesk
from gateway.app.evidence import EvidenceFolder
from gateway.ledger.records import Delivery, Deviation, ObjectRef, Record
from gateway.pipeline.batch_desk import BatchDesk
from gateway.pipeline.event_maker import Maker
from gateway.pipeline.outbox_fold import OutboxFold, stored_request

_log = structlog.get_logger(component="evidence")


class EvidenceDesk:
    """Implements `gateway.adapters.http.desk.EvidenceDesk`."""

    def __init__(
        self,
        folder: EvidenceFolder,
        fold: OutboxFold,
        maker: Maker,
        records: Callable[[str], Awaitable[Sequence[tuple[int, Record]]]],
        desk: BatchDesk,
        exports: BundleDesk,
    ) -> None:
        self._exports = exports
        self._folder = folder
        self._fold = fold
        self._maker = maker
        self._records = records
        self._desk = desk

    async def bundle(self, digest: str, account: MachineAccount, terminal: str) -> bytes | None:
        """Return the bundle whose SHA-256 begins with ``digest`` (8 or 64 hex digits); that it left is an `audit` record."""
        content = self._folder.find(digest)
        if content is None:
            content = await self._again(digest)
        if content is not None:
            subject = ObjectRef(kind="evidence", id=digest)
            await self._desk.exported(subject, account.person, terminal, content)
        return content

    async def excursion(self, excursion: str, account: MachineAccount, terminal: str) -> bytes | None:
        """Return the bundle of an excursion, None if there is none of that id."""
        return await self._exports.excursion(excursion, account.person, terminal)

    async def readings(
        self, signals: Sequence[str], from_ns: int, to_ns: int, account: MachineAccount, terminal: str
    ) -> bytes:
        """Return the bundle of signals over a stretch of time."""
        return await self._exports.readings(signals, from_ns, to_ns, account.person, terminal)

    async def _again(self, digest: str) -> bytes | None:
        """Find the event that names the bundle, newest first, and make the bundle of its deviation record again."""
        named = f"/evidence/{digest[:8]}.zip".encode()
        lanes = dict.fromkeys(
            shipment.lane
            for fold in self._fold.sinks.values()
            for shipment in sorted(fold.shipments.values(), key=lambda one: -one.index)
        )
        for lane in lanes:
            records = await self._records(lane)
            told = [one for _, one in records if isinstance(one, Delivery) and one.event == "prepared"]
            versions = {one.object.version for one in told if named in (stored_request(one)[0] or b"")}
            for index, record in records:
                if isinstance(record, Deviation) and record.revision in versions:
                    await self._maker.make_evidence(index, record)
                    content = self._folder.find(digest)
                    if content is not None:
                        _log.info("evidence.made_again", deviation=lane, revision=record.revision)
                        return content
        return None
