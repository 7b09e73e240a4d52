"""The machine's own clocks behind the port `SystemClock`, for tests that talk to real servers."""

from __future__ import annotations

from time import CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME, clock_gettime_ns

from gateway.ports import ClockReport, Moment


class RunningClock:
    boot_id = "boot-1"

    def now(self) -> Moment:
        return Moment(
            clock_gettime_ns(CLOCK_REALTIME),
            clock_gettime_ns(CLOCK_BOOTTIME),
            clock_gettime_ns(CLOCK_MONOTONIC),
            clock_gettime_ns(CLOCK_MONOTONIC_RAW),
        )

    def report(self) -> ClockReport:
        return ClockReport(source="none", synchronised=False)
