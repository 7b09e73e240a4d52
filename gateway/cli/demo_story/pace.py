"""Pace: demo seconds against the machine's monotonic clock; ``speed`` divides the times of simulators and configuration."""

from __future__ import annotations

import asyncio
import time
from typing import Final

PERIOD_S: Final = 0.1
"""The simulators' step in demo seconds at speed 1."""
PERIOD_S_MIN: Final = 0.05
"""Shortest real step: above speed 2 a step covers more demo time, so that a fast demo does not become a load test."""


class Pace:
    """Demo time since `start`; waiting is in demo seconds, grace periods of the product stay what they are."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self._made = time.monotonic()
        self._from: float | None = None

    def start(self) -> None:
        """Let demo time begin at 0."""
        self._from = time.monotonic()

    @property
    def now_s(self) -> float:
        """Demo seconds since the start, 0 before it."""
        return 0.0 if self._from is None else (time.monotonic() - self._from) * self.speed

    @property
    def age_s(self) -> float:
        """Real seconds since the curtain was hung."""
        return time.monotonic() - self._made

    @property
    def period_s(self) -> float:
        """Real seconds between two steps of a simulator."""
        return max(PERIOD_S / self.speed, PERIOD_S_MIN)

    def real_s(self, demo_s: float) -> float:
        """Return how many real seconds a stretch of demo time takes."""
        return demo_s / self.speed

    async def until(self, at_s: float) -> None:
        """Wait for a moment of demo time; one that has passed does not wait."""
        await asyncio.sleep(max(0.0, self.real_s(at_s - self.now_s)))
