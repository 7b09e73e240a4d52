"""Conditions of the gateway itself that its own records tell (`excursions.md` 6): the machine of the limits, with flags.

``ledger_integrity`` begins with a damaged file or a halt and has no end here: only people end it. ``disk`` lasts while
readings are held back.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.domain.data_conditions import GONE_NS
from gateway.domain.limits import Condition
from gateway.domain.signal_track import NEVER_NS, SignalWatch

INTEGRITY = "system:ledger_integrity"
DISK = "system:disk"


def system_watches() -> Iterable[SignalWatch]:
    """Yield the flag tracks of the gateway itself, each with its condition at critical."""
    for track in (INTEGRITY, DISK):
        condition = Condition(
            id=f"{track}.critical",
            signal=track,
            level="critical",
            evaluate="flag",
            class_="system",
            on_delay_ns=0,
            off_delay_ns=GONE_NS,
        )
        yield SignalWatch(signal=track, stale_ns=NEVER_NS, conditions=(condition,))
