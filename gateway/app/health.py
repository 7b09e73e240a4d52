"""Health: what the running gateway says of itself to `/live`, `/ready`, `/metrics`, the API and systemd."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from gateway.adapters.telemetry import Figure, Telemetry
from gateway.domain.plan import Plan
from gateway.domain.times import format_time
from gateway.pipeline.clock_watch import ClockRecorder
from gateway.pipeline.committer import Committer
from gateway.pipeline.intake import Intake
from gateway.pipeline.stamp import Stamper
from gateway.ports import SystemClock

STALL_NS_MAX: Final = 5_000_000_000
WAIT_NS_MAX: Final = 10_000_000_000


class Health:
    """Implements `gateway.adapters.http.desk.Health`; reads what the parts keep, keeps only the loop's pulse itself.

    ``readings``: those committed since the start, by quality.
    """

    def __init__(
        self,
        plan: Plan,
        committer: Committer,
        intake: Intake,
        clocks: ClockRecorder,
        stamp: Stamper,
        clock: SystemClock,
        version: str,
        readings: Mapping[str, int],
    ) -> None:
        self._plan = plan
        self._readings = readings
        self._committer = committer
        self._intake = intake
        self._clocks = clocks
        self._stamp = stamp
        self._clock = clock
        self._version = version
        self._started_ns = clock.now().wall_ns
        self._pulse_ns = clock.now().monotonic_ns
        self.recording = False
        self.held: Callable[[], str] = str
        self.refused: dict[str, str] = {}
        self.restarts: dict[str, float] = {}
        self.more: list[Any] = []
        self.open_conditions: Callable[[], Mapping[str, int]] = dict
        self.sections: dict[str, Callable[[], Any]] = {}
        self.telemetry = Telemetry(self._figures)
        committer.figures.on_commit = self.telemetry.committed

    def pulse(self, late_s: float) -> None:
        """The loop turned, ``late_s`` seconds later than asked."""
        self._pulse_ns = self._clock.now().monotonic_ns
        self.telemetry.stalled(late_s)

    def live(self) -> bool:
        """Tell whether the loop turned within five seconds."""
        return self._clock.now().monotonic_ns - self._pulse_ns < STALL_NS_MAX

    def watchdog(self) -> bool:
        """Tell whether the supervisor may be told that all is well: the loop turns and no leaf waits too long.

        Halted or with a full disk the loop alone counts: a restart would mend nothing.
        """
        if self._committer.halted is not None or self._committer.figures.disk_full or self.held():
            return self.live()
        return self.live() and self._committer.oldest_wait_ns < WAIT_NS_MAX

    def ready(self) -> list[str]:
        """Return why the gateway is not ready; sources may be down."""
        reasons: list[str] = []
        if not self.recording:
            reasons.append("starting")
        if self._committer.halted is not None:
            reasons.append(f"halted: {self._committer.halted.text}")
        if self.held():
            reasons.append(f"{self.held()}; no reading is acknowledged until there is space")
        elif self._committer.figures.disk_full:
            reasons.append("disk full: nothing is acknowledged until there is space")
        return reasons

    def conditions(self) -> list[str]:
        """Return the conditions of our own that are open, each with its onset; none of them stops the recording."""
        return [f"{name} since {format_time(t0_ns)}" for name, t0_ns in sorted(self.open_conditions().items())]

    def status(self) -> str:
        """Return the line that the service manager shows."""
        sources = {signal.source for signal in self._plan.signals.values()}
        up = sum(1 for source in sources if source in self._intake.figures.last_ns)
        return (
            f"recording {len(self._plan.signals)} signals, {up} of {len(sources)} sources, "
            f"ledger {self._committer.size:,}"
        )

    def report(self) -> Mapping[str, Any]:
        """Return the figures of the health page."""
        figures = self._intake.figures
        return {
            "ready": not self.ready(),
            "reasons": self.ready(),
            "conditions": self.conditions(),
            "status": self.status(),
            "configuration": self._plan.config,
            "development": self._plan.dev,
            "ledger": {"size": self._committer.size, "root": self._committer.root.hex()},
            "clock": {"state": self._stamp.clock_state, "bound_ns": self._clocks.bound_ns},
            "gaps_open": self._intake.gaps_open,
            "samples": dict(figures.samples),
            "readings": dict(self._readings),
            "quarantined": dict(figures.quarantined),
            "refused": dict(self.refused),
            **{name: section() for name, section in self.sections.items()},
        }

    def signals(self) -> list[dict[str, Any]]:
        """Return all signals of the running configuration."""
        return [
            {"signal": s.id, "title": s.title, "unit": s.unit, "node": s.node, "room": s.room, "source": s.source}
            for s in self._plan.signals.values()
        ]

    def metrics(self) -> bytes:
        """Return the Prometheus exposition."""
        return self.telemetry.exposition()

    def _figures(self) -> Iterable[Figure]:
        committer, figures = self._committer, self._intake.figures
        one = self._one
        yield Figure("build_info", "Version of the running build", "gauge", {self._version: 1.0}, "version")
        yield one("start_timestamp_seconds", "When this run began", self._started_ns / 1e9)
        yield one("halted", "1 after doubt in the ledger", float(committer.halted is not None))
        yield one("ledger_entries", "Committed entries", float(committer.size))
        yield one("clock_synchronised", "1 while our clock is synchronised", float(self._stamp.clock_state == "synced"))
        bound_ns = self._clocks.bound_ns
        yield one(
            "clock_error_bound_seconds",
            "Bound of our clock's error",
            float("nan") if bound_ns is None else bound_ns / 1e9,
        )
        yield one("gaps_open", "Gaps that are open", float(self._intake.gaps_open))
        yield Figure("samples_received", "Samples taken from sources", "counter", _floats(figures.samples), "source")
        yield Figure("readings_committed", "Readings committed", "counter", _floats(self._readings), "quality")
        yield Figure("quarantined", "Messages kept aside", "counter", _floats(figures.quarantined), "cause")
        yield Figure("gaps_opened", "Gaps opened", "counter", _floats(figures.gaps), "cause")
        now_ns = self._clock.now().wall_ns
        silence = {source: (now_ns - at) / 1e9 for source, at in figures.last_ns.items()}
        yield Figure("source_silence_seconds", "Since the newest reading", "gauge", silence, "source")
        yield Figure("task_restarts", "Tasks started again after a fault", "counter", self.restarts, "task")
        for more in self.more:
            yield from more()

    def _one(self, name: str, text: str, value: float) -> Figure:
        return Figure(name, text, "gauge", {"": value})


def _floats(counts: Mapping[str, int]) -> dict[str, float]:
    return {label: float(count) for label, count in counts.items()}
