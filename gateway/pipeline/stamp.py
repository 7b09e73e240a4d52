"""Stamp: what the head of every new record says of time and mode; the newest clock record's number lives here."""

from __future__ import annotations

from typing import Any

from gateway.ports import SystemClock


class Stamper:
    """Makes record heads. ``clock_number`` and ``clock_state`` are moved on by the clock watch alone.

    ``dev`` marks every record of a ledger born with approval off; ``run`` counts the starts of this ledger.
    """

    def __init__(self, clock: SystemClock, *, dev: bool, run: int, clock_number: int) -> None:
        self.clock = clock
        self.dev = dev
        self.run = run
        self.clock_number = clock_number
        self.clock_state = "unsynced"

    def __call__(self, *, at_ns: int | None = None, boot_ns: int | None = None) -> dict[str, Any]:
        """Return the head members of a record made now, or at the moment given (ns)."""
        if at_ns is None or boot_ns is None:
            now = self.clock.now()
            at_ns = now.wall_ns if at_ns is None else at_ns
            boot_ns = now.boot_ns if boot_ns is None else boot_ns
        head: dict[str, Any] = {"at_ns": at_ns, "boot_ns": boot_ns, "clock": self.clock_number}
        if self.dev:
            head["dev"] = True
        return head
