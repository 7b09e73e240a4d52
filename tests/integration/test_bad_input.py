"""Bad input on the real process: named at its place, kept aside, never hidden; recording goes on by itself."""

from __future__ import annotations

import contextlib
import json
import time
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from gateway.ledger.records import Delivery, Excursion, Gateway, Quarantine, Reading
from tests.counterparts.gateway_process import ROOT, GatewayProcess, machine_mqtt
from tests.counterparts.mosquitto import Mosquitto
from tests.counterparts.mqtt_load import Sender, publish_packet
from tests.counterparts.ports import free_port
from tests.counterparts.qms import SECRET, Qms, sink_at
from tests.integration.nab import RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.integration

TOPIC = "machine/press-1/temperature"
UNKNOWN = "machine/press-9/temperature"
FIVE_MB = b'{"n":1,"t":"' + b"x" * 5_000_000 + b'"}'
UNREADABLE = [
    (TOPIC, b'{"n":1,"t":21.', "not_json"),
    (TOPIC, b"", "not_json"),
    (TOPIC, b'{"n":1,"t":NaN}', "not_finite"),
    (TOPIC, b'{"n":1,"t":1,"t":2}', "duplicate_key"),
    (TOPIC, b'\xff{"n":1}', "not_utf8"),
    (TOPIC, FIVE_MB, "too_large"),
    (UNKNOWN, b'{"n":1,"t":21.5}', "unknown_source"),
]
WRONG_TYPE = b'{"n":2,"t":"warm"}'


def good(n: int, value: float) -> bytes:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.clock_gettime(time.CLOCK_REALTIME)))
    return json.dumps({"n": n, "at": at, "t": value}).encode()


def publish(port: int, messages: Sequence[tuple[str, bytes]]) -> None:
    sender = Sender(port)
    sender.send([publish_packet(topic, payload, n) for n, (topic, payload) in enumerate(messages, 1)], 100, 0)
    sender.close()


def until(done: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.05)


@contextlib.contextmanager
def plant(folder: Path, qms_port: int | None = None) -> Iterator[tuple[GatewayProcess, Mosquitto]]:
    with Mosquitto(folder / "broker", conf="max_queued_messages 0\nmax_inflight_messages 0") as broker:
        gateway = GatewayProcess(
            folder / "gw",
            connections={"plant": {"mqtt": {"url": f"mqtt://127.0.0.1:{broker.port}", "watch": ["machine/#"]}}},
            devices={"MCH-1-T": machine_mqtt("press-1")},
            limits=RULES if qms_port else None,
            sinks={"main": sink_at(qms_port)} if qms_port else None,
        )
        gateway.keep_secret("qms", SECRET)
        gateway.set_up()
        yield gateway, broker


@pytest.mark.req("US-08")
def test_di_08_what_cannot_be_read_is_kept_aside_whole_and_recording_goes_on(tmp_path: Path) -> None:
    with plant(tmp_path) as (gateway, broker), gateway:
        gateway.wait_recording()
        bad = [(topic, payload) for topic, payload, _ in UNREADABLE]
        publish(broker.port, [(TOPIC, good(1, 70.0)), *bad, (TOPIC, WRONG_TYPE), (TOPIC, good(3, 71.0))])
        until(lambda: gateway.readings() >= 3, "the good readings and the one of a wrong type")
        gateway.stop()
        gateway.verified()
        records = gateway.records()
        kept = [one for one in records if isinstance(one, Quarantine)]
        assert [(one.address, one.reason) for one in kept] == [(topic, reason) for topic, _, reason in UNREADABLE]
        big = kept[5].content
        assert (big.len, big.sha256) == (len(FIVE_MB), sha256(FIVE_MB).hexdigest())
        blob = gateway.ledger / "blob"
        assert any(path.read_bytes() == FIVE_MB for path in blob.rglob("*") if path.is_file()), "5 MB are kept whole"
        readings = [one for one in records if isinstance(one, Reading)]
        assert [(one.value, one.quality) for one in readings] == [(70.0, "good"), (None, "bad"), (71.0, "good")]
        assert readings[1].reason == ["type"]


@pytest.mark.fault
@pytest.mark.req("QM-05")
def test_eu_17_a_qms_that_is_down_loses_nothing_and_hears_everything_when_it_is_back(tmp_path: Path) -> None:
    port = free_port()
    with plant(tmp_path, port) as (gateway, broker), gateway:
        gateway.wait_recording()
        publish(broker.port, [(TOPIC, good(1, 70.0)), (TOPIC, good(2, 40.0))])
        until(
            lambda: any(isinstance(one, Delivery) and one.event == "attempt" for one in gateway.records()),
            "the first attempt that fails is recorded",
        )
        publish(broker.port, [(TOPIC, good(3, 41.0))])
        until(lambda: gateway.readings() >= 3, "recording goes on")
        with Qms(port) as qms:
            until(lambda: qms.events, "the deviation is delivered")
            until(
                lambda: any(isinstance(one, Delivery) and one.event == "receipt" for one in gateway.records()),
                "the receipt is recorded",
            )
            assert qms.refused == []
            assert {event["subject"] for event in qms.events} == {"deviation/DEV-gw01-000001"}
        gateway.stop()
        gateway.verified()
        raised = [one for one in gateway.records() if isinstance(one, Excursion) and one.event == "raised"]
        assert len(raised) == 1


def broken_unit(gateway: GatewayProcess) -> None:
    profiles = gateway.folder / "device_profiles"
    profiles.unlink()
    place = profiles / "generic" / "mqtt-machine-temperature"
    place.mkdir(parents=True)
    for path in (ROOT / "device_profiles" / "generic" / "mqtt-machine-temperature").iterdir():
        (place / path.name).write_text(path.read_text().replace("units: Cel", "units: Celcius"))


def starts_nothing(gateway: GatewayProcess, *words: str) -> None:
    """`check` and `run` both end with 78 and name the place; no start is recorded."""
    for command in ("check", "run"):
        said = gateway.run(command, "--config", str(gateway.config), code=78)
        assert all(word in said for word in words), said
    assert not [one for one in gateway.records() if isinstance(one, Gateway) and one.event == "start"]


def test_di_12_an_unknown_unit_of_a_profile_is_named_with_its_line(tmp_path: Path) -> None:
    with plant(tmp_path) as (gateway, _):
        broken_unit(gateway)
        starts_nothing(gateway, "mqtt-machine-temperature/profile.yaml:14:12", "unknown unit 'Celcius'")


def test_a_secret_that_is_not_there_is_named_and_never_shown(tmp_path: Path) -> None:
    with plant(tmp_path, free_port()) as (gateway, _):
        (gateway.secrets / "qms").unlink()
        starts_nothing(gateway, "secrets/qms", "create it")


def test_di_12_a_key_that_stands_twice_is_named_with_its_line(tmp_path: Path) -> None:
    with plant(tmp_path) as (gateway, _):
        path = gateway.config / "clients.yaml"
        path.write_text("format: clients/1\nclients: {}\nclients: {}\n")
        starts_nothing(gateway, "clients.yaml:3:1", "clients")
