"""What the real process holds in memory when nothing happens, and what `--help` costs; bounds of the acceptance list."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.counterparts.gateway_process import GatewayProcess, compiled_environment, machine_mqtt, machine_opcua
from tests.counterparts.mosquitto import Mosquitto

pytestmark = [pytest.mark.integration, pytest.mark.slow]

MEMORY_MIB_MAX = 120
HELP_CPU_S_MAX = 0.3


def resident_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) / 1024


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_an_idle_gateway_with_both_kinds_of_sources_stays_under_120_mib(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker") as broker:
        gateway = GatewayProcess(
            tmp_path / "gw",
            connections={
                "plant": {"mqtt": {"url": f"mqtt://127.0.0.1:{broker.port}"}},
                "line": {"opcua": {"url": "opc.tcp://127.0.0.1:9", "policy": "None", "mode": "None"}},
            },
            devices={"MCH-1-T": machine_mqtt("press-1"), "MCH-1-U": machine_opcua("press-2")},
        )
        gateway.set_up()
        with gateway:  # the first start compiles what an installed package has compiled
            gateway.wait_recording(["plant"])
        with gateway:
            gateway.wait_recording(["plant"])
            time.sleep(5)
            assert resident_mib(gateway.pid) < MEMORY_MIB_MAX


def test_help_costs_less_than_a_third_of_a_second_of_the_processor() -> None:
    """CPU time, which a busy machine does not change."""
    command = [sys.executable, "-m", "gateway", "--help"]
    subprocess.run(command, env=compiled_environment(), capture_output=True, check=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=compiled_environment(), capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < HELP_CPU_S_MAX
