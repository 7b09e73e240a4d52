"""Batch topics on the wire: acknowledged after the commit, beside readings or alone, answered even over a lost connection."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from msgspec.structs import replace

from gateway.domain.plan import BatchRoute, MqttPlan
from gateway.ports import Fact
from tests.adapters.mqtt.scripted_broker import ScriptedBroker, Session, publish_packet
from tests.fakes.inlet import FakeInlet
from tests.integration.mqtt_plant import plan, running, source

READINGS, BATCHES, REPLY = "env/r-204/sensor", "mes/batch", "mes/batch/answer"
START = b'{"id":"B-1","what":"start","v":7}'


def batch_plan(topic: str = BATCHES) -> MqttPlan:
    route = BatchRoute(adapter="mes", topic=topic, paths={"batch_id": "id", "event": "what"}, reply=REPLY, zone="UTC")
    return replace(plan(READINGS), batches=(route,))


def published(session: Session, topic: str) -> list[Any]:
    """Payloads that we published on a topic at QoS 1."""
    name = topic.encode()
    found = [body for first, body in session.packets if first & 0xF6 == 0x32 and body[2 : 2 + len(name)] == name]
    return [json.loads(body[body.index(b"{") :]) for body in found]


def told(inlet: FakeInlet) -> list[Fact]:
    return [fact for fact in inlet.facts if fact.kind == "batch"]


async def until(done: Any) -> None:
    async with asyncio.timeout(10):
        while not done():
            await asyncio.sleep(0.01)


async def test_di_05_puback_of_a_batch_event_follows_the_commit_and_its_copy_is_not_offered_again() -> None:
    async with ScriptedBroker.start() as broker:
        inlet = FakeInlet(settle_at_once=False)
        async with running(source(broker.port, batch_plan()), inlet):
            session = await broker.session(0)
            inlet.commit()
            session.send(publish_packet(BATCHES, START, mid=9), publish_packet(READINGS, b'{"v":1}', mid=10))
            await inlet.until_values(1)
            session.send(publish_packet(BATCHES, START, mid=9, dup=True))
            await asyncio.sleep(0.1)
            assert session.acked() == []
            inlet.commit()
            await session.until_acked(9, 10, 9)
        (fact,) = told(inlet)
        assert (fact.address, fact.content, (fact.detail or {})["act"]) == (BATCHES, START, "start")


async def test_answer_waits_for_the_next_connection() -> None:
    async with ScriptedBroker.start() as broker:
        inlet = FakeInlet()
        async with running(source(broker.port, batch_plan()), inlet):
            one = await broker.session(0)
            one.send(publish_packet(BATCHES, START, mid=1))
            await until(lambda: told(inlet))
            answer = told(inlet)[0].answer
            assert answer is not None
            answer({"event_key": "k1", "ledger_index": 4, "effect": "applied"})
            await until(lambda: published(one, REPLY))
            one.drop()
            await inlet.until_fact("link", "lost")
            answer({"event_key": "k2", "ledger_index": 5, "effect": "repeat"})
            two = await broker.session(1)
            await until(lambda: published(two, REPLY))
        assert published(one, REPLY) == [{"event_key": "k1", "ledger_index": 4, "effect": "applied"}]
        assert published(two, REPLY) == [{"event_key": "k2", "ledger_index": 5, "effect": "repeat"}]


async def test_one_message_may_hold_a_reading_and_a_batch_event() -> None:
    async with ScriptedBroker.start() as broker:
        inlet = FakeInlet()
        async with running(source(broker.port, batch_plan(READINGS)), inlet):
            session = await broker.session(0)
            session.send(publish_packet(READINGS, START, mid=1))
            await session.until_acked(1)
        (parcel,) = [one for one in inlet.parcels if one.samples]
        assert [fact.kind for fact in parcel.facts if fact.kind != "link"] == ["batch"]
        assert inlet.values() == ["7"]


async def test_what_is_not_understood_is_quarantined_and_acknowledged() -> None:
    async with ScriptedBroker.start() as broker:
        inlet = FakeInlet()
        async with running(source(broker.port, batch_plan()), inlet):
            session = await broker.session(0)
            session.send(publish_packet(BATCHES, b'{"id":"B-1","what":"begin"}', mid=1))
            await session.until_acked(1)
        (fact,) = [one for one in inlet.facts if one.kind == "quarantine"]
        assert (fact.cause, fact.address, fact.content) == ("no_binding", BATCHES, b'{"id":"B-1","what":"begin"}')
        assert "'begin'" in (fact.detail or {})["why"]


async def test_retained_event_of_an_old_day_is_no_event_of_now() -> None:
    async with ScriptedBroker.start() as broker:
        inlet = FakeInlet()
        async with running(source(broker.port, batch_plan()), inlet):
            session = await broker.session(0)
            session.send(publish_packet(BATCHES, START, mid=1, retain=True), publish_packet(BATCHES, START, mid=2))
            await session.until_acked(1, 2)
        assert [fact.kind for fact in inlet.facts if fact.address == BATCHES] == ["quarantine", "batch"]
