"""Plant: broker, gateway and load of one benchmark, in a folder of its own, started and stopped by it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.counterparts import mqtt_load
from tests.counterparts.gateway_process import NODE, ROOT, GatewayProcess, machine_mqtt
from tests.counterparts.mosquitto import Mosquitto
from tests.counterparts.ports import LOOPBACK, accepts, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

MACHINE = "press-1"
TOPIC = f"machine/{MACHINE}/temperature"
BULK_TOPIC = f"bulk/{MACHINE}/temperature"
BROKER = "max_queued_messages 0\nmax_inflight_messages 0\nset_tcp_nodelay true"
WINDOW = 5_000
"""Messages the load may have unacknowledged at the broker: enough that the broker is never the one that waits."""
POLL_S = 0.05
RECEIVE_MAX = 500
"""What the gateway asks for; the reference client asks for the same."""
BULK_PROFILE = """\
format: profile/1
id: bench/mqtt-bulk
version: 1
title: Many readings in one message
params: {machine: '[a-z0-9-]{1,32}'}
mqtt: {routes: {main: {topic: 'bulk/{machine}/temperature', records: d, time: {path: at, format: epoch_ms}}}}
signals:
  temp:
    title: Component temperature
    kind: analog
    type: number
    address: t
    units: Cel
    acquire: {expected_s: 300}
    calibration: {required: false}
    use: {criticality: critical, relevance: utility}
