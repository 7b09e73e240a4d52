"""Commands on deliveries against the real process: test, list, show, replay; and the bundle that an event names."""

from __future__ import annotations

import json
import time
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import paho.mqtt.publish as paho
import pytest

from gateway.adapters.http import answers
from gateway.ledger.records import Audit, Delivery
from tests.counterparts.gateway_process import GatewayProcess, machine_mqtt
from tests.counterparts.http import Answer, ask
from tests.counterparts.mosquitto import Mosquitto
from tests.counterparts.qms import SECRET, Qms
from tests.integration.nab import RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

SCOPES = "batch.create,batch.start,batch.read,health.read,bundle.export,live.read,delivery.read,hook.test,hook.replay"
REASON = ("--reason", "site code corrected")


class StubbornQms(Qms):
    """Refuses deviations while ``refusing``; pings are taken."""

    refusing = True

    def take(self, headers: dict[str, str], content: bytes) -> tuple[int, dict[str, Any]]:
        if self.refusing and b"ping" not in content:
            return 422, {"error": "unknown site code"}
        return super().take(headers, content)


class Box:
    """A running gateway with one dead letter, and the words people type at it."""

    def __init__(self, gateway: GatewayProcess, qms: StubbornQms, token: Path) -> None:
        self.gateway = gateway
        self.qms = qms
        self.token = token

    def say(self, *words: str, code: int = 0) -> str:
        return self.gateway.run(
            *words, "--token-file", str(self.token), "--config", str(self.gateway.config), code=code
        )  # fmt: skip

    def told(self, *words: str, code: int = 0) -> Any:
        return json.loads(self.say(*words, "--json", code=code))

    def get(self, path: str, *, token: bool = True) -> Answer:
        headers = {"authorization": f"Bearer {self.token.read_text().strip()}"} if token else {}
        return ask(f"http://127.0.0.1:{self.gateway.api}{path}", headers=headers)


