"""The operating system's clocks: the only place that knows what time it is (port `SystemClock`; `ingest.md` 8)."""

from __future__ import annotations

from pathlib import Path
from time import CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME, clock_gettime_ns

from gateway.adapters.adjtimex import ask_kernel
from gateway.adapters.chrony import Chrony
from gateway.ports import ClockReport, Moment

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class OsClock:
    """Reads clocks, never sets one."""

    def __init__(self, chrony: Chrony | None = None, boot_id_file: Path = _BOOT_ID) -> None:
        self._chrony = chrony or Chrony()
        try:
            self._boot_id = boot_id_file.read_text().strip()
        except OSError:
            self._boot_id = "unknown"

    @property
    def boot_id(self) -> str:
        """Id of this boot of the machine."""
        return self._boot_id

    def now(self) -> Moment:
        """Return all clocks, read together."""
        return Moment(
            clock_gettime_ns(CLOCK_REALTIME),
            clock_gettime_ns(CLOCK_BOOTTIME),
            clock_gettime_ns(CLOCK_MONOTONIC),
            clock_gettime_ns(CLOCK_MONOTONIC_RAW),
        )

    def report(self) -> ClockReport:
        """Return the word of chrony, else of the kernel."""
        return self._chrony.report() or ask_kernel()
