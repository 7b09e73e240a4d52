"""G1: MQTT QoS 1, one reading a message, durable before PUBACK, beside Mosquitto's own forwarding to `mosquitto_sub`."""

from __future__ import annotations

import subprocess
import time
from array import array
from typing import TYPE_CHECKING

from bench.goal import Row, quantile
from bench.plant import (
    Load,
    cpu_seconds,
    make_gateway,
    open_broker,
    seconds_until,
    single_load,
    subscriber_seconds,
    subscriber_words,
    tapped,
    witness,
)
from bench.tap import acknowledged

if TYPE_CHECKING:
    from pathlib import Path

    from bench.machine import Machine

FLOOR, AIM = 0.40, 0.80
COMMIT_MS = 50
LOAD_MAX = 0.75
"""Share of its own full load at which a latency still says something: above it a queue only grows."""
P99_FLOOR_MS, P99_AIM_MS = 100.0, 50.0


def run(folder: Path, machine: Machine, *, quick: bool, repeats: int) -> list[Row]:
    """Flood, then send at the floor's rate for the latency."""
    del machine
    count = 2_000 if quick else 60_000
    load = folder / "load"
    size = single_load(load, count)
    measured: list[float] = []
    reference: list[float] = []
    costs: list[float] = []
    for number in range(repeats):
        rate, own, cpu_us = flood(folder / f"flood-{number}", load, count)
        reference.append(rate)
        measured.append(own)
        costs.append(cpu_us)
    ratio = [own / rate for own, rate in zip(measured, reference, strict=True)]
    note = f"{count:,} messages of {size} bytes, commit_ms {COMMIT_MS}, window 500, broker on the same cores"
    note += f"; the gateway's CPU {min(costs):.0f} µs a message"
    throughput = Row("G1", "MQTT QoS 1", "msg/s", measured, ratio, FLOOR, AIM, reference=reference, note=note)
    paced = min(FLOOR * sorted(reference)[len(reference) // 2], LOAD_MAX * sorted(measured)[len(measured) // 2])
    seconds = 1 if quick else 5
    p99 = [
        1e3 * quantile(latencies(folder / f"paced-{number}", paced, int(paced * seconds), COMMIT_MS), 0.99)
        for number in range(repeats)
    ]
    note = (
        f"publish to PUBACK at {paced:,.0f} msg/s for {seconds} s: the floor's rate, {LOAD_MAX} of the flood's at most"
    )
    latency = Row(
        "G1", "p99 at a steady rate", "ms", p99, p99, P99_FLOOR_MS, P99_AIM_MS, "ms", more_is_better=False, note=note
    )
    return [throughput, latency]


def flood(folder: Path, load: Path, count: int) -> tuple[float, float, float]:
    """Return (mosquitto_sub's, the gateway's) messages a second with the same load and broker, and our CPU µs a message."""
    folder.mkdir()
    with open_broker(folder) as broker:
        reference = count / subscriber_seconds(broker, load, count)
        gateway = make_gateway(folder, broker.port, commit_ms=COMMIT_MS)
        with gateway:
            gateway.wait_recording()
            before, spent_s = gateway.size(), cpu_seconds(gateway.pid)
            publisher = Load(broker.port, load)
            told = publisher.wait()
            own = count / seconds_until(gateway, before + count, told["began_ns"])
            spent_s = cpu_seconds(gateway.pid) - spent_s
        witness(gateway, count)
    return reference, own, spent_s / count * 1e6


def latencies(folder: Path, rate: float, count: int, commit_ms: int) -> list[float]:
    """Return the seconds from publishing to the gateway's PUBACK of each message, at a steady rate."""
    folder.mkdir()
    load, times = folder / "load", folder / "times"
    single_load(load, count)
    with open_broker(folder) as broker, tapped(folder, broker.port) as (port, out):
        gateway = make_gateway(folder, port, commit_ms=commit_ms)
        with gateway:
            gateway.wait_recording()
            before = gateway.size()
            told = Load(broker.port, load, rate, times).wait()
            seconds_until(gateway, before + count, told["began_ns"])
        witness(gateway, count)
    return _between(times, out, count)


def bare_latencies(folder: Path, rate: float, count: int) -> list[float]:
    """Return the same of `mosquitto_sub`, which keeps nothing: what load, broker, relay and machine take by themselves."""
    folder.mkdir()
    load, times = folder / "load", folder / "times"
    single_load(load, count)
    with open_broker(folder) as broker, tapped(folder, broker.port) as (port, out):
        subscriber = subprocess.Popen(subscriber_words(port, count), stdout=subprocess.DEVNULL)
        time.sleep(0.5)
        Load(broker.port, load, rate, times).wait()
        assert subscriber.wait(timeout=60) == 0, "mosquitto_sub failed"
    return _between(times, out, count)


def _between(times: Path, out: Path, count: int) -> list[float]:
    sent = array("q")
    sent.frombytes(times.read_bytes())
    found = [(at_ns - sent[_number(payload) - 1]) / 1e9 for _, at_ns, payload in acknowledged(out)]
    assert len(found) == count, f"{len(found)} of {count} messages were acknowledged"
    return found


def _number(payload: bytes) -> int:
    """Return n of `{"n":17,…`."""
    return int(payload[5 : payload.index(b",")])
