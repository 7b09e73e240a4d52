"""Audit log: makes the records of who did, or was refused, what; each with its own correlation id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from gateway.ledger.records import Audit, ObjectRef
from gateway.pipeline.stamp import Stamper


class AuditLog:
    """One for a run, shared by all desks. ``name_of``: account → commitment to its name, None: it has none."""

    def __init__(
        self, zone: str, stamp: Stamper, build: str, name_of: Callable[[str], str | None] = lambda _: None
    ) -> None:
        self._name_of = name_of
        self._zone = zone
        self._stamp = stamp
        self._build = build
        self._count = 0

    def record(
        self,
        account: str,
        operation: str,
        subject: ObjectRef,
        terminal: str,
        outcome: str = "done",
        *,
        reason: str | None = None,
        facts: dict[str, Any] | None = None,
    ) -> Audit:
        """Return the record of one act of a machine account; the fact ``name`` commits to what that is called."""
        self._count += 1
        name = self._name_of(account)
        told = {**(facts or {}), **({} if name is None else {"name": name})}
        return Audit(
            **self._stamp(),
            person=account,
            role="machine",
            credential="token",
            operation=operation,
            object=subject,
            reason=UNSET if reason is None else reason,
            outcome=outcome,
            utc_offset_s=0,
            zone=self._zone,
            terminal=terminal,
            correlation=f"c-{self._stamp.run}-{self._count}",
            build=self._build,
            facts=UNSET if not told else dict(sorted(told.items())),
        )
