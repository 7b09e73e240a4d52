"""Table: rows as text for people and as JSON for machines."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from bench.goal import Row, Spread

if TYPE_CHECKING:
    from bench.machine import Machine

HEAD = ("goal", "what", "measured (min median max)", "reference", "score (min median max)", "floor", "aim", "")


def format_machine(machine: Machine) -> str:
    """Return the line above the table."""
    return (
        f"{machine.cores} cores {machine.processor}, load {machine.load:.1f}, B {machine.hashes_s / 1e6:.2f} M/s, "
        f"fdatasync p50 {machine.fdatasync_p50_s * 1e3:.2f} ms, p99 {machine.fdatasync_p99_s * 1e3:.2f} ms"
    )


def format_table(rows: list[Row]) -> str:
    """Return the rows in columns, each with the note that its figures depend on."""
    cells = [HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    notes = [f"{row.goal} {row.what}: {row.note}" for row in rows if row.note]
    return "\n".join([*lines, "", *notes])


def format_json(machine: Machine, rows: list[Row], *, quick: bool) -> str:
    """Return all figures of a run."""
    return json.dumps(
        {"format": "bench/1", "quick": quick, "machine": asdict(machine), "rows": [row.to_json() for row in rows]},
        indent=1,
    )


def _cells(row: Row) -> tuple[str, ...]:
    sign = "≥" if row.more_is_better else "≤"
    verdict = "aim" if row.aimed else "floor" if row.met else "MISSED"
    return (
        row.goal,
        row.what,
        f"{_spread(row.measured)} {row.unit}",
        f"{_number(Spread.of(row.reference).middle)} {row.unit}" if row.reference else "",
        f"{_spread(row.score)} {row.score_unit}",
        f"{sign} {_number(row.floor)}",
        f"{sign} {_number(row.aim)}",
        verdict,
    )


def _spread(values: list[float]) -> str:
    spread = Spread.of(values)
    return f"{_number(spread.low)} {_number(spread.middle)} {_number(spread.high)}"


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}"
