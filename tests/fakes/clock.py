"""A clock that stands still until a test moves it (port `SystemClock`)."""

from __future__ import annotations

from gateway.ports import ClockReport, Moment

NOON_NS = 1_792_888_200_000_000_000


class StillClock:
    """All four clocks move together by ``advance``; ``wall_ns`` may be stepped alone."""

    def __init__(self, wall_ns: int = NOON_NS, boot_id: str = "boot-1") -> None:
        self.wall_ns = wall_ns
        self.boot_ns = 86_400_000_000_000
        self.boot_id = boot_id
        self.answer = ClockReport(source="chrony", synchronised=True, bound_ns=1_000_000)

    def advance(self, ns: int) -> None:
        self.wall_ns += ns
        self.boot_ns += ns

    def now(self) -> Moment:
        return Moment(self.wall_ns, self.boot_ns, self.boot_ns, self.boot_ns)

    def report(self) -> ClockReport:
        return self.answer