def until(done: Callable[[], object], what: str, seconds: float = 30.0) -> None:
    """Wait until `done` is true; a deadline, not a measure."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.1)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with Mosquitto(tmp_path / "broker") as broker, StubbornQms() as qms:
        gateway = GatewayProcess(
            tmp_path / "gw",
            connections={"plant": {"mqtt": {"url": f"mqtt://127.0.0.1:{broker.port}"}}},
            devices={"MCH-1-T": machine_mqtt("press-1")},
            limits=RULES,
            sinks={"main": qms.sink},
        )
        gateway.keep_secret("qms", SECRET)
        gateway.set_up()
        token = tmp_path / "int.token"
        gateway.run(
            "user", "add", "--machine", "--scope", SCOPES, "--token-file", str(token), "--config", str(gateway.config)
        )
        with gateway:
            gateway.wait_recording()
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.clock_gettime(time.CLOCK_REALTIME)))
            paho.single("machine/press-1/temperature", f'{{"n":1,"at":"{stamp}","t":40.0}}', 1, port=broker.port)
            until(
                lambda: any(isinstance(one, Delivery) and one.event == "dead" for one in gateway.records()),
                "the event is a dead letter",
            )
            yield Box(gateway, qms, token)
            gateway.verified()


def test_qm_04_a_dead_letter_is_shown_sent_again_and_confirmed(box: Box) -> None:
    event = "gw-01:dev:000001:1"
    said = box.say("hook", "list", "--failed", code=1)
    assert event in said
    assert "dead" in said
    assert "422 unknown site code" in said
    assert "1 not delivered, 1 dead, oldest 00:00:" in said
    said = box.say("hook", "show", event, code=1)
    assert "opened" in said
    assert "proof ok" in said
    assert '127.0.0.1  422 unknown site code  {"error": "unknown site code"}' in said
    assert "not confirmed. Next: correct the receiver, then gateway hook replay" in said
    said = box.say("hook", "replay", "--failed", "--dry-run")
    assert f"would send {event} to main (prepared " in said
    assert "1 event, nothing sent" in said
    assert "SIG-006" in box.say("hook", "replay", event, "--reason", "xxxxxx", code=1)

    box.qms.refusing = False
    assert "1 event, sent next" in box.say("hook", "replay", "--failed", *REASON)
    until(lambda: box.told("hook", "show", event, code=1 if not box.qms.events else 0)["deliveries"], "it is shown")
    until(lambda: [one["state"] for one in box.told("hook", "list")["items"]] == ["confirmed"], "it is confirmed")
    assert [one["webhook-id"] for one in box.qms.events] == [event]
    assert "HOOK-06: gw-01:dev:000001:1 is confirmed as QE-00001" in box.say("hook", "replay", event, *REASON, code=1)
    since = ("--since", "2026-01-01T00:00:00+01:00")
    said = box.say("hook", "replay", *since, *REASON)
    assert said.splitlines() == ["0 events, sent next", "1 confirmed: left as they are; --to SINK sends copies"]
    assert "no QMS sink 'mian'" in box.say("hook", "replay", *since, "--to", "mian", *REASON, code=1)
    said = box.say("hook", "replay", *since, "--to", "main", "--dry-run")
    assert said.startswith(f"would send {event} to main (prepared ")
    assert f"{event} to main: due now" in box.say("hook", "replay", *since, "--to", "main", *REASON)
    until(lambda: len(box.qms.events) > 1, "the copy is there")
    assert box.qms.events[1] == box.qms.events[0]
    acts = [(one.operation, one.outcome, one.reason) for one in box.gateway.records() if isinstance(one, Audit)]
    assert acts == [("hook.replay", "done", REASON[1])] * 2
    replayed = [one for one in box.gateway.records() if isinstance(one, Delivery) and one.event == "replay"]
    assert [(one.person, one.reason, one.cause) for one in replayed] == [
        ("P-000002", REASON[1], "person"),
        ("P-000002", REASON[1], "copy"),
    ]


def test_a_sink_is_tested_with_a_ping_of_this_day(box: Box) -> None:
    said = box.say("hook", "test", "main", "--dry-run")
    assert said.startswith("curl -X POST")
    assert "webhook-signature: ***" in said
    said = box.say("hook", "test", "main", "--type", "deviation.condition_ended", "--dry-run")
    assert "webhook-id: gw-00:dev:T000001:2" in said
    assert "gxp.gateway.deviation.condition_ended.v1" in said
    assert box.qms.events == []
    said = box.say("hook", "test", "main")
    assert "gxp.gateway.ping.v1  id gw-01:ping:000001:1" in said
    assert "OK  transport works; a ping proves no receipt" in said
    (ping,) = box.qms.events
    assert ping["data"] == {"sink": "main"}
    assert ping["time"][:4] == str(time.gmtime(time.clock_gettime(time.CLOCK_REALTIME)).tm_year)
    assert "no QMS sink 'mian'" in box.say("hook", "test", "mian", code=1)


def test_the_bundle_an_event_names_is_served_and_made_again(box: Box) -> None:
    box.qms.refusing = False
    box.say("hook", "replay", "--failed", *REASON)
    until(lambda: box.qms.events, "the event arrives")
    evidence = box.qms.events[0]["data"]["evidence"]
    path, whole = urlsplit(evidence["bundle_url"]).path, evidence["bundle_sha256"]
    first = box.get(path)
    assert (first.status, sha256(first.body).hexdigest()) == (200, whole)
    (kept,) = (box.gateway.config.parent / "data" / "state" / "evidence").glob("*.zip")
    kept.unlink()
    assert box.get(f"/evidence/{whole}.zip").body == first.body
    kept.write_bytes(b"not what its name says")
    assert box.get(path).body == first.body
    assert box.get("/evidence/00000000.zip").status == 404
    assert box.get("/evidence/0.zip").status == 422
    assert box.get(path, token=False).status == 401
    until(lambda: len(exports(box)) == 4, "the refusal is recorded")
    assert [one.outcome for one in exports(box)] == ["done", "done", "done", "refused:ACC-001"]
    assert {one.facts["bundle_sha256"] for one in exports(box)[:3]} == {whole}


def exports(box: Box) -> list[Any]:
    return [one for one in box.gateway.records() if isinstance(one, Audit) and one.operation == "bundle.export"]


def test_excursions_and_deviations_are_listed_and_shown(box: Box) -> None:
    (excursion,) = box.told("excursion", "list", "--open")["items"]
    (deviation,) = box.told("deviation", "list", "--open")["items"]
    assert excursion["deviations"] == [deviation["deviation"]] == ["DEV-gw01-000001"]
    assert deviation["excursions"] == [excursion["excursion"]]
    assert "MCH-1-T/temp:low.action" in box.say("excursion", "show", excursion["excursion"])
    assert "revision 1 open" in box.say("deviation", "show", "DEV-gw01-000001")
    assert "no deviation 'DEV-gw01-000009'" in box.say("deviation", "show", "DEV-gw01-000009", code=1)


def test_real_answers_are_those_of_the_description(box: Box) -> None:
    event = "gw-01:dev:000001:1"
    box.say("batch", "start", "B-1", "--equipment", "MCH-1")
    until(lambda: box.told("deviation", "list")["items"][0]["batches"] == ["B-1"], "the deviation names the batch")
    excursion = box.told("excursion", "list")["items"][0]["excursion"]
    for path, model in (
        ("/api/v1/batches", answers.BatchList),
        ("/api/v1/batches/B-1", answers.BatchAnswer),
        ("/api/v1/signals", answers.SignalList),
        ("/api/v1/health", answers.HealthAnswer),
        ("/api/v1/deliveries", answers.DeliveryList),
        (f"/api/v1/deliveries/{event}", answers.DeliveryAnswer),
        ("/api/v1/excursions", answers.ExcursionList),
        (f"/api/v1/excursions/{excursion}", answers.ExcursionAnswer),
        ("/api/v1/deviations", answers.DeviationList),
        ("/api/v1/deviations/DEV-gw01-000001", answers.DeviationAnswer),
    ):
        answer = box.get(path)
        assert answer.status == 200
        model.model_validate_json(answer.body)
    answers.Problem.model_validate_json(box.get("/api/v1/deliveries/nothing").body)
    answers.Problem.model_validate_json(box.get("/api/v1/excursions?opn=true").body)
    for told, model in (
        (box.told("hook", "test", "main", "--dry-run"), answers.HookTestAnswer),
        (box.told("hook", "test", "main"), answers.HookTestAnswer),
        (box.told("hook", "replay", "--failed", "--dry-run"), answers.ReplayFailedAnswer),
        (box.told("hook", "replay", event, *REASON), answers.ReplayAnswer),
    ):
        told.pop("format")
        model.model_validate(told)


def test_us_19_two_batches_one_excursion_two_impact_entries_at_the_qms(box: Box) -> None:
    box.qms.refusing = False
    for batch in ("B-1", "B-2"):
        box.say("batch", "start", batch, "--equipment", "MCH-1")
    until(lambda: box.qms.events and box.qms.events[-1]["sequence"] == "3", "the third revision arrives")
    told = box.qms.events[-1]["data"]
    assert len(told["excursions"]) == 1
    assert [one["batch_id"] for one in told["batches"]] == ["B-1", "B-2"]
