"""The source against a broker that follows a script: epochs, order of acknowledgements, repeats, half-open links."""

from __future__ import annotations

import asyncio

from gateway.ports import Outcome
from tests.adapters.mqtt.scripted_broker import ScriptedBroker, publish_packet
from tests.fakes.inlet import FakeInlet
from tests.integration.mqtt_plant import plan, running, source

TOPIC = "env/r-204/sensor"


def value(k: int) -> bytes:
    return b'{"v":%d}' % k


async def test_di_05_puback_follows_the_commit_in_receive_order_and_in_one_write() -> None:
    async with ScriptedBroker.start() as broker:
        inlet = FakeInlet(settle_at_once=False)
        async with running(source(broker.port, plan(TOPIC)), inlet):
            session = await broker.session(0)
            inlet.commit()
            session.send(*(publish_packet(TOPIC, value(k), mid=k) for k in (7, 3, 5)))
            await inlet.until_values(3)
            await asyncio.sleep(0.1)
            assert session.acked() == []
            first, second, third = inlet.waiting
            inlet.waiting = [third, first, second]  # whatever the settling order, receive order rules
            inlet.commit(1)
            await asyncio.sleep(0.1)
            assert session.acked() == []
            inlet.commit()
            await session.until_acked(7, 3, 5)


async def test_di_05_old_epoch_is_never_acknowledged_and_its_resent_copy_is_no_second_reading() -> None:
    async with ScriptedBroker.start() as broker:
        inlet = FakeInlet(settle_at_once=False)
        async with running(source(broker.port, plan(TOPIC)), inlet):
            one = await broker.session(0)
            one.send(*(publish_packet(TOPIC, value(k), mid=k) for k in (1, 2, 3)))
            await inlet.until_values(3)
            one.drop()
            two = await broker.session(1)
            two.send(
                publish_packet(TOPIC, value(1), mid=1, dup=True),
                publish_packet(TOPIC, value(20), mid=2),
                publish_packet(TOPIC, value(3), mid=3, dup=True),
            )
            await inlet.until_values(4)
            await asyncio.sleep(0.1)
            assert two.acked() == []
            old = [p for p in inlet.waiting if p.epoch == 1]
            for parcel in old:
                inlet.waiting.remove(parcel)
                parcel.settle(Outcome.COMMITTED)
            await two.until_acked(1)
            inlet.commit()
            await two.until_acked(1, 2, 3)
        assert inlet.values() == ["1", "2", "3", "20"]
        assert [p.epoch for p in inlet.parcels if p.samples] == [1, 1, 1, 2]


async def test_di_03_dup_without_a_known_copy_is_a_reading() -> None:
    async with ScriptedBroker.start() as broker:
        inlet = FakeInlet()
        async with running(source(broker.port, plan(TOPIC)), inlet):
            session = await broker.session(0)
            session.send(publish_packet(TOPIC, value(1), mid=4, dup=True))
            session.send(publish_packet(TOPIC, value(2), mid=4), publish_packet(TOPIC, value(2), mid=4, dup=True))
            await session.until_acked(4, 4, 4)
        assert inlet.values() == ["1", "2"]


async def test_same_id_and_payload_without_dup_is_a_new_message() -> None:
    async with ScriptedBroker.start() as broker:
        inlet = FakeInlet()
        async with running(source(broker.port, plan(TOPIC)), inlet):
            session = await broker.session(0)
            session.send(publish_packet(TOPIC, value(1), mid=4), publish_packet(TOPIC, value(1), mid=4))
            await session.until_acked(4, 4)
        assert inlet.values() == ["1", "1"]


async def test_us_08_client_id_in_use_waits_thirty_seconds() -> None:
    async with ScriptedBroker.start() as broker:
        inlet = FakeInlet()
        async with running(source(broker.port, plan(TOPIC)), inlet):
            (await broker.session(0)).send(b"\xe0\x02\x8e\x00")
            await inlet.until_fact("link", "client_id_in_use")
            await asyncio.sleep(1.5)
            assert len(broker.sessions) == 1


async def test_al_11_half_open_link_shows_in_two_keepalives() -> None:
    async with ScriptedBroker.start() as broker:
        broker.pong = False
        inlet = FakeInlet()
        async with running(source(broker.port, plan(TOPIC), keepalive_s=1), inlet):
            fact = await inlet.until_fact("link", "lost", seconds=6)
        assert fact.detail is not None
        assert fact.detail["reason"] == "keepalive"
        assert [first for first, _ in broker.sessions[0].packets].count(0xC0) >= 1


async def test_idle_link_with_answered_pings_stays() -> None:
    async with ScriptedBroker.start() as broker:
        inlet = FakeInlet()
        async with running(source(broker.port, plan(TOPIC), keepalive_s=1), inlet):
            await asyncio.sleep(4)
        assert len(broker.sessions) == 1


