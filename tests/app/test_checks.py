"""`gateway check` looks inside secrets, signs with each key, and asks servers that are not there without stopping."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from time import CLOCK_REALTIME, clock_gettime_ns

import pytest
from click.testing import CliRunner

from gateway.adapters.keys import create_key_file
from gateway.app.checks import ClockCheck, site_checks
from gateway.app.setup import set_up
from gateway.app.site import Site
from gateway.cli.check import check
from gateway.cli.demo_story.certificates import Authority
from gateway.cli.demo_story.plant import lay_out
from gateway.config.environment import run_checks
from gateway.config.load import load, profiles_beside
from gateway.ports import ClockReport

NOW_NS = clock_gettime_ns(CLOCK_REALTIME)
NOW = datetime.fromtimestamp(NOW_NS // 1_000_000_000, UTC)


@pytest.fixture
def plant(tmp_path):
    root = tmp_path / "demo"
    root.mkdir(mode=0o700)
    made = lay_out(root, speed=1, http_port=None, now_ns=NOW_NS)
    made.configure(mqtt5=True)
    return made


def site_of(plant):
    loaded = load(plant.config, profiles_beside(plant.config))
    return Site(plant.config, loaded, loaded.settings, loaded.plan)


async def ask(plant, *ids):
    """The answers to the questions of these ids, all where none is named: id and target → (state, detail)."""
    questions = site_checks(load(plant.config, profiles_beside(plant.config)), plant.config, NOW)
    found = await run_checks([one for one in questions if not ids or one.id in ids])
    return {(one.id, one.target.split(" (")[0]): (one.state, one.detail) for one in found}


def change(plant, old, new):
    path = plant.config / "gateway.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("secret", "says"),
    [
        (b"whsec_" + base64.b64encode(bytes(32)), None),
        (base64.b64encode(bytes(32)), "webhook secret does not begin with whsec_; write whsec_ and base64"),
        (b"whsec_%%%", "webhook secret is not base64 after whsec_; copy it whole"),
        (b" \n", "is empty. Next: put the secret into it"),
    ],
)
async def test_a_qms_secret_is_looked_into(plant, secret, says):
    (plant.root / "secrets" / "qms.secret").write_bytes(secret)
    state, detail = (await ask(plant, "secret-readable"))["secret-readable", "sinks.qms.qms.secret"]
    assert (state, detail.startswith(says or "readable")) == ("failed" if says else "ok", True)


async def test_a_second_seal_of_the_webhook_is_looked_into(plant):
    change(plant, "sinks:\n  qms: {qms: {", "sinks:\n  qms: {qms: {ed25519_key: 'env:NO_KEY', ")
    plant.root.joinpath("secrets", "k").touch(mode=0o600)
    plant.root.joinpath("secrets", "k").write_text("whpk_AAAA")
    change(plant, "env:NO_KEY", f"file:{plant.root}/secrets/k")
    state, detail = (await ask(plant, "secret-readable"))["secret-readable", "sinks.qms.qms.ed25519_key"]
    assert (state, detail.partition(";")[0]) == ("failed", "webhook signing key does not begin with whsk_")


async def test_an_empty_password_is_told(plant):
    (plant.root / "secrets" / "line1.password").write_text("\n")
    found = await ask(plant, "secret-readable")
    assert found["secret-readable", "connections.line1.opcua.password"][0] == "failed"


async def test_before_setup_its_seal_key_is_no_mistake_and_afterwards_its_loss_is(plant):
    waits = ("skipped", "gateway setup makes it")
    before = await ask(plant, "secret-readable", "key-usable")
    assert before["secret-readable", "keys.seal.file"] == before["key-usable", "keys.seal"] == waits
    set_up(site_of(plant))
    found = (await ask(plant, "key-usable"))["key-usable", "keys.seal"]
    assert found[0] == "ok"
    assert found[1].startswith(plant.origin)
    (plant.root / "secrets" / "seal.pem").unlink()
    lost = await ask(plant, "secret-readable", "key-usable")
    assert lost["secret-readable", "keys.seal.file"][0] == "failed"
    assert "restore this very key" in lost["key-usable", "keys.seal"][1]


async def test_ac_02_the_seal_key_of_another_ledger_is_found_before_the_start(plant):
    set_up(site_of(plant))
    path = plant.root / "secrets" / "seal.pem"
    path.unlink()
    create_key_file(path, bytes(32))
    state, detail = (await ask(plant, "key-usable"))["key-usable", "keys.seal"]
    assert (state, "is not the key of this ledger. Next: restore its own key" in detail) == ("failed", True)


async def test_a_key_that_is_not_the_certificates_is_told(plant):
    secrets = plant.root / "secrets"
    assert (await ask(plant, "key-usable"))["key-usable", "connections.plant.mqtt.key"][0] == "ok"
    Authority(NOW_NS).leaf("other").write_pem(secrets, "other")
    (secrets / "other.key").replace(secrets / "gw-01.key")
    state, detail = (await ask(plant, "key-usable"))["key-usable", "connections.plant.mqtt.key"]
    assert (state, detail.startswith("is not the key of")) == ("failed", True)
    (secrets / "gw-01.key").write_text("no key")
    assert "no readable PEM pair" in (await ask(plant, "key-usable"))["key-usable", "connections.plant.mqtt.key"][1]


async def test_our_opcua_key_is_tried(plant):
    target = ("key-usable", "our OPC UA key")
    assert (await ask(plant, "key-usable"))[target] == ("ok", "seals, and belongs to own.der")
    other = Authority(NOW_NS).leaf("other", uri="urn:x", use_rsa=True)
    (plant.state / "opcua" / "own.der").write_bytes(other.der)
    assert (await ask(plant, "key-usable"))[target][1].startswith("own.key is not the key of own.der. Next")
    (plant.state / "opcua" / "own.key").unlink()
    assert (await ask(plant, "key-usable"))[target][1].endswith("Next: gateway opcua cert")


async def test_approval_that_this_version_cannot_take_is_a_warning(plant):
    assert ("approval", "gateway.approval") not in await ask(plant, "approval")
    change(plant, "approval: 'off'", "approval: required")
    change(plant, "-dev,", ",")
    change(plant, "batch: {", "accounts: {security_contact: a@b.example, qa_contact: a@b.example}\nbatch: {")
    state, detail = (await ask(plant, "approval"))["approval", "gateway.approval"]
    assert (state, "setup and run refuse it. Next: for trials write approval: off" in detail) == ("warning", True)


@pytest.mark.parametrize(
    ("report", "state", "says"),
    [
        (ClockReport(source="chrony", synchronised=True, bound_ns=12_300_000), "ok", "off by 12.3 ms at most, limit"),
        (ClockReport(source="chrony", synchronised=True, bound_ns=1_000_000_001), "warning", "off by 1000.0 ms"),
        (ClockReport(source="adjtimex", synchronised=True), "warning", "adjtimex states no error bound"),
        (ClockReport(source="none", synchronised=False), "warning", "nothing keeps it right"),
    ],
)
async def test_al_07_a_clock_in_doubt_is_a_warning(plant, report, state, says):
    class Clock:
        def report(self):
            return report

    answer = await ClockCheck(site_of(plant), Clock()).ask()
    assert (answer.state, answer.detail[: len(says)]) == (state, says)


async def test_servers_that_are_not_there_are_each_told_once_and_end_nothing(plant):
    found = await ask(plant)
    refused = {key for key, (state, _) in found.items() if state == "failed"}
    asked = {("mqtt-connect", "plant as gw-01-check"), ("opcua-session", "line1 as gw-01-check")}
    assert refused == asked | {("sink-reach", "qms"), ("witness", "other")}
    skipped = {key for key, (state, detail) in found.items() if state == "skipped" and detail.startswith("no ")}
    plain = {("opcua-nodes", "line1"), ("opcua-types", "line1"), ("mqtt-acl", "plant"), ("mqtt-expiry", "plant")}
    assert skipped == plain | {("tls-chain", "qms")}
    for key in refused:
        assert "connection refused. Next: " in found[key][1]


async def test_files_of_a_link_that_cannot_be_used_are_an_answer(plant):
    (plant.config / "trust" / "line1.der").unlink()
    (plant.root / "secrets" / "line1.password").unlink()
    found = await ask(plant)
    assert found["opcua-session", "line1"][0] == "failed"
    assert ("mqtt-connect", "plant as gw-01-check") in found


async def test_a_sink_outside_its_networks_is_told_without_a_connection(plant):
    change(plant, "https://127.0.0.1", "https://10.255.255.1")
    found = await ask(plant, "sink-reach", "tls-chain")
    assert found["sink-reach", "qms"][1].startswith("HOOK-01: 10.255.255.1 resolves to 10.255.255.1, outside")
    assert found["tls-chain", "qms"] == ("skipped", "no connection")
    change(plant, "ports: [", "ports: [1, ")
    change(plant, f":{plant.qms_port}/", ":444/")
    assert "port 444 is not in ports" in (await ask(plant, "sink-reach"))["sink-reach", "qms"][1]


def test_offline_asks_nobody_and_online_ends_with_69(plant):
    quiet = CliRunner().invoke(check, ["--config", str(plant.config), "--offline", "--json"])
    assert json.loads(quiet.output)["environment"] == []
    assert quiet.exit_code == 0
    loud = CliRunner().invoke(check, ["--config", str(plant.config)])
    assert loud.exit_code == 69
    assert "failed  mqtt-connect  plant as gw-01-check: no connection: connection refused. Next: " in loud.output
    (plant.root / "secrets" / "qms.secret").write_text("secret")
    wrong = CliRunner().invoke(check, ["--config", str(plant.config)])
    assert wrong.exit_code == 78
    assert "secret)" not in wrong.output.partition("secret-readable")[2].partition("\n")[0].partition("): ")[2]
