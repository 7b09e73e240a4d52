"""What a broker says to `gateway check`: less than asked is a warning, a topic refused a failure; no session is left behind."""

from __future__ import annotations

import socket

import pytest

from gateway.adapters.mqtt.check import mqtt_checks
from gateway.adapters.mqtt.link import MqttLink
from gateway.config.environment import run_checks
from gateway.domain.plan import MqttPlan
from tests.adapters.mqtt.scripted_broker import ScriptedBroker
from tests.counterparts.mosquitto import Mosquitto

CLEAN = 0x02
PLAN = MqttPlan(source="plant", routes=(), watch=("env/#",))


def link(port: int, **given) -> MqttLink:
    return MqttLink(host="127.0.0.1", port=port, gateway="gw-01", client_id="gw-01", tls=False, **given)


async def ask(port: int, **given) -> dict[str, tuple[str, str]]:
    return {one.id: (one.state, one.detail) for one in await run_checks(list(mqtt_checks(PLAN, link(port, **given))))}


async def test_all_is_granted_and_no_session_is_left():
    async with ScriptedBroker.start() as broker:
        found = await ask(broker.port)
        assert {state for state, _ in found.values()} == {"ok"}
        hello, topics = (one.packets for one in broker.sessions)
        for packets in (hello, topics):
            first, connect = packets[0]
            assert first == 0x10
            assert connect[7] == CLEAN
            assert b"gw-01-check" in connect
            assert packets[-1][0] == 0xE0
        expiry = (604_800).to_bytes(4)
        assert b"\x11" + expiry in hello[0][1]
        assert b"\x11" + bytes(4) in hello[-1][1], "the session that was asked for is given back"
        assert b"\x11" + bytes(4) in topics[0][1], "a session with topics ends with its connection"
        assert [first for first, _ in hello] == [0x10, 0xE0]
        assert [first for first, _ in topics] == [0x10, 0x82, 0xE0]


async def test_a_topic_that_is_refused_is_named():
    async with ScriptedBroker.start() as broker:
        broker.suback = 0x87
        state, detail = (await ask(broker.port))["mqtt-acl"]
    assert (state, detail.startswith("refuses env/# (0x87). Next: let our client")) == ("failed", True)


async def test_qos_0_where_1_was_asked_is_a_warning():
    async with ScriptedBroker.start() as broker:
        broker.suback = 0
        state, detail = (await ask(broker.port))["mqtt-acl"]
    assert (state, detail.startswith("gives QoS 0 for env/#")) == ("warning", True)


async def test_less_than_asked_in_connack_is_told():
    async with ScriptedBroker.start() as broker:
        broker.connack = b"\x20\x0a\x00\x00\x07\x11" + (3600).to_bytes(4) + b"\x24\x00"
        found = await ask(broker.port)
    assert found["mqtt-expiry"][0] == "warning"
    assert found["mqtt-expiry"][1].startswith("keeps our queue for 3,600 s, asked 604,800 s")
    assert found["mqtt-connect"][0] == "failed"


async def test_who_is_refused_is_told_once():
    async with ScriptedBroker.start() as broker:
        broker.connack = b"\x20\x03\x00\x87\x00"
        found = await ask(broker.port)
    assert "refused gw-01-check: Not authorized (0x87). Next: check certificate" in found["mqtt-connect"][1]
    assert {found["mqtt-acl"], found["mqtt-expiry"]} == {("skipped", "no connection")}


async def test_a_port_that_nobody_serves():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    found = await ask(port)
    assert found["mqtt-connect"][1].startswith("no connection: connection refused. Next: check that the broker runs")


async def test_the_other_end_hangs_up():
    async with ScriptedBroker.start() as broker:
        broker.connack = b"\xff\xff\xff\xff\xff"
        assert (await ask(broker.port))["mqtt-connect"][0] == "failed"


@pytest.mark.integration
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_mosquitto_lets_us_look_and_keeps_nothing(tmp_path, protocol):
    with Mosquitto(tmp_path) as broker:
        found = await ask(broker.port, protocol=protocol)
        again = await ask(broker.port, protocol=protocol)
    assert {state for state, _ in (*found.values(), *again.values())} == {"ok"}
    assert ("mqtt-expiry" in found) == (protocol == "5")
