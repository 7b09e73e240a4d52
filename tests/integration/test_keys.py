"""`gateway run` with a publish key on a token and a rotation of both keys: bundles, checkpoints and policies as others see them."""

from __future__ import annotations

import json
import subprocess
import time
import zipfile

import pytest

from gateway.adapters.segment_store.verify_folder import verify_folder
from gateway.ledger.crypto import verify_line
from gateway.ledger.note import parse_note
from gateway.ledger.policy import Policy, format_policy, parse_policy
from gateway.ledger.records import Audit, Key
from tests.counterparts.gateway_process import GatewayProcess
from tests.counterparts.missing import need
from tests.counterparts.softhsm import PIN, SoftHsm

pytestmark = [pytest.mark.integration, pytest.mark.timeout(200)]
WHY = ["--reason", "a test of keys"]


@pytest.fixture
def gateway(tmp_path):
    made = GatewayProcess(tmp_path / "gw", connections={}, devices={})
    yield made
    made.kill()


@pytest.fixture
def token(tmp_path, gateway):
    made = SoftHsm(tmp_path / "hsm")
    made.init_token("gw-01")
    gateway.env.update(made.environment)
    gateway.keep_secret("pin", PIN + "\n")
    block = {"pkcs11": str(made.module), "label": "gw-01", "pin": "file:../secrets/pin"}
    gateway.settings["keys"]["publish"] = block
    gateway.write()
    return made


def born(gateway: GatewayProcess) -> None:
    gateway.run("setup", "--config", str(gateway.config))
    scopes = "key.rotate,key.revoke,health.read,batch.create,batch.start,batch.end,batch.read,bundle.export"
    account = ["--machine", "--scope", scopes, "--token-file", str(gateway.token)]
    gateway.run("user", "add", *account, "--config", str(gateway.config))


def policy(gateway: GatewayProcess) -> Policy:
    return parse_policy((gateway.ledger / "keys" / "policy").read_text())


def lines(gateway: GatewayProcess) -> set:
    """The keys of the policy whose lines on the published checkpoint hold."""
    note = parse_note((gateway.ledger / "checkpoint").read_bytes())
    keys = {(key.name, key.key_id): key for key in (*policy(gateway).seals, *policy(gateway).publish)}
    named = [(keys.get((line.name, line.key_id)), line.signature) for line in note.lines]
    return {key for key, signature in named if key is not None and verify_line(key, note.text, signature)}


def keys(gateway: GatewayProcess, *words: str, code: int = 0) -> str:
    access = [] if words[0] in {"init", "show"} else ["--token-file", str(gateway.token)]
    return gateway.run("keys", *words, *access, "--config", str(gateway.config), code=code)


def until(true, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.1)


def published(gateway: GatewayProcess) -> bool:
    return gateway.metrics()["gateway_ledger_published_entries"] >= gateway.size()


