"""Collector: Python's cycle collector told what a gateway is like: much that stays, much that goes, hardly a cycle."""

from __future__ import annotations

import gc
from typing import Final

YOUNG: Final = 50_000
"""Containers made between two looks at the young ones; the default of 700 is a look at every few readings."""
MIDDLE: Final = 20
OLD: Final = 100


def calm() -> None:
    """Leave what is loaded now out of every later look, and look less often; cycles are still found."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
