"""Reading views: what the evaluation sees of a committed reading; live path and rebuild see the same, from the record alone."""

from __future__ import annotations

from typing import Final

from gateway.domain.reading_view import ReadingView
from gateway.ledger.records import Reading

_CALIBRATION_DOUBTS: Final = frozenset({"calibration_expired", "uncalibrated"})


def view_of(index: int, reading: Reading) -> ReadingView:
    """Return the view of one record; its effective time is source time while that clock is trusted (`ingest.md` 8)."""
    source_ns, flags = reading.source_ns, reading.flags
    on_source = isinstance(source_ns, int) and not isinstance(reading.source_clock, str)
    if isinstance(flags, list) and "initial" in flags:
        on_source = False
    doubts: tuple[str, ...] = ()
    if reading.quality == "uncertain":
        doubts = ("quality_uncertain",)
    if reading.clock_state != "synced":
        doubts = (*doubts, "clock")
    if isinstance(flags, list) and not _CALIBRATION_DOUBTS.isdisjoint(flags):
        doubts = (*doubts, "calibration")
    return ReadingView(
        index=index,
        signal=reading.signal,
        te_ns=source_ns if on_source and isinstance(source_ns, int) else reading.received_ns,
        value=reading.value,
        quality=reading.quality,
        basis="source" if on_source else "received",
        monotonic_ns=reading.boot_ns,
        received_ns=reading.received_ns,
        provenance=reading.provenance,
        doubts=doubts,
    )