@pytest.mark.slow
def test_ac_03_a_token_signs_what_is_published_and_openssl_accepts_it(gateway, token, tmp_path):
    born(gateway)
    (publish,) = policy(gateway).publish
    assert lines(gateway) == {*policy(gateway).logs, publish}
    gateway.start()
    gateway.batch("start", "B-1", "--equipment", "MCH-1")
    gateway.batch("end", "B-1")
    bundle = tmp_path / "B-1.zip"
    gateway.batch("bundle", "B-1", "-o", str(bundle))
    until(lambda: published(gateway))
    assert publish in lines(gateway)
    gateway.stop()
    assert gateway.verified().exit_code == 0
    outside = tmp_path / "client.policy"
    outside.write_text((gateway.ledger / "keys" / "policy").read_text())
    assert "VERIFIED" in gateway.run("verify", str(bundle), "--witness-policy", str(outside))
    out = tmp_path / "out"
    script = gateway.config.parents[2] / "verify.py"
    with zipfile.ZipFile(bundle) as archive:
        script.write_bytes(archive.read("verify.py"))
    python = [need("python3"), "-I", str(script), str(bundle), "--witness-policy", str(outside)]
    done = subprocess.run([*python, "--extract", str(out)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    for said in done.stdout.splitlines():
        if said.startswith("openssl"):
            ran = subprocess.run(said.split(), cwd=out, capture_output=True, text=True, check=False)
            assert ran.returncode == 0, (said, ran.stdout, ran.stderr)
    assert (out / "publish.sig").exists()
    note = (gateway.ledger / "checkpoint").read_bytes().splitlines(keepends=True)
    (gateway.ledger / "checkpoint").write_bytes(b"".join(note[:-1]))
    said = gateway.run("verify", str(gateway.ledger), code=1)
    assert f"signature of {publish} does not verify" in said


def test_ac_03_a_token_that_is_not_there_stops_the_start_and_says_what_to_do(gateway, token):
    born(gateway)
    away = token.tokens.with_name("away")
    token.tokens.rename(away)
    token.tokens.mkdir()
    said = gateway.run("run", "--config", str(gateway.config), code=78)
    assert "keys.publish: no token gw-01" in said
    assert "fix: plug it in" in said
    token.init_token("gw-01")
    said = gateway.run("run", "--config", str(gateway.config), code=78)
    assert "does not hold the publish key in force" in said
    assert "take keys.publish out" in said
    gateway.keep_secret("pin", "0000\n")
    assert "refuses the PIN" in gateway.run("run", "--config", str(gateway.config), code=78)


def test_ac_03_a_lost_token_is_replaced_through_the_configuration(gateway, token):
    born(gateway)
    (lost,) = policy(gateway).publish
    block = gateway.settings["keys"].pop("publish")
    gateway.write()
    gateway.start()
    health = json.loads(gateway.run("keys", "show", "--config", str(gateway.config), "--json"))
    assert health["findings"]
    gateway.stop()
    assert policy(gateway).span_of(lost).to_size < gateway.records()[-1].run * 10**6
    assert gateway.verified().exit_code == 0
    assert lost not in lines(gateway)
    gateway.settings["keys"]["publish"] = {**block, "label": "gw-01"}
    gateway.write()
    said = gateway.run("run", "--config", str(gateway.config), code=78)
    assert "holds no publish key that can enter" in said
    made = keys(gateway, "init", "--key", "publish")
    assert "it enters the ledger at the next start" in made
    assert "holds a key already" in keys(gateway, "init", "--key", "publish", code=78)
    gateway.start()
    until(lambda: published(gateway))
    gateway.stop()
    assert gateway.verified().exit_code == 0
    current = [one for one in policy(gateway).publish if one != lost]
    assert set(current) <= lines(gateway)


def test_us_01_both_keys_are_rotated_while_the_gateway_runs(gateway, tmp_path):
    gateway.settings["keys"]["publish"] = {"file": "file:../secrets/publish.pem"}
    gateway.write()
    born(gateway)
    first = policy(gateway)
    gateway.start()
    assert "would enter a new seal key" in keys(gateway, "rotate", "--key", "seal", *WHY, "--dry-run")
    assert "is not between 7 and 365" in keys(gateway, "rotate", "--key", "seal", "--overlap", "6d", *WHY, code=1)
    for purpose in ("seal", "publish"):
        said = keys(gateway, "rotate", "--key", purpose, *WHY)
        assert "signs beside it until" in said
        assert "two" in keys(gateway, "rotate", "--key", purpose, *WHY, code=1)
    until(lambda: len(policy(gateway).publish) == 2 and len(policy(gateway).logs) == 2)
    for number in range(20):  # past the sizes from which the new ones count
        gateway.batch("start", f"B-{number}", "--equipment", "MCH-1")
        gateway.batch("end", f"B-{number}")
    until(lambda: published(gateway))
    assert lines(gateway) == {*policy(gateway).logs, *policy(gateway).publish}
    bundle, outside = tmp_path / "B-1.zip", tmp_path / "old.policy"
    gateway.batch("bundle", "B-1", "-o", str(bundle))
    outside.write_text(format_policy(first))
    assert "VERIFIED" in gateway.run("verify", str(bundle), "--witness-policy", str(outside))
    told = [one for one in gateway.records() if isinstance(one, Key)]
    assert [(one.event, one.purpose) for one in told] == [
        ("introduced", "seal"),
        ("introduced", "publish"),
        ("introduced", "seal"),
        ("introduced", "publish"),
    ]
    audits = [one for one in gateway.records() if isinstance(one, Audit) and one.operation == "key.rotate"]
    assert [(one.outcome, one.facts["approved"]) for one in audits] == [("done", False)] * 2
    size = gateway.size()
    old = str(first.logs[0]).rpartition("+")[2]
    assert "name one seal key" in keys(gateway, "revoke", "--key", "seal", "--to-size", "9", *WHY, code=1)
    said = keys(gateway, "revoke", "--key", "seal", "--id", old, "--to-size", str(size), *WHY)
    assert f"counts to {size:,}" in said
    assert "is the only key that can seal" in keys(gateway, "revoke", "--key", "seal", "--to-size", "9", *WHY, code=1)
    gateway.stop()
    assert gateway.verified().exit_code == 0
    shown = keys(gateway, "show")
    assert f"seal {first.logs[0]} from 0 to {size:,}" in shown
    assert "retires" in shown
    gateway.start()
    gateway.stop()
    assert first.logs[0] not in lines(gateway)
    assert verify_folder(gateway.ledger, policy=first, all_seals=True).exit_code == 0, "the first policy is followed"
    assert list((gateway.ledger / "keys").glob("policy.until-*"))
