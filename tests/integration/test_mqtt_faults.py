"""Faults on the MQTT side (`ingest.md` 10): real broker, real kill -9; per signal nothing lost or doubled outside gaps."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.adapters.mqtt.source import MqttSource
from tests.adapters.mqtt.tls_files import TlsFiles
from tests.counterparts.mosquitto import Mosquitto
from tests.fakes.inlet import FakeInlet
from tests.fakes.running_clock import RunningClock
from tests.integration.mqtt_plant import link, plan, publish, publisher, resume_of, running, shipped_conf, source
from tests.integration.mqtt_victim import TOPIC
from tests.paths import ROOT

pytestmark = [pytest.mark.integration, pytest.mark.fault]

KILLS = 20

SAVED_S = 2.5
"""After this long the broker's timer has saved all (`autosave_interval 1`)."""


def gaps(inlet: FakeInlet) -> list[tuple[str, str]]:
    return [(f.kind, f.cause) for f in inlet.facts if f.kind.startswith("gap")]


async def test_di_19_fault_21_broker_kill_9_with_the_shipped_file_keeps_the_session(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, conf=shipped_conf(tmp_path)) as broker:
        inlet = FakeInlet()
        async with running(source(broker.port, plan(TOPIC)), inlet):
            await publish(broker.port, TOPIC, range(50))
            await inlet.until_values(50)
            await asyncio.sleep(SAVED_S)
            broker.kill()
            await inlet.until_fact("link", "lost")
            broker.start()
            await inlet.until_fact("link", "connected", times=2)
            await publish(broker.port, TOPIC, range(50, 60))
            await inlet.until_values(60)
        assert inlet.values() == [str(k) for k in range(60)]
        assert not [gap for gap in gaps(inlet) if gap[1] == "broker_session_lost"]


