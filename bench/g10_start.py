"""G10: process start to the first reading recorded, and what the process holds in memory when nothing happens."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.goal import Row
from bench.plant import Load, make_gateway, open_broker, single_load, tapped
from bench.tap import acknowledged

if TYPE_CHECKING:
    from bench.machine import Machine
    from tests.counterparts.gateway_process import GatewayProcess

START_FLOOR_S, START_AIM_S = 2.0, 1.2
MEMORY_FLOOR_MIB, MEMORY_AIM_MIB = 120.0, 80.0


def run(folder: Path, machine: Machine, *, quick: bool, repeats: int) -> list[Row]:
    """Start on a broker that holds a message for us; then let an idle gateway sit."""
    del machine
    starts = [_first_reading(folder / f"start-{number}") for number in range(repeats)]
    idle = [_idle(folder / f"idle-{number}", 2.0 if quick else 10.0) for number in range(repeats)]
    return [
        Row(
            "G10",
            "start to first reading",
            "s",
            starts,
            starts,
            START_FLOOR_S,
            START_AIM_S,
            "s",
            more_is_better=False,
            note="from exec to the first PUBACK: a message waits in the broker's queue",
        ),
        Row(
            "G10",
            "idle memory",
            "MiB",
            idle,
            idle,
            MEMORY_FLOOR_MIB,
            MEMORY_AIM_MIB,
            "MiB",
            more_is_better=False,
            note="resident, an MQTT and an OPC UA connection configured",
        ),
    ]


def _first_reading(folder: Path) -> float:
    folder.mkdir()
    load = folder / "load"
    single_load(load, 1)
    with open_broker(folder) as broker, tapped(folder, broker.port) as (port, out):
        gateway = make_gateway(folder, port)
        with gateway:
            gateway.wait_recording()
        Load(broker.port, load).wait()
        began_ns = time.monotonic_ns()
        with gateway:
            while gateway.readings() < 1:
                time.sleep(0.05)
    ((_, at_ns, _),) = acknowledged(out)
    return (at_ns - began_ns) / 1e9


def _idle(folder: Path, seconds: float) -> float:
    folder.mkdir()
    with open_broker(folder) as broker:
        gateway = make_gateway(folder, broker.port)
        gateway.settings["connections"]["line"] = {
            "opcua": {"url": "opc.tcp://127.0.0.1:9", "policy": "None", "mode": "None"}
        }
        gateway.plant["devices"]["MCH-1-U"] = {
            "profile": "generic/opcua-machine-temperature@1",
            "connection": "line",
            "node": "MCH-1",
            "params": {"machine": "press-2"},
            "serial": "X2",
        }
        gateway.write()
        with gateway:
            gateway.wait_recording(["plant"])  # a first start compiles what an installed package has compiled
        with gateway:
            time.sleep(seconds)
            return resident_mib(gateway)


def resident_mib(gateway: GatewayProcess) -> float:
    """Return the resident set of the running process, MiB."""
    lines = Path(f"/proc/{gateway.pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) / 1024
