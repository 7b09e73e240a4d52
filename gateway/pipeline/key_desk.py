"""Key desk: enters, replaces and revokes keys of a running gateway, and retires what was replaced once its overlap is over.

Each act is a `key` record and an `audit` record in one frame (`ledger.md` 4, rotation). A key counts from a size a little
above its record: what is signed about it names that size, and records go on coming while a token signs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import structlog
from msgspec import structs

from gateway.domain.times import format_time
from gateway.errors import Refused, Unavailable
from gateway.ledger.note import format_vkey, parse_vkey
from gateway.ledger.records import Key, ObjectRef, Record
from gateway.pipeline.audit_log import AuditLog
from gateway.pipeline.key_book import KeyBook
from gateway.pipeline.key_standing import LogKey
from gateway.ports import Journal, Stamp, SystemClock
from gateway.ports.keys import KeyPlace, Signer

DAY_S: Final = 86_400
OVERLAP_S_MIN: Final = 7 * DAY_S
OVERLAP_S_MAX: Final = 365 * DAY_S
AHEAD: Final = (16, 128, 1_024, 8_192, 65_536)
"""Entries between a key record and the size it counts from; the next where signing took longer than one lasts."""
LOOK_S: Final = 60.0
REASON_CHARS_MIN: Final = 4
_NS: Final = 1_000_000_000
_NOT_PERMITTED: Final = "ACC-002"
_REASON: Final = "SIG-006"
_log = structlog.get_logger(component="keys")


class KeyDesk:
    """One for a run. ``adopt`` is called after each change: it brings the policy up to date and publishes.

    Until people can sign, a key change is open in a development ledger alone; its audit record says that nobody approved it.
    """

    def __init__(
        self,
        book: KeyBook,
        places: Mapping[str, KeyPlace],
        journal: Journal,
        stamp: Stamp,
        clock: SystemClock,
        audits: AuditLog,
        adopt: Callable[[], Awaitable[None]],
        *,
        development: bool,
    ) -> None:
        self._book = book
        self._places = places
        self._journal = journal
        self._stamp = stamp
        self._clock = clock
        self._audits = audits
        self._adopt = adopt
        self._development = development
        self._one = asyncio.Lock()

    async def run(self) -> None:
        """Retire keys whose overlap is over, until cancelled."""
        while True:
            await self.retire_due()
            await asyncio.sleep(LOOK_S)

    async def rotate(
        self, purpose: str, overlap_s: int, person: str, terminal: str, reason: str | None, *, dry_run: bool
    ) -> dict[str, Any]:
        """Enter a new key; the one in force, if any, goes on beside it for the overlap. Raises `Refused` (1).

        A key that lies in the place and that no record has named is taken; else one is made there.
        """
        self._need_permission()
        place = self._place(purpose)
        _need_reason(reason)
        async with self._one:
            elder = self._to_replace(purpose, overlap_s)
            replaced = {} if elder is None else {"replaces": str(elder.key), "overlap_s": overlap_s}
            if dry_run:
                return {"purpose": purpose, "where": place.where, "dry_run": True, **replaced}
            loop = asyncio.get_running_loop()
            signer = await loop.run_in_executor(None, self._take, place)
            self._book.add(signer)
            record = await self._signed(
                lambda size: self._book.enter(self._stamp, signer, purpose, size, elder, overlap_s)
            )
            self._book.standing.apply(record)
            self._book.settle()  # the frame that holds the record bears both lines
            index = await self._record("key.rotate", record, person, terminal, reason)
            shown: dict[str, Any] = {"purpose": purpose, "key": format_vkey(signer.key), "from_size": record.from_size}
            if elder is not None:
                shown |= replaced | {"retires": format_time(record.at_ns + overlap_s * _NS)}
            return {**shown, "where": place.where, "dry_run": False, "ledger_index": index}

    async def revoke(
        self, purpose: str, key_id: str | None, to_size: int, person: str, terminal: str, reason: str, *, dry_run: bool
    ) -> dict[str, Any]:
        """End a key for every tree larger than ``to_size``. Raises `Refused` (1)."""
        self._need_permission()
        _need_reason(reason)
        async with self._one:
            one = self._to_revoke(purpose, key_id)
            if not 0 <= to_size < min(one.to_size, self._journal.next_index + 1):
                raise Refused(
                    f"{one.key} cannot end at size {to_size:,}",
                    remedy="give a size that was cosigned and time-stamped before the doubt: gateway ledger status",
                )
            shown = {"purpose": purpose, "key": str(one.key), "to_size": to_size}
            if dry_run:
                return {**shown, "dry_run": True}
            record = await self._ended("revoked", one, to_size)
            self._book.standing.apply(record)
            self._book.settle()
            index = await self._record("key.revoke", record, person, terminal, reason)
            return {**shown, "dry_run": False, "ledger_index": index}

    async def retire_due(self) -> None:
        """Retire every key whose overlap is over and that another one replaces."""
        now_ns = self._clock.now().wall_ns
        async with self._one:
            for one in self._book.standing.all():
                due = one.in_force and 0 < one.retire_ns <= now_ns
                if due and len(self._book.standing.in_force(one.purpose)) > 1:
                    record = await self._ended("retired", one, self._journal.index_of(0))
                    self._book.standing.apply(record)
                    index = self._journal.append([record], urgent=True)
                    await self._journal.committed(index)
                    self._book.settle()
                    await self._adopt()
                    _log.info("key.retired", key=str(one.key), to_size=record.to_size)

    def _need_permission(self) -> None:
        if not self._development:
            raise Refused(
                "a key change needs an approver's signature, and this version cannot take one",
                code=_NOT_PERMITTED,
                remedy="keys change in a development ledger alone until people can sign",
            )

    def _place(self, purpose: str) -> KeyPlace:
        if purpose not in self._places:
            raise Refused(
                f"keys.{purpose} is not configured", remedy="name a file or a token in gateway.yaml and start again"
            )
        return self._places[purpose]

    def _to_replace(self, purpose: str, overlap_s: int) -> LogKey | None:
        """Return the key that a new one replaces, None where none is in force."""
        if not OVERLAP_S_MIN <= overlap_s <= OVERLAP_S_MAX:
            raise Refused(
                f"an overlap of {overlap_s / DAY_S:g} days is not between 7 and 365",
                remedy="witnesses and clients need the days to take the new key; a key in doubt is revoked instead",
            )
        in_force = self._book.standing.in_force(purpose)
        if len(in_force) > 1:
            raise Refused(
                f"two {purpose} keys are in force already: {' and '.join(str(one.key) for one in in_force)}",
                remedy="wait until the older one is retired, or revoke one",
            )
        return in_force[0] if in_force else None

    def _to_revoke(self, purpose: str, key_id: str | None) -> LogKey:
        known = self._book.standing.all(purpose) if key_id else self._book.standing.in_force(purpose)
        found = [one for one in known if key_id is None or one.key.key_id.hex() == key_id]
        if len(found) != 1:
            names = ", ".join(str(one.key) for one in known) or "none"
            raise Refused(f"name one {purpose} key of {names}", remedy="give its 8 hex digits with --id")
        if purpose == "seal" and not [one for one in self._book.signers("seal") if one.key != found[0].key]:
            raise Refused(
                f"{found[0].key} is the only key that can seal", remedy="first: gateway keys rotate --key seal"
            )
        return found[0]

    def _take(self, place: KeyPlace) -> Signer:
        spare = self._book.spare(place.signers())
        return place.create() if spare is None else spare

    async def _signed(self, make: Callable[[int], Key]) -> Key:
        """Return a record about a size that is still ahead once all have signed it."""
        loop = asyncio.get_running_loop()
        for ahead in AHEAD:
            record = await loop.run_in_executor(None, make, self._journal.index_of(0) + ahead)
            if self._journal.index_of(0) < record.from_size:
                return structs.replace(record, **self._stamp())
        raise Unavailable("records came faster than the key could sign", remedy="try again when less is coming in")

    async def _ended(self, event: str, one: LogKey, to_size: int) -> Key:
        loop = asyncio.get_running_loop()
        record = await loop.run_in_executor(None, self._book.end, self._stamp, event, one, to_size)
        return structs.replace(record, **self._stamp())

    async def _record(self, operation: str, record: Key, person: str, terminal: str, reason: str | None) -> int:
        subject = ObjectRef(kind="key", id=str(parse_vkey(record.key)))
        facts = {"approved": False}  # an approver's signature joins here
        audit = self._audits.record(person, operation, subject, terminal, reason=reason, facts=facts)
        records: list[Record] = [record, audit]
        index = self._journal.append(records, urgent=True)
        await self._journal.committed(index + len(records) - 1)
        await self._adopt()
        _log.info("key.changed", operation=operation, key=subject.id, index=index)
        return index


def _need_reason(reason: str | None) -> None:
    if reason is None or len(reason.strip()) < REASON_CHARS_MIN:
        raise Refused("a reason is needed: write what happened", code=_REASON, remedy="give --reason TEXT")