async def test_malformed_packet_drops_the_connection_and_it_is_tried_again() -> None:
    async with ScriptedBroker.start() as broker:
        inlet = FakeInlet()
        async with running(source(broker.port, plan(TOPIC)), inlet):
            (await broker.session(0)).send(b"\x30\x01\x00")
            fact = await inlet.until_fact("link", "lost")
            assert fact.detail is not None
            assert fact.detail["reason"] == "protocol"
            await inlet.until_fact("link", "connected", times=2)


async def test_packets_cut_anywhere_are_read_whole() -> None:
    async with ScriptedBroker.start() as broker:
        inlet = FakeInlet()
        async with running(source(broker.port, plan(TOPIC)), inlet):
            session = await broker.session(0)
            await asyncio.sleep(0.2)  # the answer to our birth message must not fall into the fragments
            stream = b"".join(publish_packet(TOPIC, b'{"v":%d,"pad":"%s"}' % (k, b"x" * 150), mid=k) for k in (1, 2, 3))
            for at in range(0, len(stream), 7):
                session.send(stream[at : at + 7])
                await asyncio.sleep(0.001)
            await session.until_acked(1, 2, 3)
        assert inlet.values() == ["1", "2", "3"]


async def test_connack_that_gives_less_is_a_finding() -> None:
    async with ScriptedBroker.start() as broker:
        properties = b"\x11\x00\x00\x00\x3c" + b"\x24\x00" + b"\x12\x00\x02xy"
        broker.connack = b"\x20" + bytes([3 + len(properties)]) + b"\x00\x00" + bytes([len(properties)]) + properties
        inlet = FakeInlet()
        async with running(source(broker.port, plan(TOPIC, qos_expected=0)), inlet):
            fact = await inlet.until_fact("link", "connected")
        assert fact.detail is not None
        assert fact.detail["findings"] == ["session_expiry_shorter", "qos_0_only", "client_id_assigned"]
        assert fact.detail["revised_session_expiry_s"] == 60


async def test_suback_refused_is_a_gap_of_that_topic_alone() -> None:
    async with ScriptedBroker.start() as broker:
        broker.suback = 0x87
        inlet = FakeInlet()
        async with running(source(broker.port, plan(TOPIC)), inlet):
            gap = await inlet.until_fact("gap_opened", "item_refused")
            assert (gap.addresses, gap.detail) == ((f"{TOPIC}#v",), {"code": 0x87, "topic": TOPIC})
            broker.suback = 1
            broker.sessions[0].drop()
            await inlet.until_fact("gap_closed", "item_refused")


async def test_refused_connack_is_told_once_and_tried_again() -> None:
    async with ScriptedBroker.start() as broker:
        broker.connack = b"\x20\x03\x00\x87\x00"
        inlet = FakeInlet()
        async with running(source(broker.port, plan(TOPIC)), inlet, connected=False):
            await inlet.until_fact("link", "not_connected")
            await asyncio.sleep(1.5)
            broker.connack = b"\x20\x03\x00\x00\x00"
            await inlet.until_fact("link", "connected")
        assert len([f for f in inlet.facts if f.cause == "not_connected"]) == 1


async def test_di_03_telegraf_797_connect_asks_for_a_lasting_session_under_a_fixed_id() -> None:
    """influxdata/telegraf#797: a random client id made each session a new one."""
    async with ScriptedBroker.start() as broker:
        async with running(source(broker.port, plan(TOPIC)), FakeInlet()):
            session = await broker.session(0)
        connect = session.packets[0][1]
        assert connect[:7] == b"\x00\x04MQTT\x05"
        assert connect[7] & 0x02 == 0  # clean start
        assert connect[8:10] == (15).to_bytes(2)
        assert b"\x00\x05gw-01" in connect
        assert b"\x11" + (604_800).to_bytes(4) in connect
        assert b"\x21" + (500).to_bytes(2) in connect
        assert b"\x22\x00\x00" in connect
        assert b"\x27" not in connect[10 : 10 + connect[10]]  # no Maximum Packet Size
        subscribe = next(body for first, body in session.packets if first == 0x82)
        assert subscribe[2:] == b"\x02\x0b\x01" + len(TOPIC).to_bytes(2) + TOPIC.encode() + bytes([0x01 | 0x08 | 0x10])


async def test_queue_in_front_of_the_subacks_is_read_and_acknowledged() -> None:
    """The broker sends all it had queued before it answers SUBSCRIBE; twice the window must not block the link."""
    async with ScriptedBroker.start() as broker:
        broker.queue = [publish_packet(TOPIC, value(k), mid=k) for k in range(1, 101)]
        inlet = FakeInlet()
        async with running(source(broker.port, plan(TOPIC), receive_max=20), inlet):
            session = await broker.session(0)
            await session.until_acked(*range(1, 101))
        assert inlet.values() == [str(k) for k in range(1, 101)]
