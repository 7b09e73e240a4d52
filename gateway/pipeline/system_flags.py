"""System flags: what the gateway's own records say of its ledger and its disk, for the conditions on them (`excursions.md` 6)."""

from __future__ import annotations

from typing import Any, Final

from gateway.domain.reading_view import ReadingView
from gateway.domain.system_conditions import DISK, INTEGRITY
from gateway.ledger.records import Gap, Gateway

DISK_FULL: Final = "disk_full"
"""Code of a halt for want of space: nothing stored is in doubt."""


def flag_view(track: str, index: int, record: Gateway | Gap, *, raised: bool) -> ReadingView:
    """Return what a record of ours says of a source or of the gateway itself, as the evaluator takes it."""
    return ReadingView(
        index=index,
        signal=track,
        te_ns=record.at_ns,
        value=raised,
        quality="good",
        basis="received",
        monotonic_ns=record.boot_ns,
        received_ns=record.at_ns,
    )


class SystemFlags:
    """Remembers whether readings are held back: a start ends what a run before it could not."""

    def __init__(self) -> None:
        self._held = False

    def told(self, record: Gateway) -> tuple[str, bool] | None:
        """Return the flag track and its state that a record tells, None if it tells none."""
        facts: dict[str, Any] = record.facts if isinstance(record.facts, dict) else {}
        match record.event:
            case "scrub" if facts.get("findings"):
                return INTEGRITY, True
            case "halted" if facts.get("code") != DISK_FULL:
                return INTEGRITY, True
            case "disk_full":
                self._held = True
                return DISK, True
            case "disk_ok" | "start" if self._held:
                self._held = False
                return DISK, False
            case _:
                return None
