"""What can be said of a ledger folder from outside: size, published head and its age, witnesses, bytes, free space."""

from __future__ import annotations

import shutil
from typing import Any

from msgspec import Struct, structs

from gateway.adapters.segment_store.bracket import newest_stamped
from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.adapters.segment_store.halt import read_halt
from gateway.adapters.system_clock import OsClock
from gateway.adapters.witness.status import quorum_size, read_witnesses
from gateway.errors import EvidenceRefused
from gateway.ledger.crypto import verify_line
from gateway.ledger.policy import Policy, parse_policy
from gateway.ledger.witness import cosigners_of

_NS = 1_000_000_000


class LedgerStatus(Struct, frozen=True, kw_only=True):
    """Counts in entries and bytes; ``published_age_s`` None: nothing was published; ``stamped`` 0: no time stamp.

    ``first``: what stands below it was pruned. ``witnesses`` of ``witnesses_asked`` have cosigned the published head; a quorum of them has seen ``witnessed`` entries.
    """

    origin: str
    entries: int
    root: str
    published: int
    published_age_s: int | None
    witnesses: int
    witnesses_asked: int
    ledger_bytes: int
    free_bytes: int
    halted: str | None
    stamped: int = 0
    witnessed: int = 0
    first: int = 0

    def document(self) -> dict[str, Any]:
        """Return the members for JSON."""
        return structs.asdict(self)

    def line(self) -> str:
        """Return ``1,204,331 entries, published 3 s ago, 2 of 2 witnesses``."""
        age = "nothing published" if self.published_age_s is None else f"published {self.published_age_s:,} s ago"
        behind = self.entries - self.published
        waiting = f", {behind:,} not published" if behind and self.published_age_s is not None else ""
        witnesses = f"{self.witnesses} of {self.witnesses_asked} witnesses" if self.witnesses_asked else "no witness"
        if self.witnesses_asked and self.witnessed < self.published:
            witnesses += f", {self.published - self.witnessed:,} without their quorum"
        pruned = f", pruned up to {self.first - 1:,}" if self.first else ""
        stamped = f", time-stamped up to {self.stamped:,}" if self.stamped else ""
        return f"{self.entries:,} entries, {age}{waiting}, {witnesses}{stamped}{pruned}"


def read_status(folder: LedgerFolder) -> LedgerStatus:
    """Return the status of a folder, read without its lock."""
    head, published = folder.head(), folder.published()
    halted = read_halt(folder.layout.halted)
    policy, note = _policy(folder), published.note if published is not None else b""
    age = None
    if published is not None:
        age = max(OsClock().now().wall_ns - folder.layout.checkpoint.stat().st_mtime_ns, 0) // _NS
    return LedgerStatus(
        origin=head.checkpoint.origin if head is not None else "",
        entries=head.checkpoint.size if head is not None else 0,
        root=head.checkpoint.root.hex() if head is not None else "",
        published=published.checkpoint.size if published is not None else 0,
        published_age_s=age,
        witnesses=len(cosigners_of(note, policy, verify_line)),
        witnesses_asked=len(policy.witnesses),
        ledger_bytes=folder.size_bytes(),
        free_bytes=shutil.disk_usage(folder.layout.root).free,
        halted=str(halted.get("cause", "unknown cause")) if halted is not None else None,
        stamped=newest_stamped(folder),
        witnessed=quorum_size(policy, read_witnesses(folder.layout.root)) if policy.witnesses else 0,
        first=folder.reader.first_index(),
    )


def _policy(folder: LedgerFolder) -> Policy:
    """Return the policy of a folder; without a readable one nobody is asked."""
    try:
        return parse_policy(folder.layout.policy.read_text())
    except (FileNotFoundError, EvidenceRefused):
        return Policy(logs=())
