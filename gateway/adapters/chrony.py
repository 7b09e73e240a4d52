"""What chrony says of the wall clock: `chronyc -c tracking`, asked in a thread of its own, answered from memory."""

from __future__ import annotations

import shutil
import subprocess
from threading import Lock, Thread
from time import monotonic
from typing import Final

from gateway.ports import ClockReport

ASK_EVERY_S: Final = 10.0
TIMEOUT_S: Final = 2.0
_FIELDS: Final = 14
_LEAP: Final = {"Normal": "none", "Insert second": "insert", "Delete second": "delete"}


class Chrony:
    """Newest answer of the local chronyd. ``report`` never waits; an answer older than three intervals does not count."""

    def __init__(self, command: str | None = None) -> None:
        self._command = command or shutil.which("chronyc")
        self._lock = Lock()
        self._asking = False
        self._asked_s = -ASK_EVERY_S
        self._answered_s = 0.0
        self._answer: ClockReport | None = None

    def report(self) -> ClockReport | None:
        """Return the newest answer, None when there is no chrony or it is silent."""
        if self._command is None:
            return None
        now = monotonic()
        with self._lock:
            if not self._asking and now - self._asked_s >= ASK_EVERY_S:
                self._asking, self._asked_s = True, now
                Thread(target=self._ask, args=(self._command,), name="chronyc", daemon=True).start()
            fresh = now - self._answered_s < 3 * ASK_EVERY_S
            return self._answer if fresh else None

    def _ask(self, command: str) -> None:
        try:
            done = subprocess.run(  # noqa: S603  a fixed command of the operating system
                [command, "-c", "tracking"], capture_output=True, check=True, text=True, timeout=TIMEOUT_S
            )
            answer = parse_tracking(done.stdout)
        except (OSError, subprocess.SubprocessError, ValueError):
            answer = None
        with self._lock:
            self._asking = False
            if answer is not None:
                self._answer, self._answered_s = answer, monotonic()


def parse_tracking(line: str) -> ClockReport:
    """Return the report of one CSV line; raise `ValueError` when it is none.

    Bound = |offset| + root dispersion + root delay / 2 (`ingest.md` 8). Offset is ours minus the reference: chrony counts a
    slow clock positive.
    """
    fields = line.strip().split(",")
    if len(fields) < _FIELDS:
        raise ValueError(f"chronyc answered {len(fields)} fields")
    offset, delay, dispersion = -_ns(fields[4]), _ns(fields[10]), _ns(fields[11])
    leap = _LEAP.get(fields[13])
    return ClockReport(
        source="chrony",
        synchronised=leap is not None,
        reference=fields[1] or fields[0],
        stratum=int(fields[2]),
        offset_ns=offset,
        delay_ns=delay,
        dispersion_ns=dispersion,
        bound_ns=abs(offset) + dispersion + delay // 2,
        freq_ppb=round(float(fields[7]) * 1000),
        leap=leap,
    )


def _ns(seconds: str) -> int:
    return round(float(seconds) * 1e9)
