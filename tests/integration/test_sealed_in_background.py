"""A running gateway seals its full segments by itself, killed in the middle or not; nobody who reads notices."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.ledger.records import Reading, parse_record
from tests.counterparts.gateway_process import GatewayProcess, compiled_environment, machine_mqtt
from tests.counterparts.mosquitto import Mosquitto
from tests.counterparts.mqtt_load import Sender, publish_packet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.fault]

TOPIC = "machine/press-1/temperature"
READINGS = 66_000


def until(done: Callable[[], object], what: str, seconds: float = 120.0, pause_s: float = 0.1) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(pause_s)


def publish(port: int) -> None:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.clock_gettime(time.CLOCK_REALTIME)))
    packets = [
        publish_packet(TOPIC, f'{{"n":{n},"at":"{at}","t":{n}}}'.encode(), n % 65_535 + 1)
        for n in range(1, READINGS + 1)
    ]
    sender = Sender(port)
    sender.send(packets, 500, 0)
    sender.close()


def test_di_15_a_full_segment_is_sealed_by_itself_and_after_a_kill_in_the_middle_too(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker", conf="max_queued_messages 0\nmax_inflight_messages 0") as broker:
        gateway = GatewayProcess(
            tmp_path / "gw",
            connections={"plant": {"mqtt": {"url": f"mqtt://127.0.0.1:{broker.port}"}}},
            devices={"MCH-1-T": machine_mqtt("press-1")},
        )
        gateway.set_up()
        seg = gateway.ledger / "seg"
        gateway.start()
        gateway.wait_recording()
        publish(broker.port)
        until(lambda: any(seg.glob("*.tmp")), "sealing begins", pause_s=0.002)
        gateway.kill()
        assert (seg / "00000000000000000000.seg").exists(), "killed in the middle the segment stands as it was"
        gateway.verified()
        with gateway:
            packed = seg / "00000000000000000000.seg.zst"
            until(packed.exists, "sealed after the next start")
            until(lambda: not (seg / "00000000000000000000.seg").exists(), "the open form goes")
            until(lambda: gateway.metrics()["gateway_segments_packed_total"] >= 1, "it is counted")
            config = str(gateway.config)
            told = subprocess.run(
                [sys.executable, "-m", "gateway", "ledger", "prove", "1000", "--config", config],
                env=compiled_environment(),
                capture_output=True,
                text=True,
                check=True,
            )
            assert "inclusion, " in told.stderr
        gateway.verified()
        reader = LedgerFolder(gateway.ledger).reader
        values = [
            int(record.value)
            for _, _, content in reader.read(0, 1 << 62)
            if isinstance(record := parse_record(content), Reading)
        ]
        assert sorted(values) == list(range(1, READINGS + 1))
        scrubbed = subprocess.run(
            [sys.executable, "-m", "gateway", "ledger", "scrub", "--config", config],
            env=compiled_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (scrubbed.stdout.splitlines()[-1], scrubbed.returncode) == ("2 segments, 0 findings", 0)
