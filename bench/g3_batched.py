"""G3: a hundred readings a message, durable before PUBACK."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.goal import Row
from bench.plant import Load, bulk_load, make_gateway, open_broker, seconds_until, witness

if TYPE_CHECKING:
    from pathlib import Path

    from bench.machine import Machine

FLOOR, AIM = 50_000.0, 200_000.0
COMMIT_MS = 50
READINGS = 100


def run(folder: Path, machine: Machine, *, quick: bool, repeats: int) -> list[Row]:
    """Flood with batched messages."""
    del machine
    count = 50 if quick else 4_000
    load = folder / "load"
    size = bulk_load(load, count, READINGS)
    measured = [_flood(folder / f"flood-{number}", load, count) for number in range(repeats)]
    note = f"{count:,} messages of {size:,} bytes, commit_ms {COMMIT_MS}"
    return [Row("G3", f"{READINGS} readings a message", "readings/s", measured, measured, FLOOR, AIM, "/s", note=note)]


def _flood(folder: Path, load: Path, count: int) -> float:
    folder.mkdir()
    with open_broker(folder) as broker:
        gateway = make_gateway(folder, broker.port, bulk=True, commit_ms=COMMIT_MS)
        with gateway:
            gateway.wait_recording()
            before = gateway.size()
            told = Load(broker.port, load).wait()
            rate = count * READINGS / seconds_until(gateway, before + count * READINGS, told["began_ns"])
        witness(gateway, count * READINGS)
    return rate
