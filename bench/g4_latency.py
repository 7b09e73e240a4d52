"""G4: from publishing to durable and acknowledged, at half of what the gateway can take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.g1_mqtt import bare_latencies, flood, latencies
from bench.goal import Row, quantile
from bench.machine import sync_times
from bench.plant import single_load

if TYPE_CHECKING:
    from pathlib import Path

    from bench.machine import Machine

COMMIT_MS = 5
P50_OVER_MS = 2.0
SYNCS_FLOOR, SYNCS_AIM = 2.0, 1.0


def run(folder: Path, machine: Machine, *, quick: bool, repeats: int) -> list[Row]:
    """Find the full load, then send at half of it."""
    del machine
    count = 2_000 if quick else 40_000
    single_load(folder / "load", count)
    _, full, _ = flood(folder / "full", folder / "load", count)
    rate = full / 2
    seconds = 1 if quick else 5
    p50: list[float] = []
    p99: list[float] = []
    syncs: list[float] = []
    for number in range(repeats):
        found = latencies(folder / f"half-{number}", rate, int(rate * seconds), COMMIT_MS)
        p50.append(1e3 * quantile(found, 0.50))
        p99.append(1e3 * quantile(found, 0.99))
        syncs.append(1e3 * quantile(sync_times(folder), 0.99))
    bare = bare_latencies(folder / "bare", rate, int(rate * seconds))
    over = [one - COMMIT_MS for one in p50]
    times = [(one - COMMIT_MS) / sync for one, sync in zip(p99, syncs, strict=True)]
    note = f"{rate:,.0f} msg/s, half of the full load, commit_ms {COMMIT_MS}; score: ms above the interval; "
    note += f"mosquitto_sub, which keeps nothing, p50 {1e3 * quantile(bare, 0.5):.1f}, p99 {1e3 * quantile(bare, 0.99):.1f} ms"
    first = Row(
        "G4", "p50 at half load", "ms", p50, over, P50_OVER_MS, P50_OVER_MS, "ms", more_is_better=False, note=note
    )
    note = "score: (p99 - interval) ÷ fdatasync p99 of this disk, sampled after each repeat"
    return [
        first,
        Row(
            "G4",
            "p99 at half load",
            "ms",
            p99,
            times,
            SYNCS_FLOOR,
            SYNCS_AIM,
            reference=syncs,
            more_is_better=False,
            note=note,
        ),
    ]