async def test_di_19_fault_21_broker_kill_9_with_its_defaults_is_a_gap(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        inlet = FakeInlet()
        async with running(source(broker.port, plan(TOPIC)), inlet):
            await publish(broker.port, TOPIC, [1])
            await inlet.until_values(1)
            broker.kill()
            await inlet.until_fact("link", "lost")
            broker.start()
            await inlet.until_fact("gap_opened", "broker_session_lost")
            await inlet.until_fact("link", "connected", times=2)
            await publish(broker.port, TOPIC, [2])
            await inlet.until_fact("gap_closed", "broker_session_lost")
        last = [p for p in inlet.parcels if p.samples][-1]
        assert [f.kind for f in last.facts if f.cause == "broker_session_lost"] == ["gap_bounded", "gap_closed"]
        assert last.incarnation == 2


async def test_di_19_fault_21_broker_restart_in_order_loses_nothing(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, conf=shipped_conf(tmp_path)) as broker:
        inlet = FakeInlet(settle_at_once=False)
        async with running(source(broker.port, plan(TOPIC), receive_max=20), inlet):
            inlet.commit()
            await publish(broker.port, TOPIC, range(60))
            await inlet.until_values(20)
            broker.restart()
            await inlet.until_fact("link", "connected", times=2)
            inlet.settle_at_once = True
            inlet.commit()
            await inlet.until_values(60)
            await asyncio.sleep(0.3)
        assert inlet.values() == [str(k) for k in range(60)]


async def test_di_19_fault_22_session_gone_is_a_gap_over_the_whole_outage(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        first = FakeInlet()
        async with running(source(broker.port, plan(TOPIC)), first):
            await publish(broker.port, TOPIC, [1])
            await first.until_values(1)
        async with publisher(broker.port, client_id="gw-01", clean_start=True):
            pass
        inlet = FakeInlet(resume_with=resume_of(first.committed))
        async with running(source(broker.port, plan(TOPIC)), inlet):
            await publish(broker.port, TOPIC, [2])
            await inlet.until_values(1)
        assert gaps(inlet) == [
            ("gap_opened", "broker_session_lost"),
            ("gap_bounded", "broker_session_lost"),
            ("gap_closed", "broker_session_lost"),
        ]
        assert inlet.parcels[0].facts[0].kind == "gap_opened"


@pytest.mark.timeout(300)
async def test_di_19_fault_23_gateway_kill_9_at_any_point_loses_and_doubles_nothing(tmp_path: Path) -> None:
    draw = random.Random(20261124)
    record = tmp_path / "record.jsonl"
    with Mosquitto(tmp_path, conf=shipped_conf(tmp_path)) as broker:
        await subscribe_first(broker.port)
        sent, kills = 0, 0

        async def devices() -> None:
            nonlocal sent
            async with publisher(broker.port) as device:
                while kills < KILLS:
                    await device.publish(TOPIC, b'{"v":%d}' % sent, qos=1)
                    sent += 1
                    await asyncio.sleep(0.001)

        async with asyncio.TaskGroup() as group:
            group.create_task(devices())
            while kills < KILLS:
                victim = start_victim(broker.port, record)
                await asyncio.sleep(0.5 + draw.random() / 2)
                victim.kill()
                victim.wait()
                kills += 1
        last = start_victim(broker.port, record)
        try:
            async with asyncio.timeout(60):
                while f'"{sent - 1}"]' not in record.read_text()[-400:]:
                    await asyncio.sleep(0.2)
        finally:
            last.kill()
            last.wait()
    values = [int(line[5]) for line in map(json.loads, record.read_text().splitlines()) if line[3]]
    assert values == list(range(sent))


def start_victim(port: int, record: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "tests.integration.mqtt_victim", str(port), str(record)], cwd=ROOT)


async def subscribe_first(port: int) -> None:
    """Make the session before the devices begin, else what they send before it belongs to nobody."""
    async with running(source(port, plan(TOPIC), receive_max=100), FakeInlet()):
        pass


async def test_di_19_fault_24_window_full_while_the_commit_stalls(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, conf=shipped_conf(tmp_path)) as broker:
        inlet = FakeInlet(settle_at_once=False)
        async with running(source(broker.port, plan(TOPIC), keepalive_s=1), inlet):
            inlet.commit()
            await publish(broker.port, TOPIC, range(2000))
            await inlet.until_values(500)
            await asyncio.sleep(10)
            assert len(inlet.samples) == 500
            inlet.settle_at_once = True
            inlet.commit()
            await inlet.until_values(2000)
        assert inlet.values() == [str(k) for k in range(2000)]
        assert not gaps(inlet)


async def test_di_19_fault_25_flood_at_qos_0_shows_its_holes_by_the_counter(tmp_path: Path) -> None:
    conf = "max_queued_messages 100\nmax_inflight_messages 0\n"
    with Mosquitto(tmp_path, conf=conf) as broker:
        inlet = FakeInlet()
        made = plan(TOPIC, qos_expected=0, sequence="v")
        async with running(source(broker.port, made, receive_max=20), inlet):
            await publish(broker.port, TOPIC, [0, 1], qos=0)
            await inlet.until_values(2)
            await publish(broker.port, TOPIC, [2, 3, 7, 8], qos=0)
            await inlet.until_values(6)
        gap = next(f for f in inlet.facts if f.cause == "payload_sequence")
        assert (gap.positions, gap.missing) == ((4, 6), 3)


async def test_di_19_fault_25_hundred_thousand_topics_are_bounded(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, conf="max_inflight_messages 0\nmax_queued_messages 0\n") as broker:
        inlet = FakeInlet()
        made = source(broker.port, plan(TOPIC, watch=["wild/#"]))
        async with running(made, inlet):
            async with publisher(broker.port) as device:
                for k in range(3000):
                    await device.publish(f"wild/{k}", b"{}", qos=0)
                await device.publish(TOPIC, b'{"v":1}', qos=1)
            await inlet.until_values(1)
            await inlet.until_fact("gap_opened", "quarantine_full")
        kept = len([f for f in inlet.facts if f.kind == "quarantine"])
        assert kept + made.counts["quarantine_full"] == 3000
        assert kept <= 2000


async def test_di_19_fault_26_unreadable_payloads_are_quarantined_and_acknowledged(tmp_path: Path) -> None:
    bad = [
        b"",
        b'{"v":',
        b'{"v":1,"v":2}',
        b'{"v":NaN}',
        b"\xef\xbb\xbf{}",
        b"\xff",
        "{}".encode("utf-16"),
        b"\x1f\x8b\x08\x00",
    ]
    with Mosquitto(tmp_path, conf=shipped_conf(tmp_path)) as broker:
        inlet = FakeInlet()
        async with running(source(broker.port, plan(TOPIC), receive_max=20), inlet), publisher(broker.port) as device:
            for payload in bad * 5:
                await device.publish(TOPIC, payload, qos=1)
            await device.publish(TOPIC, b'{"v":1}', qos=1)
            await inlet.until_values(1)
        kept = [f for f in inlet.facts if f.kind == "quarantine"]
        assert [f.content for f in kept] == bad * 5
        assert {f.cause for f in kept} == {"not_json", "duplicate_key", "not_finite", "not_utf8"}


async def test_di_19_fault_27_old_retained_message_and_its_deletion_are_kept(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, conf=shipped_conf(tmp_path)) as broker:
        await publish(broker.port, TOPIC, [1], retain=True)
        inlet = FakeInlet()
        async with running(source(broker.port, plan(TOPIC)), inlet), publisher(broker.port) as device:
            await inlet.until_values(1)
            await device.publish(TOPIC, b"", qos=1, retain=True)
            fact = await inlet.until_fact("quarantine", "not_json")
            await device.publish(TOPIC, b'{"v":2}', qos=1)
            await inlet.until_values(2)
        assert [s.provenance.value for s in inlet.samples] == ["retained", "live"]
        assert fact.flags == ("retain",)


async def test_di_19_fault_28_two_gateways_with_one_id_lose_nothing(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, conf=shipped_conf(tmp_path)) as broker:
        one, two = FakeInlet(), FakeInlet()
        async with running(source(broker.port, plan(TOPIC)), one), running(source(broker.port, plan(TOPIC)), two):
            for k in range(100):
                await publish(broker.port, TOPIC, [k])
                await asyncio.sleep(0.02)
            async with asyncio.timeout(60):
                while {*one.values(), *two.values()} != {str(k) for k in range(100)}:
                    await asyncio.sleep(0.1)
        for inlet in (one, two):
            assert len(inlet.values()) == len(set(inlet.values()))


async def test_di_19_fault_02_frozen_broker_shows_and_everything_comes_after(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, conf=shipped_conf(tmp_path)) as broker:
        inlet = FakeInlet()
        async with running(source(broker.port, plan(TOPIC), keepalive_s=1, connect_timeout_s=1), inlet):
            await publish(broker.port, TOPIC, range(10))
            await inlet.until_values(10)
            broker.freeze()
            await inlet.until_fact("link", "lost", seconds=8)
            await inlet.until_fact("gap_opened", "link_down", seconds=60)
            broker.thaw()
            closed = await inlet.until_fact("gap_closed", "link_down", seconds=60)
            await publish(broker.port, TOPIC, range(10, 20))
            await inlet.until_values(20)
        assert (closed.recovery, closed.missing) == ("full", 0)
        assert inlet.values() == [str(k) for k in range(20)]


async def test_di_19_fault_30_tls_certificate_of_another_authority_is_refused_and_a_rotation_heals(
    tmp_path: Path,
) -> None:
    files = TlsFiles.make(tmp_path / "tls")
    conf = files.mosquitto_conf()
    with Mosquitto(tmp_path, conf=conf) as broker:
        inlet = FakeInlet()
        other = TlsFiles.make(tmp_path / "other")
        tls = {"tls": True, "certificate": str(files.client), "key": str(files.client_key)}
        wrong = MqttSource(plan(TOPIC), link(broker.port, **tls, ca=str(other.ca)), RunningClock(), lambda: 0.5)
        async with running(wrong, inlet, connected=False):
            fact = await inlet.until_fact("link", "not_connected")
        assert fact.detail is not None
        assert fact.detail["reason"] == "certificate"
        right = MqttSource(plan(TOPIC), link(broker.port, **tls, ca=str(files.ca)), RunningClock(), lambda: 0.5)
        inlet = FakeInlet()
        context = ssl.create_default_context(cafile=str(files.ca))
        context.load_cert_chain(str(files.client), str(files.client_key))
        async with running(right, inlet), publisher(broker.port, tls_context=context) as device:
            for k in range(2000):
                await device.publish(TOPIC, b'{"v":%d,"pad":"%s"}' % (k, b"x" * 500), qos=1)
            await device.publish(TOPIC, b'{"v":2000,"pad":"%s"}' % (b"x" * 200_000), qos=1)
            await inlet.until_values(2001)
        assert inlet.values() == [str(k) for k in range(2001)]


async def test_ac_08_client_without_certificate_is_refused_by_the_broker(tmp_path: Path) -> None:
    files = TlsFiles.make(tmp_path / "tls")
    with Mosquitto(tmp_path, conf=files.mosquitto_conf()) as broker:
        inlet = FakeInlet()
        bare = MqttSource(plan(TOPIC), link(broker.port, tls=True, ca=str(files.ca)), RunningClock(), lambda: 0.5)
        async with running(bare, inlet, connected=False):
            await inlet.until_fact("link", "not_connected")
        assert not [f for f in inlet.facts if f.cause == "connected"]


async def test_di_03_mosquitto_1726_broker_that_forgot_our_acknowledgements_adds_nothing(tmp_path: Path) -> None:
    """eclipse-mosquitto/mosquitto#1726: what was acknowledged after the last save is sent again after a crash."""
    with Mosquitto(tmp_path, conf=shipped_conf(tmp_path)) as broker:
        inlet = FakeInlet(settle_at_once=False)
        made = source(broker.port, plan(TOPIC))
        async with running(made, inlet):
            await publish(broker.port, TOPIC, range(30))
            await inlet.until_values(30)
            await asyncio.sleep(SAVED_S)
            inlet.settle_at_once = True
            inlet.commit()
            await asyncio.sleep(0.05)
            broker.kill()
            broker.start()
            await inlet.until_fact("link", "connected", times=2)
            await publish(broker.port, TOPIC, [30])
            await inlet.until_values(31)
        assert inlet.values() == [str(k) for k in range(31)]
        assert made.counts["repeats"] == 30
