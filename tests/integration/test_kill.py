"""kill -9 of the real process at random moments under load: what was acknowledged is there, once, in one sequence."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from gateway.ledger.records import Gap, Gateway, Reading
from tests.counterparts import mqtt_load
from tests.counterparts.gateway_process import GatewayProcess, machine_mqtt
from tests.counterparts.mosquitto import Mosquitto

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

TOPIC = "machine/press-1/temperature"
BROKER = "max_queued_messages 0\nmax_inflight_messages 0"


def load_file(path: Path, count: int) -> Path:
    """`count` readings whose value is their number; their time is now, a millisecond apart."""
    now_ms = time.clock_gettime_ns(time.CLOCK_REALTIME) // 1_000_000

    def at(n: int) -> str:
        seconds, ms = divmod(now_ms + n, 1_000)
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{ms:03d}Z"

    mqtt_load.write_load(path, ((TOPIC, f'{{"n":{n},"at":"{at(n)}","t":{n}}}'.encode()) for n in range(1, count + 1)))
    return path


def start_load(broker: Mosquitto, path: Path, rate: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, mqtt_load.__file__, str(broker.port), str(path), "500", str(rate)], stdout=subprocess.PIPE
    )


def kill_often(folder: Path, kills: int, seed: int, rate: int = 1_500) -> None:
    chance = random.Random(seed)
    with Mosquitto(folder / "broker", conf=BROKER) as broker:
        gateway = GatewayProcess(
            folder / "gw",
            connections={"plant": {"mqtt": {"url": f"mqtt://127.0.0.1:{broker.port}"}}},
            devices={"MCH-1-T": machine_mqtt("press-1")},
        )
        gateway.set_up()
        gateway.start()
        gateway.wait_recording()
        count = rate * kills * 3
        load = start_load(broker, load_file(folder / "load", count), rate)
        for _ in range(kills):
            time.sleep(chance.uniform(0.0, 1.5))
            gateway.kill()
            acknowledged = gateway.verified().size
            gateway.start()
            assert gateway.verified().size >= acknowledged
        said, _ = load.communicate(timeout=200)
        assert b'"acked": %d,' % count in said, "the broker took every message of the load"
        end = time.monotonic() + 60
        while Counter(numbers(gateway)) != Counter(range(1, count + 1)) and time.monotonic() < end:
            time.sleep(0.5)
        gateway.stop()
        gateway.verified()
        check(gateway, count, kills)  # the seed stands in the failing call above


def numbers(gateway: GatewayProcess) -> list[int]:
    return [int(one.value) for one in gateway.records() if isinstance(one, Reading)]


def check(gateway: GatewayProcess, count: int, kills: int) -> None:
    records = gateway.records()
    readings = [one for one in records if isinstance(one, Reading)]
    found = Counter(int(one.value) for one in readings)
    lost = [n for n in range(1, count + 1) if n not in found]
    doubled = [n for n, times in found.items() if times > 1]
    assert lost == [], f"{len(lost)} acknowledged readings are lost, the first {lost[:5]}"
    assert doubled == [], f"{len(doubled)} readings stand twice, the first {doubled[:5]}"
    assert [one.n for one in readings] == list(range(1, count + 1)), "the signal's own count has a hole"
    told = Counter(one.event for one in records if isinstance(one, Gateway))
    assert told["start"] == kills + 1
    assert told["recovered"] == kills, "each crash is said at the next start"
    opened = {one.gap for one in records if isinstance(one, Gap) and one.event == "opened"}
    closed = {one.gap for one in records if isinstance(one, Gap) and one.event == "closed"}
    assert opened == closed, "a gap stays open although nothing was lost"


@pytest.mark.fault
@pytest.mark.req("DI-13")
def test_di_05_killed_twice_under_load_nothing_acknowledged_is_lost_or_doubled(tmp_path: Path) -> None:
    kill_often(tmp_path, kills=2, seed=5)


@pytest.mark.fault
@pytest.mark.req("DI-13")
def test_di_05_killed_at_20_random_moments_nothing_acknowledged_is_lost_or_doubled(tmp_path: Path) -> None:
    kill_often(tmp_path, kills=20, seed=random.SystemRandom().randrange(1 << 32))
