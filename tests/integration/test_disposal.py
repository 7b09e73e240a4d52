"""Disposal on the real process: refused while a rule lasts, then recorded, removed and survived by everything that reads (US-04)."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.adapters.segment_store.verify_folder import verify_folder
from gateway.ledger.policy import parse_policy
from gateway.ledger.records import Audit, Config, Excursion, Gateway, parse_record
from tests.counterparts.gateway_process import SCOPES, GatewayProcess, machine_mqtt
from tests.counterparts.http import ask
from tests.counterparts.mosquitto import Mosquitto
from tests.counterparts.mqtt_load import Sender, publish_packet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.fault, pytest.mark.timeout(300)]

TOPIC = "machine/press-1/temperature"
READINGS = 66_000
YEARS = "2"


class LaterGateway(GatewayProcess):
    """The same gateway, years later once ``later`` is set."""

    later = False

    def command(self) -> list[str]:
        words = super().command()
        return [*words[:1], "-m", "tests.counterparts.later_gateway", YEARS, *words[3:]] if self.later else words

    def run(self, *words: str, code: int = 0) -> str:
        if not self.later:
            return super().run(*words, code=code)
        command = [sys.executable, "-m", "tests.counterparts.later_gateway", YEARS, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=self.env)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def add_account(self) -> None:
        scope = f"{SCOPES},ledger.prune"
        given = ["--machine", "--scope", scope, "--token-file", str(self.token), "--config", str(self.config)]
        self.token.unlink(missing_ok=True)
        self.run("user", "add", *given)

    def prune(self, *words: str, code: int = 0) -> str:
        given = ["--token-file", str(self.token), "--config", str(self.config)]
        return self.run("ledger", "prune", *words, *given, code=code)

    def judged(self) -> bool:
        account = ["--token-file", str(self.token), "--config", str(self.config)]
        words = [sys.executable, *self.command()[1:4], "ledger", "prune", "--dry-run", *account]
        done = subprocess.run(words, capture_output=True, text=True, timeout=100, check=False, env=self.env)
        return "still being judged" not in done.stderr

    def tell(self, batch: str, **body: object) -> None:
        answer = ask(
            f"http://127.0.0.1:{self.api}/api/v1/batches/{batch}/events",
            body=json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.token.read_text().strip()}",
                "Content-Type": "application/json",
                "Idempotency-Key": f"{batch}-{body['event']}",
            },
        )
        assert answer.status in {200, 201}, answer.body


def until(done: Callable[[], object], what: str, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.2)


def publish(port: int) -> None:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.clock_gettime(time.CLOCK_REALTIME)))
    sender = Sender(port)
    sender.send(
        [
            publish_packet(TOPIC, f'{{"n":{n},"at":"{at}","t":{n % 90}}}'.encode(), n % 65_535 + 1)
            for n in range(1, READINGS + 1)
        ],
        500,
        0,
    )
    sender.close()


def first_life(gateway: LaterGateway, port: int) -> None:
    """A batch past its rule by now, and more readings than a segment holds."""
    gateway.set_up()
    gateway.add_account()
    with gateway:
        gateway.wait_recording()
        rules = {"retention_rules": "us-drug", "expires_on": "2020-01-01"}
        for event, more in (("create", {"header": rules}), ("start", {"nodes": [{"node": "MCH-1"}]}), ("end", {})):
            gateway.tell("B-OLD", event=event, **more)
        publish(port)
        packed = gateway.ledger / "seg" / "00000000000000000000.seg.zst"
        until(packed.exists, "the first segment is sealed")
        refused = gateway.prune("--dry-run", code=1)
        assert "RET-001: keep until 20" in refused
        assert "(site-01); nothing removed" in refused


def test_us_04_disposal_is_refused_while_a_rule_lasts_and_survived_by_everything_afterwards(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker", conf="max_queued_messages 0\nmax_inflight_messages 0") as broker:
        gateway = LaterGateway(
            tmp_path / "gw",
            connections={"plant": {"mqtt": {"url": f"mqtt://127.0.0.1:{broker.port}"}}},
            devices={"MCH-1-T": machine_mqtt("press-1")},
        )
        gateway.settings["batch"] = {
            "retention": {"site-01": {"from": "recorded_on", "years": 1}},
            "pre_roll_s": 0,
            "post_roll_s": 0,
        }
        gateway.write()
        first_life(gateway, broker.port)
        excursions = [one for one in gateway.records() if isinstance(one, Excursion)]
        gateway.later = True
        gateway.add_account()
        with gateway:
            until(gateway.judged, "the fold is level")
            assert gateway.prune("--dry-run").startswith("would prune 0..65,535, 1 batches; then: ")
            assert "reason is needed" in gateway.prune(code=1)
            said = gateway.prune("--reason", "disposal list 2028-11")
            assert said.startswith("pruned 0..65,535 by record 66,"), said
            assert not (gateway.ledger / "seg" / "00000000000000000000.seg.zst").exists()
            assert "RET-001" in gateway.prune("--reason", "once more", code=1)
            time.sleep(1)
            gateway.kill()
        check_record(gateway)
        with gateway:
            gateway.wait_recording()
            refused = gateway.run(
                "batch", "start", "B-OLD", "--equipment", "MCH-1", "--token-file", str(gateway.token),
                "--config", str(gateway.config), code=1,
            )  # fmt: skip
            assert "BAT-006" in refused
            gateway.batch("start", "B-NEW", "--equipment", "MCH-1")
            gateway.batch("end", "B-NEW")
            bundle = tmp_path / "B-NEW.zip"
            gateway.batch("bundle", "B-NEW", "-o", str(bundle))
            assert "VERIFIED" in gateway.run("verify", str(bundle))
            listed = gateway.batch("list")
            assert "B-NEW" in listed
            assert "B-OLD" not in listed
        check_folder(gateway, tmp_path)
        told = [one for one in gateway.records() if isinstance(one, Excursion)]
        old = {one.excursion for one in excursions}
        newest = max((one.t0_ns for one in excursions), default=0)
        assert all(one.t0_ns > newest for one in told if one.excursion not in old), "the past was found anew"


def check_record(gateway: LaterGateway) -> None:
    records = gateway.records()
    [pruned] = [one for one in records if isinstance(one, Gateway) and one.event == "pruned"]
    assert pruned.dev is True
    told = {
        name: pruned.facts[name] for name in ("first", "last", "count", "policy", "batches", "approval", "signatures")
    }
    assert told == {
        "first": 0,
        "last": 65_535,
        "count": 65_536,
        "policy": "site-01 us-drug",
        "batches": ["B-OLD"],
        "approval": "off",
        "signatures": 0,
    }
    [audit] = [one for one in records if isinstance(one, Audit) and one.operation == "ledger.prune"]
    assert (audit.reason, audit.role) == ("disposal list 2028-11", "machine")
    assert any(isinstance(one, Config) and one.event == "effective" for one in records), "what stays is explained"


def check_folder(gateway: LaterGateway, tmp_path: Path) -> None:
    policy = parse_policy((gateway.ledger / "keys" / "policy").read_text())
    result = verify_folder(gateway.ledger, policy=policy, all_seals=True)
    assert result.exit_code == 0, result.lines()
    assert result.lines()[0].startswith("note: pruned 0..65,535 by record 66,")
    config = ["--config", str(gateway.config)]
    assert "entries, " in gateway.run("ledger", "rebuild-index", *config)
    assert "record 17 is pruned" in gateway.run("ledger", "prove", "17", *config, code=1)
    assert "inclusion, " in gateway.run("ledger", "prove", "65600", *config)
    assert "0 findings" in gateway.run("ledger", "scrub", *config)
    assert "files" in gateway.run("ledger", "export", "--to", str(tmp_path / "tiles"), *config)
    first = next(iter(LedgerFolder(gateway.ledger).reader.read(0, 1 << 62)))
    assert first[0] == 65_536
    assert isinstance(parse_record(first[2]), Gateway), "a segment begins with its carry"
