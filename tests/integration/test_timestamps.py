"""Time stamps on the real process and a real authority: at the end of a batch, over an outage and a kill, into a bundle."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
import zipfile
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from gateway.domain.times import format_time
from gateway.ledger.records import Anchor, Key, Reading
from tests.counterparts import tsa
from tests.counterparts.gateway_process import NODE, GatewayProcess, machine_mqtt
from tests.counterparts.http import ask
from tests.counterparts.mosquitto import Mosquitto
from tests.counterparts.mqtt_load import Sender, publish_packet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

TOPIC = "machine/press-1/temperature"


def until(done: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.1)


class Plant:
    """A gateway with one machine on a broker and an authority, whose server can go and come back on the same port."""

    def __init__(self, folder: Path, broker: Mosquitto, server: tsa.TsaServer) -> None:
        self.server = server
        self.broker = broker
        mqtt = {"mqtt": {"url": f"mqtt://127.0.0.1:{broker.port}"}}
        self.gateway = GatewayProcess(folder, connections={"plant": mqtt}, devices={"MCH": machine_mqtt("press-1")})
        trust = self.gateway.config / "trust"
        trust.mkdir()
        (trust / "tsa.pem").write_bytes(server.authority.ca.read_bytes())
        self.gateway.settings["timestamping"] = {"url": server.url, "ca": "trust/tsa.pem", "every_s": 60}
        self.gateway.write()
        self.gateway.set_up()

    def anchors(self) -> list[Anchor]:
        return [one for one in self.gateway.records() if isinstance(one, Anchor)]

    def send(self, first: int, count: int) -> None:
        sender = Sender(self.broker.port)
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.clock_gettime(time.CLOCK_REALTIME)))
        bodies = [json.dumps({"n": n, "at": at, "t": 21.5}).encode() for n in range(first, first + count)]
        before = self.gateway.readings()
        sender.send([publish_packet(TOPIC, body, n) for n, body in enumerate(bodies, 1)], 100, 0)
        sender.close()
        until(lambda: self.gateway.readings() >= before + count, "readings")

    def told(self) -> dict[str, float]:
        return self.gateway.metrics()


@pytest.fixture
def plant(tmp_path) -> Iterator[Plant]:
    authority = tsa.Authority(tmp_path / "tsa", curve=True)
    with Mosquitto(tmp_path / "broker") as broker, tsa.TsaServer(authority) as server:
        made = Plant(tmp_path / "gw", broker, server)
        with made.gateway:
            made.gateway.wait_recording()
            yield made


@pytest.mark.slow
def test_ac_03_batch_end_is_stamped_and_its_bundle_carries_both_sides_of_the_bracket(plant, tmp_path):
    gateway = plant.gateway
    until(plant.anchors, "stamp of the start, where the seal key came in")
    [key] = [one for one in gateway.records() if isinstance(one, Key) and one.purpose == "tsa"]
    assert key.event == "introduced"
    gateway.batch("start", "B-1", "--equipment", NODE)
    plant.send(1, 20)
    gateway.batch("end", "B-1")
    stamped = plant.anchors()[0].size
    until(lambda: plant.anchors()[-1].size > stamped, "stamp of the batch's end")
    archive = tmp_path / "B-1.zip"
    gateway.run(
        "batch",
        "bundle",
        "B-1",
        "-o",
        str(archive),
        "--token-file",
        str(gateway.token),
        "--config",
        str(gateway.config),
    )
    with zipfile.ZipFile(io.BytesIO(archive.read_bytes())) as bundle:
        members = {name: bundle.read(name) for name in bundle.namelist()}
    assert plant.server.authority.accepts(members["checkpoint"], members["checkpoint.tsr"])
    policy = gateway.ledger / "keys" / "policy"
    said = json.loads(
        gateway.run(
            "verify", str(archive), "--witness-policy", str(policy), "--tsa", str(plant.server.authority.ca), "--json"
        )
    )
    assert said["counts"]["time_stamps"] >= 2
    assert said["bracket"]["after_ns"] < said["bracket"]["before_ns"]
    alone = subprocess.run(
        [sys.executable, "-I", "-", str(archive)], input=members["verify.py"], capture_output=True, check=False
    ).stdout.decode()
    last = gateway.run("verify", str(archive)).splitlines()[-1]
    assert alone.splitlines()[-1] == last
    assert "time stamps, batch B-1" in last
    assert "time-stamped up to" in gateway.run("ledger", "status", "--config", str(gateway.config))
    proof = json.loads(gateway.run("ledger", "prove", str(stamped + 8), "--config", str(gateway.config), "--json"))
    assert proof["bracket"]["after_ns"] < proof["bracket"]["before_ns"]
    told = plant.told()
    assert told["gateway_ledger_anchored_entries"] > stamped
    assert told["gateway_timestamp_age_seconds"] < 60
    result = gateway.verified()
    assert result.counts.time_stamps == len(plant.anchors()) >= 2


def test_us_03_a_stretch_of_a_running_gateway_has_its_bundle_and_a_reading_its_whole_proof(plant, tmp_path):
    gateway = plant.gateway
    plant.send(1, 20)
    size = len(gateway.records())
    gateway.batch("start", "B-1", "--equipment", NODE)
    gateway.batch("end", "B-1")
    until(lambda: plant.anchors() and plant.anchors()[-1].size >= size, "stamp over the readings")
    readings = [(index, one) for index, one in enumerate(gateway.records()) if isinstance(one, Reading)]
    times = [one.received_ns for _, one in readings]
    stretch = ["--from", format_time(min(times) - 10**9), "--to", format_time(max(times) + 10**9)]
    archive = tmp_path / "range.zip"
    access = ["--token-file", str(gateway.token), "--config", str(gateway.config)]
    gateway.run("ledger", "bundle", *stretch, "-o", str(archive), *access)
    last = gateway.run("verify", str(archive)).splitlines()[-1]
    assert last.startswith("VERIFIED"), last
    assert "range " in last
    with zipfile.ZipFile(archive) as bundle:
        assert {"verify.html", "verify.py", "readings.csv"} <= set(bundle.namelist())
        assert bundle.read("readings.csv").count(b"\n") == 1 + len(readings)
    index = readings[-1][0]
    said = gateway.run("ledger", "prove", str(index), "-o", str(tmp_path / "proof"), "--config", str(gateway.config))
    assert "time stamp" in said
    proof = (tmp_path / "proof" / f"{index}.tlog-proof").read_bytes()
    answer = (tmp_path / "proof" / f"{index}.tsr").read_bytes()
    assert plant.server.authority.accepts(proof.partition(b"\n\n")[2], answer)


@pytest.mark.fault
def test_di_14_another_authority_stamps_all_stamps_again_as_one_list(plant, tmp_path):
    """The first one ends within a year. Its lists lie beside its stamps; `gateway verify` counts the list and misses it."""
    gateway, first = plant.gateway, plant.server.authority
    until(plant.anchors, "stamp of the first authority")
    gateway.stop()
    second = tsa.Authority(tmp_path / "second", until=timedelta(days=3000), root_until=timedelta(days=3000))
    plant.server.authority = second
    trust = gateway.config / "trust"
    (trust / "tsa.pem").write_bytes(second.ca.read_bytes())
    (trust / "tsa.crl").write_bytes(second.crl())
    gateway.settings["timestamping"]["crl"] = ["trust/tsa.crl"]
    gateway.write()
    gateway.start()
    gateway.wait_recording()
    plant.send(1, 5)
    until(lambda: any("list_sha256" in one.facts for one in plant.anchors()), "list of all stamps", 200)
    gateway.stop()
    stamps = plant.anchors()
    [listed] = [one for one in stamps if "list_sha256" in one.facts]
    content = blob(gateway, listed.facts["list_sha256"])
    assert content.decode().splitlines()[2:] == [
        f"{one.size} {one.token_sha256}" for one in stamps[: stamps.index(listed)]
    ]
    assert second.accepts(content, blob(gateway, listed.facts["list_token_sha256"]))
    assert not first.accepts(content, blob(gateway, listed.facts["list_token_sha256"]))
    assert blob(gateway, listed.facts["crl_sha256"]).startswith(b"-----BEGIN X509 CRL-----")
    assert gateway.verified().counts.time_stamps == len(stamps)
    path = gateway.ledger / "blob" / listed.facts["list_sha256"][:2] / listed.facts["list_sha256"]
    path.unlink()
    said = gateway.run("verify", str(gateway.ledger), "--quiet", code=1)
    assert said.strip() == f"FAILED at size {listed.size:,}: list of time stamps is missing"


def blob(gateway: GatewayProcess, digest: str) -> bytes:
    return (gateway.ledger / "blob" / digest[:2] / digest).read_bytes()


@pytest.mark.fault
def test_ac_03_an_outage_stops_nothing_and_the_newest_head_is_stamped_after_it(plant):
    gateway = plant.gateway
    until(plant.anchors, "first stamp")
    plant.server.mode = "down"
    gateway.batch("start", "B-2", "--equipment", NODE)
    plant.send(1, 50)
    gateway.batch("end", "B-2")
    asked = len(plant.server.queries)
    until(lambda: len(plant.server.queries) > asked, "request while the authority is down")
    until(lambda: plant.told()["gateway_timestamp_failures_total"] >= 1, "failure counted")
    health = json.loads(ask(f"http://127.0.0.1:{gateway.port}/ready").body or b"{}")
    assert "reasons" not in health or not health["reasons"]
    count = len(plant.anchors())
    plant.server.mode = "ok"
    gateway.kill()
    gateway.start()
    until(lambda: len(plant.anchors()) > count, "stamp after the outage", 100)
    newest = plant.anchors()[-1]
    assert plant.server.authority.accepts(
        (gateway.ledger / f"cp/{newest.size:03d}").read_bytes(),
        (gateway.ledger / f"cp/{newest.size:03d}.tsr").read_bytes(),
    )
    gateway.stop()
    assert gateway.verified().counts.time_stamps == len(plant.anchors())
    (gateway.ledger / f"cp/{newest.size:03d}.tsr").unlink()
    said = gateway.run("verify", str(gateway.ledger), "--quiet", code=1)
    assert said.strip() == f"FAILED at size {newest.size:,}: time stamp is missing"
