"""The MQTT source on a real Mosquitto: acknowledged after the commit, in order, only on its own connection."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from gateway.ports import Outcome
from tests.counterparts.mosquitto import Mosquitto
from tests.fakes.inlet import FakeInlet
from tests.integration.mqtt_plant import plan, publish, publisher, resume_of, running, shipped_conf, source

pytestmark = pytest.mark.integration

TOPIC = "env/r-204/sensor"


async def test_reading_comes_with_its_times_position_and_payload(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        inlet = FakeInlet()
        async with running(source(broker.port, plan(TOPIC)), inlet):
            await publish(broker.port, TOPIC, ["21.50"])
            await inlet.until_values(1)
        (parcel,) = [one for one in inlet.parcels if one.samples]
        (sample,) = parcel.samples
        assert (parcel.incarnation, parcel.epoch) == (1, 1)
        assert parcel.position > 0
        assert sample.raw.value == "21.50"
        assert sample.payload is not None
        assert sample.payload.content == b'{"v":21.50}'
        assert sample.received_ns > 1_700_000_000_000_000_000
        assert sample.boot_ns > 0


async def test_link_event_names_what_was_asked_and_granted(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        inlet = FakeInlet()
        async with running(source(broker.port, plan(TOPIC, watch=["env/#"])), inlet):
            fact = await inlet.until_fact("link", "connected")
    assert fact.detail == {
        "client_id": "gw-01",
        "endpoint": f"mqtt://127.0.0.1:{broker.port}",
        "findings": [],
        "granted": 2,
        "keepalive_s": 15,
        "protocol": "5",
        "receive_max": 500,
        "refused": [],
        "session_expiry_s": 604_800,
        "session_present": False,
    }


async def test_di_05_paho_348_nothing_is_acknowledged_before_it_is_committed(tmp_path: Path) -> None:
    """eclipse/paho.mqtt.python#348: acknowledged on arrival; here what was not committed comes again after a crash."""
    with Mosquitto(tmp_path) as broker:
        made, inlet = plan(TOPIC), FakeInlet(settle_at_once=False)
        async with running(source(broker.port, made), inlet):
            inlet.commit()
            await publish(broker.port, TOPIC, range(40))
            await inlet.until_values(40)
            inlet.commit(25)
            await asyncio.sleep(0.2)
        again = FakeInlet(resume_with=resume_of(inlet.committed))
        async with running(source(broker.port, made), again):
            await again.until_values(15)
            await publish(broker.port, TOPIC, [99])
            await again.until_values(16)
        assert [*(str(s.raw.value) for p in inlet.committed for s in p.samples), *again.values()] == [
            *(str(k) for k in range(40)), "99",
        ]  # fmt: skip
        assert again.samples[-2].flags == ("dup",)


async def test_di_03_repeat_of_a_committed_message_adds_nothing(tmp_path: Path) -> None:
    """Committed, and the process died before its PUBACK left: the broker sends again, the ledger knows it."""
    with Mosquitto(tmp_path) as broker:
        made, inlet = plan(TOPIC), FakeInlet(settle_at_once=False)
        async with running(source(broker.port, made), inlet):
            await publish(broker.port, TOPIC, range(10))
            await inlet.until_values(10)
        kept = inlet.parcels[:8]  # the disk had them; nothing was settled
        again = FakeInlet(resume_with=resume_of(kept))
        running_again = source(broker.port, made)
        async with running(running_again, again):
            await publish(broker.port, TOPIC, [10])
            await again.until_values(11 - (len([p for p in kept if p.samples])))
            assert running_again.counts["repeats"] == len([p for p in kept if p.samples])
        values = [*(str(s.raw.value) for p in kept for s in p.samples), *again.values()]
        assert values == [str(k) for k in range(11)]


async def test_window_full_and_commit_stalled_holds_the_broker_at_receive_maximum(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, conf=shipped_conf(tmp_path)) as broker:
        inlet = FakeInlet(settle_at_once=False)
        async with running(source(broker.port, plan(TOPIC), receive_max=20, keepalive_s=1), inlet):
            await publish(broker.port, TOPIC, range(100))
            await inlet.until_values(20)
            await asyncio.sleep(3)
            assert len(inlet.samples) == 20
            for _ in range(20):
                inlet.commit()
                await asyncio.sleep(0.05)
            await inlet.until_values(100)
        assert inlet.values() == [str(k) for k in range(100)]
        assert len([f for f in inlet.facts if f.cause == "connected"]) == 1


