"""What files say of our witnesses: size and age of each one's newest cosignature, refusals, and what the quorum has seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from msgspec import Struct, structs

from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.adapters.system_clock import OsClock
from gateway.adapters.witness.memory import MemoryFolder
from gateway.errors import EvidenceRefused
from gateway.ledger.checkpoint import parse_checkpoint
from gateway.ledger.crypto import verify_line
from gateway.ledger.note import VerifyKey, open_note
from gateway.ledger.policy import Policy, parse_policy
from gateway.ledger.witness import cosigned_second

STALE_S: Final = 60
_NS: Final = 1_000_000_000


class WitnessStatus(Struct, frozen=True, kw_only=True):
    """One witness: the size it cosigned last (0: none), seconds since then, refusals by code, and the last thing it said."""

    name: str
    size: int
    age_s: int | None
    behind: int
    refusals: dict[str, int]
    said: str
    stale: bool

    def document(self) -> dict[str, Any]:
        """Return the members for JSON."""
        return structs.asdict(self)

    def line(self) -> str:
        """Return ``hq 1,204,331 4 s``."""
        if self.age_s is None:
            return f"{self.name} never cosigned" + (f": {self.said}" if self.said else "")
        codes = ", ".join(f"{count:,} x {code}" for code, count in sorted(self.refusals.items()))
        behind = f", {self.behind:,} published entries not seen" if self.behind else ""
        refused = f", refused {codes}: {self.said}" if codes and self.said else ""
        return f"{self.name} {self.size:,} {self.age_s:,} s{behind}{refused}"


def read_witnesses(ledger: Path) -> list[WitnessStatus]:
    """Return the witnesses of `keys/policy`, in its order; none without a policy."""
    folder = LedgerFolder(ledger)
    try:
        policy = parse_policy(folder.layout.policy.read_text())
    except (FileNotFoundError, EvidenceRefused):
        return []
    head = folder.published()
    published = 0 if head is None else head.checkpoint.size
    now_s = OsClock().now().wall_ns // _NS
    memory = MemoryFolder(ledger.parent / "state")
    found: list[WitnessStatus] = []
    for one in policy.witnesses:
        kept = memory.load(one.name)
        notes = [kept.note.encode()] if kept.note else []
        seen = max((newest(note, one.key) for note in [*notes, *([] if head is None else [head.note])]), default=(0, 0))
        age = max(now_s - seen[1], 0) if seen[0] else None
        behind = max(published - seen[0], 0)
        found.append(
            WitnessStatus(
                name=one.name,
                size=seen[0],
                age_s=age,
                behind=behind,
                refusals=kept.refusals,
                said=kept.said,
                stale=behind > 0 and (age is None or age > STALE_S),
            )
        )
    return found


class UnwitnessedStretch(Struct, frozen=True, kw_only=True):
    """The published entries that no quorum has seen: ``from_size`` up to ``published``."""

    from_size: int
    published: int

    def document(self) -> dict[str, Any]:
        """Return the members for JSON."""
        return structs.asdict(self)

    def line(self) -> str:
        """Return ``unwitnessed: records 3..6, 4 of 7 published entries have no quorum``."""
        count = self.published - self.from_size
        last = f"..{self.published - 1:,}" if count > 1 else ""
        return (
            f"unwitnessed: records {self.from_size:,}{last}, "
            f"{count:,} of {self.published:,} published entries have no quorum"
        )


def read_unwitnessed(ledger: Path) -> UnwitnessedStretch | None:
    """Return what the quorum of `keys/policy` has not seen of the published head; None when it has seen all, or there is none."""
    folder = LedgerFolder(ledger)
    try:
        policy = parse_policy(folder.layout.policy.read_text())
    except (FileNotFoundError, EvidenceRefused):
        return None
    head = folder.published()
    published = 0 if head is None else head.checkpoint.size
    seen = quorum_size(policy, read_witnesses(ledger)) if policy.witnesses else published
    return None if seen >= published else UnwitnessedStretch(from_size=seen, published=published)


def quorum_size(policy: Policy, witnesses: list[WitnessStatus]) -> int:
    """Return the largest size that a quorum has seen; 0 when there is none."""
    keys = {one.name: one.key for one in policy.witnesses}
    sizes = sorted({one.size for one in witnesses if one.size}, reverse=True)
    return next((s for s in sizes if policy.satisfied_by({keys[one.name] for one in witnesses if one.size >= s})), 0)


def newest(note: bytes, key: VerifyKey) -> tuple[int, int]:
    """Return size and second of a note's cosignature by ``key``; (0, 0) when there is none that holds."""
    try:
        opened = open_note(note, [key], verify_line)
        return parse_checkpoint(opened.text).size, cosigned_second(key, opened.verified[0][1])
    except EvidenceRefused:
        return 0, 0
