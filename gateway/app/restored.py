"""What a restore left for the gateway: the record of it at the next start, of a drill while it runs; and a refusal to go on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from gateway.adapters.segment_store.disk import Disk
from gateway.adapters.segment_store.durable import write_durably
from gateway.errors import LedgerDoubt
from gateway.ledger.records import Gateway
from gateway.pipeline.stamp import Stamper
from gateway.pipeline.witness_exchange import ROLLBACK_REMEDY
from gateway.ports import Journal

FILE: Final = "restored.json"
LOOK_S: Final = 30.0


class Restored(Struct, frozen=True, kw_only=True):
    """One restore or drill: from what, to which head, what the witnesses said; ``rollback``: why nothing may be appended.

    ``failed``: why a drill failed; then there is no head.
    """

    at_ns: int
    source: str
    folder: str
    made_ns: int
    size: int
    root: str
    check: bool
    verified: str
    witnesses: list[str] = []
    rollback: str = ""
    failed: str = ""


def leave(state: Path, restored: Restored) -> None:
    """Leave it for the gateway that runs there, or will; a drill never hides a restore that waits for its record."""
    before = read_left(state)
    if restored.check and before is not None and not before.check:
        return
    state.mkdir(parents=True, exist_ok=True, mode=0o750)
    write_durably(Disk(), state / FILE, msgspec.json.encode(restored) + b"\n", 0o600)


def read_left(state: Path) -> Restored | None:
    """Return what was left, None if nothing was."""
    try:
        return msgspec.json.decode((state / FILE).read_bytes(), type=Restored)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def refuse_rolled_back(state: Path) -> None:
    """Raise `LedgerDoubt` where a witness had seen more than was restored: nothing is appended until an approver decides."""
    left = read_left(state)
    if left is not None and left.rollback and not left.check:
        raise LedgerDoubt(left.rollback, remedy=ROLLBACK_REMEDY)


class RestoredWatch:
    """Makes the record of what was left, then removes it; `run` looks until cancelled."""

    def __init__(self, state: Path, gateway: str, journal: Journal, stamp: Stamper) -> None:
        self._state = state
        self._gateway = gateway
        self._journal = journal
        self._stamp = stamp

    async def run(self) -> None:
        """Look at once, then every half minute."""
        while True:
            left = await asyncio.to_thread(read_left, self._state)
            if left is not None:
                index = self._journal.append([self._record(left)])
                await self._journal.committed(index)
                (self._state / FILE).unlink(missing_ok=True)
            await asyncio.sleep(LOOK_S)

    def _record(self, left: Restored) -> Gateway:
        facts: dict[str, Any] = {
            "at_ns": left.at_ns,
            "drill": left.check,
            "folder": left.folder,
            "made_ns": left.made_ns,
            "root": left.root,
            "size": left.size,
            "source": left.source,
            "verified": left.verified,
        }
        facts |= {"witnesses": left.witnesses} if left.witnesses else {}
        facts |= {"rollback": left.rollback} if left.rollback else {}
        facts |= {"failed": left.failed} if left.failed else {}
        facts = dict(sorted(facts.items()))
        code = "drill_failed" if left.failed else "drill" if left.check else "restored"
        return Gateway(
            **self._stamp(), event="restore", gateway=self._gateway, run=self._stamp.run, code=code, facts=facts
        )
