"""Batches by MQTT: a real broker, the real process; out of order, repeated, over a restart, with the answer read back."""

from __future__ import annotations

import json
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gateway.ledger.records import Batch, Quarantine
from tests.counterparts.gateway_process import NODE, GatewayProcess, machine_mqtt
from tests.counterparts.mosquitto import Mosquitto

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

TOPIC, REPLY = "mes/batch", "mes/batch/answer"
PATHS = {
    "batch_id": "id",
    "event": "what",
    "effective_time": "at",
    "nodes": "on",
    "message_id": "n",
    "product": "product",
}
ADAPTER = {
    "kind": "mqtt",
    "connection": "plant",
    "topic": TOPIC,
    "reply": REPLY,
    "auto_create": True,
    "paths": PATHS,
    "states": {"RUN": "start", "DONE": "end"},
    "nodes": {"press": NODE},
}


class Mes:
    """A system that tells of batches and hears the answers."""

    def __init__(self, port: int) -> None:
        self.answers: deque[dict[str, Any]] = deque()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="mes")
        self._client.on_message = lambda _client, _data, message: self.answers.append(json.loads(message.payload))
        self._client.connect("127.0.0.1", port)
        self._client.subscribe(REPLY, qos=1)
        self._client.loop_start()

    def say(self, message: dict[str, Any] | bytes) -> None:
        content = message if isinstance(message, bytes) else json.dumps(message).encode()
        self._client.publish(TOPIC, content, qos=1).wait_for_publish(20)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def until(done: Callable[[], object], what: str, seconds: float = 30.0) -> None:
    """Wait until `done` is true; a deadline, not a measure."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.05)


def told(gateway: GatewayProcess) -> list[tuple[str, str, str]]:
    return [(one.batch, one.event, str(one.effect)) for one in gateway.records() if isinstance(one, Batch)]


def test_batches_start_and_end_by_mqtt_out_of_order_repeated_and_over_a_restart(tmp_path: Path) -> None:
    minute = [f"2025-10-01T08:{m:02}:00Z" for m in range(60)]
    with Mosquitto(tmp_path / "broker") as broker:
        gateway = GatewayProcess(
            tmp_path / "gw",
            connections={"plant": {"mqtt": {"url": f"mqtt://127.0.0.1:{broker.port}"}}},
            devices={"MCH-1-T": machine_mqtt("press-1")},
        )
        gateway.settings["batch"] = {"adapters": {"mes": ADAPTER}}
        gateway.write()
        gateway.set_up()
        mes = Mes(broker.port)
        with gateway:
            gateway.wait_recording()
            end = {"id": "B-1", "what": "DONE", "at": minute[40], "n": "e1"}
            start = {"id": "B-1", "what": "RUN", "at": minute[10], "on": ["press"], "n": "s1", "product": "mAb"}
            for message in (end, start, start, {"id": "B-2", "what": "RUN", "at": minute[20], "on": "press"}):
                mes.say(message)
            mes.say({"id": "B-3", "what": "RUN", "on": ["nowhere"], "n": "x1"})
            mes.say(b'{"id": "B-4"}')
            until(lambda: len(mes.answers) == 5, "five answers")
        first = [
            ("B-1", "end", "pending"),
            ("B-1", "start", "applied"),
            ("B-1", "end", "applied"),
            ("B-2", "start", "applied"),
        ]
        assert told(gateway) == first
        records = gateway.records()
        answers = [(one["event_key"], one["effect"]) for one in mes.answers]
        assert answers[:3] == [("e1", "pending"), ("s1", "applied"), ("s1", "applied")]
        assert answers[3][1:] == ("applied",)
        assert answers[4] == ("x1", "refused")
        for answer in list(mes.answers)[:4]:
            record = records[answer["ledger_index"]]
            assert isinstance(record, Batch)
            assert (record.event_key, record.effect, record.adapter) == (answer["event_key"], answer["effect"], "mes")
        taken = records[mes.answers[1]["ledger_index"]]
        assert isinstance(taken, Batch)
        assert taken.evidence.utf8 == json.dumps(start)
        assert (taken.header, [n.node for n in taken.nodes]) == ({"product": "mAb"}, [NODE])
        refused = [one for one in records if isinstance(one, Quarantine)]
        assert [(one.reason, (one.facts or {}).get("code")) for one in refused] == [
            ("no_binding", "BAT-001"),
            ("no_binding", None),
        ]

        mes.answers.clear()
        mes.say(start)  # while the gateway is down the broker keeps it
        mes.say({"id": "B-2", "what": "DONE", "at": minute[50]})
        with gateway:
            until(lambda: len(mes.answers) == 2, "two answers after the restart")
            shown = json.loads(gateway.batch("show", "B-1", "--json"))
            assert (shown["state"], len(shown["nodes"])) == ("ended", 1)
        assert mes.answers[0]["ledger_index"] == records.index(taken)
        assert told(gateway) == [*first, ("B-2", "end", "applied")]
        gateway.verified()
        mes.close()
