"""The freezer's warmth: a pure model in demo seconds, tuned so that the acts fall where the story says.

Open, the chamber drifts towards a balance between room air and compressor: after 15 s past -20.0 Cel, after 30 s past
-15.0 Cel, after 80 s at -9.3 Cel. Closed, the compressor pulls it down at a constant rate to its set point.
"""

from __future__ import annotations

import math
from random import Random
from typing import Final

SET_POINT_C: Final = -28.69
OPEN_BALANCE_C: Final = -8.22
OPEN_TIME_CONSTANT_S: Final = 27.16
PULL_DOWN_C_PER_S: Final = 0.6
NOISE_C: Final = 0.02
"""Largest noise of the sensor, far inside the hysteresis of the limits."""


class Chamber:
    """Temperature of the chamber, Cel, and whether its door is open."""

    def __init__(self, seed: int) -> None:
        self._noise = Random(seed)  # noqa: S311 - sensor noise that must repeat from one seed, nothing secret
        self.temperature_c = SET_POINT_C
        self.door_open = False

    def step(self, seconds: float) -> None:
        """Advance by demo ``seconds`` (more than 0)."""
        if self.door_open:
            rest = math.exp(-seconds / OPEN_TIME_CONSTANT_S)
            self.temperature_c = OPEN_BALANCE_C + (self.temperature_c - OPEN_BALANCE_C) * rest
        else:
            self.temperature_c = max(SET_POINT_C, self.temperature_c - PULL_DOWN_C_PER_S * seconds)

    def read(self) -> float:
        """Return what the sensor says: to 0.01 Cel, with noise."""
        return round(self.temperature_c + self._noise.uniform(-NOISE_C, NOISE_C), 2)
