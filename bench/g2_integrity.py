"""G2: what the whole integrity layer costs: one client with the ledger behind it, and the same client decoding only."""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median
from typing import TYPE_CHECKING

from bench.goal import Row
from bench.plant import Load, make_gateway, open_broker, single_load, witness
from tests.counterparts.gateway_process import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from bench.machine import Machine
    from tests.counterparts.mosquitto import Mosquitto

FLOOR, AIM = 0.80, 0.90
COMMIT_MS = 50


def run(folder: Path, machine: Machine, *, quick: bool, repeats: int) -> list[Row]:
    """Flood both, one after the other, through the same broker."""
    del machine
    count = 2_000 if quick else 60_000
    load = folder / "load"
    single_load(load, count)
    measured: list[float] = []
    reference: list[float] = []
    costs: dict[str, list[float]] = {"decode": [], "ledger": []}
    for number in range(repeats):
        place = folder / f"flood-{number}"
        place.mkdir()
        with open_broker(place) as broker:
            for mode, rates in (("decode", reference), ("ledger", measured)):
                rate, cpu_us = _rate(place / mode, broker, load, count, mode)
                rates.append(rate)
                costs[mode].append(cpu_us)
    ratio = [own / only for own, only in zip(measured, reference, strict=True)]
    only, whole = median(costs["decode"]), median(costs["ledger"])
    note = (
        f"{count:,} messages, commit_ms {COMMIT_MS}; both settle at the commit's rhythm, judge, index and API left out; "
        f"CPU a message {only:.1f} µs decoding only, {whole:.1f} µs with the ledger: {only / whole:.2f} ×"
    )
    return [Row("G2", "integrity layer", "msg/s", measured, ratio, FLOOR, AIM, reference=reference, note=note)]


def _rate(place: Path, broker: Mosquitto, load: Path, count: int, mode: str) -> tuple[float, float]:
    place.mkdir()
    gateway = make_gateway(place, broker.port, commit_ms=COMMIT_MS)
    gateway.settings["connections"]["plant"]["mqtt"]["client_id"] = mode  # each client has a queue of its own
    gateway.write()
    words = ["-m", "bench.client", str(gateway.config), str(count), mode]
    with subprocess.Popen(
        [sys.executable, *words], cwd=ROOT, env=gateway.env, stdout=subprocess.PIPE, text=True
    ) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == "ready\n", "the client did not start"
        time.sleep(1.0)  # it subscribes
        told = Load(broker.port, load).wait()
        said, _ = client.communicate(timeout=300)
        assert client.returncode == 0, "the client failed"
    if mode == "ledger":
        witness(gateway, count)
    ended_ns, spent_s = said.split()
    return count / ((int(ended_ns) - told["began_ns"]) / 1e9), float(spent_s) / count * 1e6
