"""A disk that fills under the real process: nothing is acknowledged that is not stored, and recording resumes by itself."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from gateway.ledger.records import Gateway, Reading
from tests.counterparts.gateway_process import GatewayProcess, machine_mqtt
from tests.counterparts.http import ask
from tests.counterparts.mosquitto import Mosquitto
from tests.counterparts.mqtt_load import Sender, publish_packet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.fault, pytest.mark.timeout(300)]

TOPIC = "machine/press-1/temperature"
SIZE_MB = 400


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own; needs root."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    point = tmp_path / "small"
    point.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(point)], check=False).returncode:
        pytest.skip("this machine does not let us mount a small file system")
    yield point
    subprocess.run(["umount", "-l", str(point)], check=True)


def until(done: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.1)


def publish(port: int, first: int, stop: int) -> None:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.clock_gettime(time.CLOCK_REALTIME)))
    packets = [
        publish_packet(TOPIC, f'{{"n":{n},"at":"{at}","t":{n}}}'.encode(), n % 65_535 + 1) for n in range(first, stop)
    ]
    sender = Sender(port)
    sender.send(packets, 500, 0)
    sender.close()


def reasons(gateway: GatewayProcess) -> str:
    return ask(f"http://127.0.0.1:{gateway.port}/ready").body.decode()


def test_eu_17_a_full_disk_holds_everything_back_and_recording_resumes_by_itself(
    tmp_path: Path, small_disk: Path
) -> None:
    with Mosquitto(tmp_path / "broker", conf="max_queued_messages 0\nmax_inflight_messages 0") as broker:
        gateway = GatewayProcess(
            tmp_path / "gw",
            connections={"plant": {"mqtt": {"url": f"mqtt://127.0.0.1:{broker.port}"}}},
            devices={"MCH-1-T": machine_mqtt("press-1")},
            ledger={"path": str(small_disk / "data" / "ledger")},
        )
        gateway.set_up()
        with gateway:
            gateway.wait_recording()
            publish(broker.port, 1, 1_001)
            until(lambda: len(readings(gateway)) == 1_000, "readings before")
            ballast = small_disk / "ballast"
            fill(ballast)
            publish(broker.port, 1_001, 4_001)
            until(lambda: "disk full" in reasons(gateway), "the page of health says so")
            stored = len(readings(gateway))
            assert stored < 4_000, "something was stored on a full disk"
            ballast.unlink()
            until(lambda: len(readings(gateway)) == 4_000, "recording resumes by itself", 150.0)
            until(lambda: '"ready":true' in reasons(gateway), "ready again")
            until(lambda: "disk_ok" in events(gateway), "both edges are recorded")
        gateway.verified()
        assert sorted(int(one.value) for one in readings(gateway)) == list(range(1, 4_001))
        found = events(gateway)
        assert found.index("disk_full") < found.index("disk_ok")


def test_eu_17_below_the_reserve_readings_wait_while_the_ledger_says_why(tmp_path: Path, small_disk: Path) -> None:
    with Mosquitto(tmp_path / "broker", conf="max_queued_messages 0\nmax_inflight_messages 0") as broker:
        gateway = GatewayProcess(
            tmp_path / "gw",
            connections={"plant": {"mqtt": {"url": f"mqtt://127.0.0.1:{broker.port}"}}},
            devices={"MCH-1-T": machine_mqtt("press-1")},
            ledger={"path": str(small_disk / "data" / "ledger")},
        )
        gateway.set_up()
        ballast = small_disk / "ballast"
        with gateway:
            gateway.wait_recording()
            publish(broker.port, 1, 101)
            until(lambda: len(readings(gateway)) == 100, "readings before")
            with ballast.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, 100 << 20)
            until(lambda: "are kept back" in reasons(gateway), "the probe says so")
            until(lambda: "disk_full" in events(gateway), "the ledger says so although readings wait")
            assert not (gateway.ledger / "reserve").exists(), "the reserve is given up for what explains"
            publish(broker.port, 101, 301)
            time.sleep(5)
            assert len(readings(gateway)) == 100, "a reading was taken below the reserve"
            assert ask(f"http://127.0.0.1:{gateway.port}/live").status == 200
            assert "gateway_disk_free_bytes" in ask(f"http://127.0.0.1:{gateway.port}/metrics").body.decode()
            ballast.unlink()
            until(lambda: len(readings(gateway)) == 300, "recording resumes by itself", 150.0)
            until(lambda: '"ready":true' in reasons(gateway), "ready again")
            assert (gateway.ledger / "reserve").stat().st_size == 64 << 20
        gateway.verified()
        assert [event for event in events(gateway) if event.startswith("disk")] == ["disk_full", "disk_ok"]


def fill(ballast: Path) -> None:
    """Take all the space that is left."""
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 20))
        except OSError:
            pass
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def readings(gateway: GatewayProcess) -> list[Reading]:
    return [one for one in gateway.records() if isinstance(one, Reading)]


def events(gateway: GatewayProcess) -> list[str]:
    return [one.event for one in gateway.records() if isinstance(one, Gateway)]
