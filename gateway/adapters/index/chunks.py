"""Readings of one run of 4,096 entries, by signal: offsets, times, numbers (`ledger.md` 7)."""

from __future__ import annotations

from array import array
from typing import Final, NamedTuple

from gateway.adapters.index.reading_view import ReadingView

BAD: Final = 1
UNCERTAIN: Final = 2
_QUALITY: Final = {"good": 0, "bad": BAD, "uncertain": UNCERTAIN}
_S: Final = 1_000_000_000
_EPOCH_S: Final = 946_684_800
"""2000-01-01: seconds since then fit 32 bits until 2068."""
_I32: Final = 2**31 - 1


class Chunk:
    """One signal's readings in one run; times in ns."""

    __slots__ = ("count", "flags", "n_first", "offsets", "received_max", "received_min", "source_max", "source_min")

    def __init__(self, reading: ReadingView) -> None:
        self.count = 0
        self.n_first = reading.n
        self.received_min = self.received_max = reading.received_ns
        self.source_min = self.source_max = reading.source_ns
        self.flags = 0
        self.offsets = array("H")

    def add(self, offset: int, reading: ReadingView) -> None:
        """Take one reading; ``offset`` is its place in the run."""
        self.count += 1
        self.offsets.append(offset)
        received, source = reading.received_ns, reading.source_ns
        if received > self.received_max:
            self.received_max = received
        elif received < self.received_min:
            self.received_min = received
        if source is not None:
            if self.source_min is None or self.source_max is None:
                self.source_min = self.source_max = source
            elif source > self.source_max:
                self.source_max = source
            elif source < self.source_min:
                self.source_min = source
        self.flags |= _QUALITY.get(reading.quality, 0)

    def row(self, run: int, sid: int) -> tuple[object, ...]:
        """Return the row of the table; source times are kept as distance from the received ones: fewer bytes."""
        source_min = source_span = None
        if self.source_min is not None and self.source_max is not None:
            source_min, source_span = self.source_min - self.received_min, self.source_max - self.source_min
        received_span = self.received_max - self.received_min
        packed = self.offsets.tobytes()
        return (
            run, sid, self.count, self.received_min, received_span, source_min, source_span, self.n_first, self.flags, packed
        )  # fmt: skip


class Row(NamedTuple):
    """A chunk as it was read back."""

    run: int
    received_min: int
    received_max: int
    source_min: int | None
    source_max: int | None
    offsets: array[int]

    @property
    def span(self) -> tuple[int, int]:
        """Earliest and latest time, received or of the source."""
        if self.source_min is None or self.source_max is None:
            return self.received_min, self.received_max
        return min(self.received_min, self.source_min), max(self.received_max, self.source_max)


def load(row: tuple[object, ...]) -> Row:
    """Return a chunk of ``run, received_min, received_span, source_min, source_span, offsets``."""
    run, received_min, received_span, source_min, source_span, packed = row
    assert isinstance(run, int)
    assert isinstance(received_min, int)
    assert isinstance(received_span, int)
    assert isinstance(packed, bytes)
    offsets = array("H", packed)
    if not (isinstance(source_min, int) and isinstance(source_span, int)):
        return Row(run, received_min, received_min + received_span, None, None, offsets)
    first = received_min + source_min
    return Row(run, received_min, received_min + received_span, first, first + source_span, offsets)


def seconds_below(ns: int) -> int:
    """Return whole seconds since 2000, rounded down, within 32 bits."""
    return max(-_I32, min(ns // _S - _EPOCH_S, _I32))


def ns_of(second: int) -> int:
    """Return the time in ns of whole seconds since 2000, as `seconds_below` and `seconds_above` give them."""
    return (second + _EPOCH_S) * _S


def seconds_above(ns: int) -> int:
    """Return whole seconds since 2000, rounded up, within 32 bits."""
    return max(-_I32, min(-(-ns // _S) - _EPOCH_S, _I32))
