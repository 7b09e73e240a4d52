"""Batch topics: what a message tells of a batch, and why one that cannot be understood is quarantined whole."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest

from gateway.adapters.mqtt.batch_topic import BatchTopic, compile_batch
from gateway.adapters.mqtt.payload import Quarantined
from gateway.domain.plan import BatchRoute
from gateway.ports import Fact

NOW = 1_795_316_780_000_000_000
TOPIC = "mes/batch"
PATHS = {
    "batch_id": "id",
    "event": "what",
    "effective_time": "at",
    "nodes": "equipment",
    "message_id": "msg",
    "client_key": "client",
    "phase": "phase",
    "product": "product.code",
}


def topic(**more: Any) -> BatchTopic:
    given = {"adapter": "mes", "topic": TOPIC, "paths": PATHS, "zone": "Europe/Zurich"}
    return compile_batch(BatchRoute(**(given | more)))


def cut(message: Any, made: BatchTopic | None = None, *, retained: bool = False) -> Fact | Quarantined:
    content = message if isinstance(message, bytes) else json.dumps(message).encode()
    return (made or topic()).cut(
        content, NOW, flags=("dup",), retained=retained, payload_bytes_max=4096, answer=None
    )  # fmt: skip


def detail(message: dict[str, Any], made: BatchTopic | None = None) -> dict[str, Any]:
    found = cut(message, made)
    assert isinstance(found, Fact), found
    assert (found.kind, found.address, found.content) == ("batch", TOPIC, json.dumps(message).encode())
    return found.detail or {}


def test_everything_a_message_tells():
    message = {
        "id": "B-1", "what": "start", "at": "2026-11-21T22:04:11.5+01:00", "msg": 77, "client": "C-014", "phase": "UP1",
        "product": {"code": "mAb"}, "equipment": ["BR-201", {"node": "R-204", "use": "room"}],
    }  # fmt: skip
    assert detail(message) == {
        "adapter": "mes",
        "batch": "B-1",
        "act": "start",
        "effective_ns": 1_795_295_051_500_000_000,
        "basis": "source",
        "key": "77",
        "client": "C-014",
        "phase": "UP1",
        "nodes": [{"node": "BR-201"}, {"node": "R-204", "use": "room"}],
        "header": {"product": "mAb"},
    }


def test_without_time_and_id_it_lives_by_its_receipt_and_its_bytes():
    message = {"id": "B-1", "what": "end"}
    key = sha256(TOPIC.encode() + json.dumps(message).encode()).hexdigest()
    assert detail(message) == {
        "adapter": "mes", "batch": "B-1", "act": "end", "effective_ns": NOW, "basis": "received", "key": key,
    }  # fmt: skip


def test_states_and_nodes_are_the_plants_own_words():
    made = topic(states={"Execute": "start", "5": "end"}, nodes={"R1": "BR-201"})
    assert detail({"id": "B-1", "what": "Execute", "equipment": "R1"}, made)["nodes"] == [{"node": "BR-201"}]
    assert detail({"id": "B-1", "what": 5}, made)["act"] == "end"


def test_without_a_path_of_nodes_it_speaks_of_those_it_lists_when_the_batch_takes_or_leaves_them():
    paths = {name: path for name, path in PATHS.items() if name != "nodes"}
    made = topic(paths=paths, nodes={"a": "BR-201", "b": "R-204"})
    assert detail({"id": "B-1", "what": "start"}, made)["nodes"] == [{"node": "BR-201"}, {"node": "R-204"}]
    assert "nodes" not in detail({"id": "B-1", "what": "end"}, made)


def test_time_without_offset_is_of_the_sites_zone():
    assert detail({"id": "B", "what": "end", "at": "2026-11-21T22:04:11"})["effective_ns"] == 1_795_295_051_000_000_000


@pytest.mark.parametrize(
    ("message", "reason", "why"),
    [
        (b"{", "not_json", "Expecting"),
        (b'{"id":1,"id":2}', "duplicate_key", "'id'"),
        (b"x" * 5000, "too_large", "5000"),
        ({"what": "start"}, "no_binding", "batch_id: missing"),
        ({"id": "", "what": "start"}, "no_binding", "batch_id: missing"),
        ({"id": "B/1", "what": "start"}, "no_binding", "no '/'"),
        ({"id": "B" * 65, "what": "start"}, "no_binding", "1 to 64"),
        ({"id": ["B"], "what": "start"}, "no_binding", "is no text"),
        ({"id": "B-1"}, "no_binding", "event: missing"),
        ({"id": "B-1", "what": "begin"}, "no_binding", "'begin' is no batch event"),
        ({"id": "B-1", "what": "amend"}, "no_binding", "'amend' is no batch event"),
        ({"id": "B-1", "what": "end", "at": "yesterday"}, "no_binding", "is no time"),
        ({"id": "B-1", "what": "end", "at": 1795316780}, "no_binding", "is no time"),
        ({"id": "B-1", "what": "start", "equipment": [{"use": "room"}]}, "no_binding", "nodes: node: missing"),
        ({"id": "B-1", "what": "start", "equipment": [{"node": "X", "use": "lab"}]}, "no_binding", "'lab'"),
        ({"id": "B-1", "what": "start", "equipment": ["X"] * 101}, "too_many", "101 nodes"),
    ],
)
def test_what_is_not_understood_is_quarantined_whole(message, reason, why):
    found = cut(message)
    assert isinstance(found, Quarantined)
    assert found.reason == reason
    assert why in found.why


def test_retained_message_is_an_event_only_where_it_says_when():
    assert isinstance(cut({"id": "B-1", "what": "end"}, retained=True), Quarantined)
    assert isinstance(cut({"id": "B-1", "what": "end", "at": "2026-11-21T22:04:11Z"}, retained=True), Fact)
