"""Port to time: every clock of the machine, read at once, and what disciplines them."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from msgspec import Struct


class Moment(NamedTuple):
    """One reading of all our clocks: wall (ns since 1970), CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW."""

    wall_ns: int
    boot_ns: int
    monotonic_ns: int
    raw_ns: int


class ClockReport(Struct, frozen=True, kw_only=True):
    """What the operating system and our own queries say of the wall clock (`ingest.md` 8). All durations ns."""

    source: str
    synchronised: bool
    reference: str | None = None
    stratum: int | None = None
    offset_ns: int | None = None
    delay_ns: int | None = None
    dispersion_ns: int | None = None
    bound_ns: int | None = None
    freq_ppb: int | None = None
    leap: str | None = None
    tai_s: int | None = None


class SystemClock(Protocol):
    """The only place that knows what time it is. Never sets a clock."""

    @property
    def boot_id(self) -> str:
        """Id of this boot of the machine."""
        ...

    def now(self) -> Moment:
        """Return all clocks, read together; monotonic and boot never go back within one boot."""
        ...

    def report(self) -> ClockReport:
        """Return how good the wall clock is; cheap enough for once a second, never raises: doubt is an answer."""
        ...
