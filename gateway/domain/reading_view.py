"""ReadingView: what the evaluation sees of a committed reading, wherever it came from."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from gateway.domain.band import Number

Basis = Literal["source", "received"]
"""What a reading's effective time rests on: its own clock while trusted, else the instant we received it."""


class ReadingView(Struct, frozen=True, gc=False):
    """One committed reading.

    ``index``: ledger index. ``te_ns``: effective time, ns since 1970 UTC; ``monotonic_ns``: CLOCK_BOOTTIME at receipt.
    ``value``: recorded value in the recorded unit; a bool is the state of a flag; None if there is none. Text may be handed
    in: a track keeps the number it holds (integers beyond 2**53 are recorded as text), else None. ``quality``: good,
    uncertain, bad. ``provenance``: ``retained`` readings are not compared. ``doubts``: codes that an excursion names when it
    rests on this reading: ``quality_uncertain``, ``clock``, ``calibration``.
    """

    index: int
    signal: str
    te_ns: int
    value: Number | bool | None
    quality: str
    basis: Basis
    monotonic_ns: int
    received_ns: int
    provenance: str = "live"
    doubts: tuple[str, ...] = ()
