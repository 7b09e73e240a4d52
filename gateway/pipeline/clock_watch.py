"""Clock watch: a sealed record of how good our own clock is, at start, each minute, on a step or a change of state.

Only watches: the gateway never sets a clock (`ingest.md` 8, AC-07). Steps are found by comparing the wall clock with
CLOCK_MONOTONIC_RAW once a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, Literal, Protocol

from msgspec import UNSET, Struct

from gateway.ledger.records import Clock, ClockStep
from gateway.pipeline.stamp import Stamper
from gateway.ports import ClockReport, Journal, Moment, SystemClock

Trigger = Literal["start", "minute", "step", "sync_lost", "sync_back", "zone", "resume", "stop"]
State = Literal["synced", "doubt", "unsynced"]

LOOK_S = 1.0
MINUTE_NS = 60_000_000_000


class Zone(Protocol):
    """The plant's zone at a moment: name and offset from UTC."""

    name: str

    def offset_s(self, wall_ns: int) -> int:
        """Return the offset from UTC in force, seconds."""
        ...


class ClockLimits(Struct, frozen=True, kw_only=True):
    """`clock.error_ms_max` and `clock.step_ms_max` in ns."""

    error_ns_max: int = 1_000_000_000
    step_ns_max: int = 50_000_000


class ClockRecorder:
    """Makes `clock` records and moves the stamper on."""

    def __init__(self, clock: SystemClock, stamp: Stamper, zone: Zone, limits: ClockLimits) -> None:
        self._clock = clock
        self._stamp = stamp
        self._zone = zone
        self.limits = limits
        self.recorded_ns = 0
        self.bound_ns: int | None = None

    def record(self, trigger: Trigger, step: ClockStep | None = None) -> Clock:
        """Return the next clock record and make it the newest: later records name it."""
        now, report = self._clock.now(), self._clock.report()
        self._stamp.clock_number += 1
        self._stamp.clock_state = self.judge(report)
        self.recorded_ns, self.bound_ns = now.monotonic_ns, report.bound_ns
        return Clock(
            **self._stamp(at_ns=now.wall_ns, boot_ns=now.boot_ns),
            trigger=trigger,
            run=self._stamp.run,
            boot_id=self._clock.boot_id,
            raw_ns=now.raw_ns,
            state=self.judge(report),
            source=_source(report.source),
            zone=self._zone.name,
            utc_offset_s=self._zone.offset_s(now.wall_ns),
            tzdata=version("tzdata"),
            step=step if step is not None else UNSET,
            **_present(report),
        )

    def judge(self, report: ClockReport) -> State:
        """Return synced, doubt (bound over `error_ms_max` or not stated) or unsynced."""
        if not report.synchronised:
            return "unsynced"
        if report.bound_ns is None or report.bound_ns > self.limits.error_ns_max:
            return "doubt"
        return "synced"


class ClockWatch:
    """Looks each second and records what changed; ``on_step`` is told the size of a step in ns."""

    def __init__(
        self,
        clock: SystemClock,
        stamp: Stamper,
        recorder: ClockRecorder,
        journal: Journal,
        on_step: Callable[[int], None] | None = None,
    ) -> None:
        self._clock = clock
        self._stamp = stamp
        self._recorder = recorder
        self._journal = journal
        self._on_step = on_step
        self._seen: Moment = clock.now()

    async def run(self) -> None:
        """Look each second until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        """Compare the clocks once and record what changed."""
        before, now = self._seen, self._clock.now()
        self._seen = now
        size_ns = (now.wall_ns - before.wall_ns) - (now.raw_ns - before.raw_ns)
        if abs(size_ns) > self._recorder.limits.step_ns_max:
            step = ClockStep(before_ns=now.wall_ns - size_ns, after_ns=now.wall_ns, size_ns=size_ns)
            self._journal.append([self._recorder.record("step", step)])
            if self._on_step is not None:
                self._on_step(size_ns)
            return
        was = self._stamp.clock_state
        if now.monotonic_ns - self._recorder.recorded_ns >= MINUTE_NS:
            self._journal.append([self._recorder.record("minute")])
        elif (now_is := self._recorder.judge(self._clock.report())) != was:
            self._journal.append([self._recorder.record("sync_back" if now_is == "synced" else "sync_lost")])


def _source(name: str) -> Literal["chrony", "ptp", "adjtimex", "none"]:
    match name:
        case "chrony" | "ptp" | "adjtimex":
            return name
        case _:
            return "none"


def _present(report: ClockReport) -> dict[str, Any]:
    """Return the members of a clock record that the report has something to say about."""
    names = (
        "reference",
        "stratum",
        "offset_ns",
        "delay_ns",
        "dispersion_ns",
        "bound_ns",
        "freq_ppb",
        "leap",
        "tai_s",
    )
    values = {name: getattr(report, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}
