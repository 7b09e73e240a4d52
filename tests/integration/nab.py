"""The failing machine of the Numenta benchmark, kept in the shared folder: readings, labelled windows, naive excursions."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from typing import NamedTuple

from tests.paths import shared

CSV = "data/nab/machine_temperature_system_failure.csv"
LABELS = "data/nab/labels.json"
LOW = 55.0
HYSTERESIS = 5.0
SECOND_NS = 1_000_000_000
RULES = {
    "cold": {
        "signals": ["MCH-1-T/temp"],
        "unit": "Cel",
        "spec": {"low": 0.0, "high": 120.0},
        "low": {"action": LOW},
        "hysteresis": HYSTERESIS,
        "on_delay_s": 0,
        "off_delay_s": 0,
        "justification": "A machine that runs stays above 55 Cel, SPEC-1",
        "deviation": {"sink": "main", "severity": "major", "reopen_s": 0},
    }
}
"""The limit set: strictly below 55 Cel at once, back at 60 Cel."""


class Point(NamedTuple):
    """One reading: its time as typed, in ns, and its value as typed."""

    at: str
    source_ns: int
    value: str


def read_points(later_s: int = 0) -> list[Point]:
    """All readings in file order, every time moved `later_s` on; times are UTC."""
    with shared(CSV).open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    found = [(_ns(at) + later_s * SECOND_NS, value) for at, value in rows]
    return [Point(f"{datetime.fromtimestamp(ns // SECOND_NS, UTC):%Y-%m-%dT%H:%M:%SZ}", ns, v) for ns, v in found]


def read_windows(later_s: int = 0) -> list[tuple[int, int]]:
    """The labelled failures, (from, to) in ns."""
    (found,) = json.loads(shared(LABELS).read_text()).values()
    return [tuple(_ns(end.split(".")[0]) + later_s * SECOND_NS for end in window) for window in found]


def naive_excursions(points: list[Point], *, live: bool = False) -> list[tuple[int, int | None]]:
    """(t0, t1) of the limit set by the plainest loop; what steps back in time is late, unless all is judged as it comes."""
    found: list[tuple[int, int | None]] = []
    newest, breached = 0, False
    for point in points:
        if point.source_ns < newest and not live:
            continue
        newest, value = point.source_ns, float(point.value)
        if not breached and value < LOW:
            breached = True
            found.append((newest, None))
        elif breached and value >= LOW + HYSTERESIS:
            breached = False
            found[-1] = (found[-1][0], newest)
    return found


def _ns(text: str) -> int:
    return int(datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()) * SECOND_NS