async def test_offer_that_waits_takes_the_reader_off_the_wire(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, conf=shipped_conf(tmp_path)) as broker:
        inlet = FakeInlet()
        made = source(broker.port, plan(TOPIC, qos_expected=0), receive_max=20, keepalive_s=1)
        async with running(made, inlet):
            inlet.fill()
            await publish(broker.port, TOPIC, range(3000), qos=0)
            await asyncio.sleep(3)
            assert made._connection is not None
            assert made._connection.held <= made._connection.held_max
            inlet.empty()
            await inlet.until_values(3000)
        assert inlet.values() == [str(k) for k in range(3000)]
        assert not [f for f in inlet.facts if f.cause == "lost"]


async def test_discarded_ends_the_connection_and_the_messages_come_again(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        inlet = FakeInlet(settle_at_once=False)
        async with running(source(broker.port, plan(TOPIC)), inlet):
            inlet.commit()
            await publish(broker.port, TOPIC, [1, 2])
            await inlet.until_values(2)
            inlet.discard()
            await inlet.until_fact("link", "connected", times=2)
            await inlet.until_values(4)
        assert inlet.values() == ["1", "2", "1", "2"]


async def test_us_08_unknown_publisher_is_quarantined_and_overlap_adds_nothing(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        inlet = FakeInlet()
        made = source(broker.port, plan(TOPIC, watch=["env/#"]))
        async with running(made, inlet):
            await publish(broker.port, "env/r-999/sensor", [7])
            await publish(broker.port, TOPIC, [1, 1, 1, 2])
            fact = await inlet.until_fact("quarantine", "unknown_source")
            await inlet.until_values(4)
            await asyncio.sleep(0.2)
        assert inlet.values() == ["1", "1", "1", "2"]
        assert (fact.address, fact.content) == ("env/r-999/sensor", b'{"v":7}')
        assert made.counts["overlap_copies"] == 4


async def test_di_03_telegraf_9703_changed_topics_count_at_once_and_old_ones_are_given_back(tmp_path: Path) -> None:
    """influxdata/telegraf#9703: with a persistent session changed topics were ignored."""
    with Mosquitto(tmp_path) as broker:
        first = FakeInlet()
        async with running(source(broker.port, plan(TOPIC, "old/topic")), first):
            pass
        inlet = FakeInlet(resume_with=resume_of(first.committed))
        async with running(source(broker.port, plan(TOPIC)), inlet):
            await publish(broker.port, "old/topic", [1])
            fact = await inlet.until_fact("quarantine", "no_binding")
            await asyncio.sleep(0.3)
            await publish(broker.port, "old/topic", [2])
            await publish(broker.port, TOPIC, [3])
            await inlet.until_values(1)
        assert fact.address == "old/topic"
        assert len([f for f in inlet.facts if f.kind == "quarantine"]) == 1


async def test_di_03_retained_value_is_never_current(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        await publish(broker.port, TOPIC, [1], retain=True)
        inlet = FakeInlet()
        async with running(source(broker.port, plan(TOPIC)), inlet):
            await inlet.until_values(1)
            await publish(broker.port, TOPIC, [2], retain=True)
            await inlet.until_values(2)
        assert [(s.raw.value, s.provenance.value, s.flags) for s in inlet.samples] == [
            ("1", "retained", ("retain",)),
            ("2", "live", ("retain",)),
        ]


async def test_di_03_refused_retained_message_is_quarantined(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        await publish(broker.port, TOPIC, [1], retain=True)
        inlet = FakeInlet()
        async with running(source(broker.port, plan(TOPIC, retained="refuse")), inlet):
            fact = await inlet.until_fact("quarantine", "no_binding")
        assert fact.flags == ("retain",)
        assert not inlet.samples


async def test_qos_0_is_recorded_flagged_and_told_once_where_nobody_asked_for_it(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        inlet = FakeInlet()
        async with running(source(broker.port, plan(TOPIC)), inlet):
            await publish(broker.port, TOPIC, [1, 2], qos=0)
            await inlet.until_values(2)
        assert {s.flags for s in inlet.samples} == {("qos0",)}
        assert [f.detail for f in inlet.facts if f.cause == "qos0_unasked"] == [{"topic": TOPIC}]


async def test_payload_of_5_mb_is_quarantined_and_the_next_message_read(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        inlet = FakeInlet()
        async with running(source(broker.port, plan(TOPIC)), inlet), publisher(broker.port) as device:
            await device.publish(TOPIC, b"x" * 5_000_000, qos=1)
            await device.publish(TOPIC, b'{"v":1}', qos=1)
            await inlet.until_values(1)
            fact = await inlet.until_fact("quarantine", "too_large")
        assert fact.content is not None
        assert len(fact.content) == 5_000_000


async def test_link_topic_says_online_and_the_will_says_offline(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        inlet = FakeInlet()
        async with publisher(broker.port, client_id="watcher") as watcher:
            await watcher.subscribe("gateway/gw-01/link/plant", qos=1)
            states = aiter(watcher.messages)
            async with running(source(broker.port, plan(TOPIC), will_delay_s=0), inlet):
                assert json.loads((await anext(states)).payload)["state"] == "online"
            async with asyncio.timeout(10):
                assert json.loads((await anext(states)).payload)["state"] == "offline"


async def test_di_05_nodered_3452_orderly_stop_acknowledges_what_waits_and_keeps_the_subscription(
    tmp_path: Path,
) -> None:
    """node-red/node-red#3452: unsubscribed at each stop; here what comes while we are away waits for us."""
    with Mosquitto(tmp_path) as broker:
        made, inlet = plan(TOPIC), FakeInlet(settle_at_once=False)
        stopping = source(broker.port, made)
        async with running(stopping, inlet):
            await publish(broker.port, TOPIC, [1])
            await inlet.until_values(1)
            stopping.quiesce()
            stopped = await inlet.until_fact("link", "stopped")
            assert stopped.detail == {"endpoint": f"mqtt://127.0.0.1:{broker.port}", "messages": 1}
            await publish(broker.port, TOPIC, [2])
            inlet.commit()
            await asyncio.sleep(0.1)
        await publish(broker.port, TOPIC, [3])
        again = FakeInlet(resume_with=resume_of(inlet.committed))
        async with running(source(broker.port, made), again):
            await again.until_values(2)
        assert [*inlet.values(), *again.values()] == ["1", "2", "3"]
        assert not [f for f in again.facts if f.kind.startswith("gap")]


async def test_mqtt_3_1_1_keeps_the_session_too(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        made, inlet = plan(TOPIC), FakeInlet(settle_at_once=False)
        async with running(source(broker.port, made, protocol="3.1.1"), inlet):
            inlet.commit()
            await publish(broker.port, TOPIC, [1, 2])
            await inlet.until_values(2)
            inlet.commit(1)
            await asyncio.sleep(0.1)
        again = FakeInlet(resume_with=resume_of(inlet.committed))
        async with running(source(broker.port, made, protocol="3.1.1"), again):
            await again.until_values(1)
        assert again.values() == ["2"]
        assert again.samples[0].flags == ("dup",)


async def test_item_refused_is_a_gap_until_the_broker_grants_it(tmp_path: Path) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic readwrite free/#\ntopic write gateway/#\n")
    acl.chmod(0o600)
    conf = f"acl_file {acl}\nallow_anonymous true"
    with Mosquitto(tmp_path, conf=conf) as broker:
        inlet = FakeInlet()
        async with running(source(broker.port, plan("free/a", TOPIC)), inlet):
            fact = await inlet.until_fact("link", "connected")
            assert fact.detail is not None
            if fact.detail["refused"]:
                gap = await inlet.until_fact("gap_opened", "item_refused")
                assert gap.addresses == (f"{TOPIC}#v",)


async def test_settle_after_the_loss_of_the_connection_says_nothing_to_anyone(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        inlet = FakeInlet(settle_at_once=False)
        async with running(source(broker.port, plan(TOPIC)), inlet):
            await publish(broker.port, TOPIC, [1])
            await inlet.until_values(1)
            late = [p for p in inlet.parcels if p.samples]
        for parcel in late:
            parcel.settle(Outcome.COMMITTED)
        again = FakeInlet()
        async with running(source(broker.port, plan(TOPIC)), again):
            await again.until_values(1)
        assert again.values() == ["1"]