"""


def open_broker(folder: Path) -> Mosquitto:
    """Return a broker that queues without bound, as the shipped file does; not started yet."""
    return Mosquitto(folder / "broker", conf=BROKER)


def make_gateway(folder: Path, port: int, *, bulk: bool = False, **ledger: Any) -> GatewayProcess:
    """Return a gateway that reads one device on a broker at ``port``, set up and not started."""
    device = machine_mqtt(MACHINE)
    if bulk:
        device = {**device, "profile": "bench/mqtt-bulk@1"}
    gateway = GatewayProcess(
        folder / "gw",
        connections={"plant": {"mqtt": {"url": f"mqtt://127.0.0.1:{port}"}}},
        devices={"MCH-1-T": device},
        ledger=ledger,
        profiles=_profiles(folder),
    )
    assert gateway.plant["nodes"].keys() == {NODE}
    gateway.set_up()
    return gateway


def _profiles(folder: Path) -> Path:
    """Return the shipped profiles with the one of many readings a message beside them."""
    made = folder / "profiles"
    if not made.exists():
        shutil.copytree(ROOT / "device_profiles", made)
        bulk = made / "bench" / "mqtt-bulk"
        bulk.mkdir(parents=True)
        (bulk / "profile.yaml").write_text(BULK_PROFILE)
        payload = json.dumps({"d": [{"at": 1795332300000, "t": 21.5}]}, separators=(",", ":"))
        line = {
            "received": "2026-11-22T07:25:00.290Z",
            "mqtt": {"topic": BULK_TOPIC, "qos": 1, "retain": False, "payload": payload},
        }
        (bulk / "capture.jsonl").write_text(json.dumps(line) + "\n")
        told = {"from": 1, "signal": "temp", "value": 21.5, "unit": "Cel", "quality": "good"}
        (bulk / "expected.jsonl").write_text(json.dumps({**told, "source_time": "2026-11-22T07:25:00Z"}) + "\n")
    return made


def single_load(path: Path, count: int, first: int = 1) -> int:
    """Write ``count`` messages of one reading, numbered from ``first``; the time is now. Return bytes a message."""
    now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.clock_gettime(time.CLOCK_REALTIME)))
    messages = (
        (TOPIC, b'{"n":%d,"at":"%s.%03dZ","t":%d.%d}' % (n, now.encode(), n % 1_000, 60 + n % 40, n % 10))
        for n in range(first, first + count)
    )
    mqtt_load.write_load(path, messages)
    return path.stat().st_size // count


def bulk_load(path: Path, count: int, readings: int = 100) -> int:
    """Write ``count`` messages of ``readings`` each, a millisecond apart. Return bytes a message."""
    now_ms = time.clock_gettime_ns(time.CLOCK_REALTIME) // 1_000_000

    def message(n: int) -> bytes:
        of = (b'{"at":%d,"t":%d.%d}' % (now_ms + n * readings + k, 60 + k % 40, k % 10) for k in range(readings))
        return b'{"d":[%s]}' % b",".join(of)

    mqtt_load.write_load(path, ((BULK_TOPIC, message(n)) for n in range(count)))
    return path.stat().st_size // count


class Load:
    """The publisher as a process of its own; `wait()` returns what it says when the broker has acknowledged all."""

    def __init__(self, port: int, path: Path, rate: float = 0.0, times: Path | None = None) -> None:
        words = [str(port), str(path), str(WINDOW), str(rate), *([] if times is None else [str(times)])]
        self._process = subprocess.Popen([sys.executable, mqtt_load.__file__, *words], stdout=subprocess.PIPE)

    def wait(self) -> dict[str, int]:
        """Return ``acked``, ``began_ns``, ``ended_ns`` (CLOCK_MONOTONIC)."""
        said, _ = self._process.communicate(timeout=300)
        assert self._process.returncode == 0, "the load ended early"
        told: dict[str, int] = json.loads(said)
        return told


@contextmanager
def tapped(folder: Path, target: int) -> Iterator[tuple[int, Path]]:
    """Relay to the broker at ``target`` while inside; yields the port and the file that is there afterwards."""
    port, out = free_port(), folder / "tap"
    process = subprocess.Popen([sys.executable, "-m", "bench.tap", str(port), str(target), str(out)], cwd=ROOT)
    end = time.monotonic() + 20
    while not accepts(port) and time.monotonic() < end:
        time.sleep(0.02)
    try:
        yield port, out
    finally:
        process.terminate()
        process.wait()


def seconds_until(gateway: GatewayProcess, size: int, began_ns: int, seconds: float = 300.0) -> float:
    """Return the seconds from ``began_ns`` until so many entries are committed."""
    end = time.monotonic() + seconds
    while gateway.size() < size:
        assert time.monotonic() < end, f"{gateway.size()} of {size} entries within {seconds} s"
        time.sleep(POLL_S)
    return (time.monotonic_ns() - began_ns) / 1e9


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process so far: what a busy machine changes least."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def witness(gateway: GatewayProcess, readings: int) -> None:
    """Count by another way than the one that was timed: the stopped ledger, verified, holds so many readings."""
    told = json.loads(gateway.run("verify", str(gateway.ledger), "--json"))
    assert told["result"] == "verified", told
    found = sum(1 for record in gateway.records() if record.kind == "reading")
    assert found == readings, f"{found} readings in the ledger, {readings} were sent"


def subscriber_words(port: int, count: int) -> list[str]:
    """Return the command of the reference client: it acknowledges at once and keeps nothing."""
    words = ["mosquitto_sub", "-h", LOOPBACK, "-p", str(port), "-q", "1", "-V", "mqttv5", "-t", TOPIC, "-C", str(count)]
    return [*words, "-D", "connect", "receive-maximum", str(RECEIVE_MAX)]


def subscriber_seconds(broker: Mosquitto, path: Path, count: int) -> float:
    """Return how long the broker takes to forward ``count`` messages at QoS 1 to `mosquitto_sub`, with the same load."""
    with (path.parent / "received").open("wb") as received:
        subscriber = subprocess.Popen(subscriber_words(broker.port, count), stdout=received)
        time.sleep(0.5)
        load = Load(broker.port, path)
        subscriber.wait(timeout=300)
        ended_ns = time.monotonic_ns()
        told = load.wait()
    lines = (path.parent / "received").read_bytes().count(b"\n")
    assert lines == count, f"mosquitto_sub wrote {lines} of {count}"
    return (ended_ns - told["began_ns"]) / 1e9
