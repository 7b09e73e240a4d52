"""Calibration: what the state of a certificate says on each reading (`profiles.md` 2: flags, never a stop)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from gateway.domain.plan import SignalPlan

NEVER_NS = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def due_end_ns(plan: SignalPlan) -> int:
    """Return the end of the due day (UTC) in ns since 1970; `NEVER_NS` without a calibration entry."""
    if plan.calibration is None:
        return NEVER_NS
    day = date.fromisoformat(plan.calibration.due)
    end = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    return int((end - _EPOCH).total_seconds()) * 1_000_000_000


def compile_calibration_flags(plan: SignalPlan) -> Callable[[int], tuple[str, ...]]:
    """Return what tells, for a time of ours in ns, whether a reading is ``uncalibrated`` or ``calibration_expired``."""
    if plan.calibration is None:
        standing = ("uncalibrated",) if plan.calibration_required else ()
        return lambda _at_ns: standing
    due_ns = due_end_ns(plan)
    return lambda at_ns: ("calibration_expired",) if at_ns > due_ns else ()
