"""Pace: no more than so many bytes a second on average, so that reading everything again disturbs nobody."""

from __future__ import annotations

import time
from typing import Final

_MB: Final = 1_000_000


class Pace:
    """Call it with the bytes just read; it sleeps where that was too fast. ``mb_s`` None or 0: as fast as it goes."""

    def __init__(self, mb_s: float | None) -> None:
        self._bytes_s = (mb_s or 0.0) * _MB
        self._began = time.monotonic()
        self._bytes = 0

    def __call__(self, size: int) -> None:
        """Count ``size`` bytes and wait until they are due."""
        self._bytes += size
        if self._bytes_s:
            ahead_s = self._bytes / self._bytes_s - (time.monotonic() - self._began)
            if ahead_s > 0:
                time.sleep(ahead_s)
