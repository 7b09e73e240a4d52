"""Escalation of a notice that nobody acknowledges: steps at fixed minutes after it became new (`excursions.md` 7).

Due times count from the recorded raise, so they survive a restart; overdue steps fire at once, one after the other.
"""

from __future__ import annotations

from typing import Final

from gateway.domain.limits import SECOND_NS, Level

MINUTE_NS: Final = 60 * SECOND_NS

STEPS_MIN: Final[dict[Level, tuple[int, ...]]] = {
    "critical": (2, 5, 10),
    "action": (10, 20, 40),
    "alert": (60, 120),
}
"""Minutes unacknowledged before steps 1, 2, 3; step 0 (duty) is the notice itself."""

ROSTER: Final = ("duty", "deputy", "supervisor", "qa")
"""Who is called at steps 0 to 3."""


def next_step(level: Level, new_ns: int, told: int) -> tuple[int, int] | None:
    """Return (step, due time ns) after ``told`` steps, None when nobody is left to call.

    ``new_ns``: when the notice became new (raised, or spoke anew after a mask); a new notice starts from the first step.
    """
    steps = STEPS_MIN[level]
    return (told + 1, new_ns + steps[told] * MINUTE_NS) if told < len(steps) else None


def steps_due(level: Level, new_ns: int, told: int, now_ns: int) -> tuple[int, ...]:
    """Return the steps to take now, in order; after a pause all overdue ones."""
    steps = STEPS_MIN[level]
    return tuple(n + 1 for n in range(told, len(steps)) if new_ns + steps[n] * MINUTE_NS <= now_ns)
