"""`gateway backup`, `gateway restore` and `witness serve --mirror` on the real process: back to the same head, never to an older one."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.adapters.segment_store.layout import Layout
from gateway.ledger.records import Audit, Gateway
from tests.adapters.backup.test_recovery_key import OTHER, PRIVATE, PUBLIC
from tests.counterparts.gateway_process import NODE, GatewayProcess
from tests.counterparts.http import ask
from tests.counterparts.witness import WitnessProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(200)]


class Plant:
    """A gateway with a backup block, its witness and mirror on another box, and the recovery key that QA keeps."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gateway = GatewayProcess(folder / "gw", connections={}, devices={})
        self.gateway.keep_secret("recovery.pub", PUBLIC.decode())
        self.safe = folder / "safe"
        self.gateway.settings["backup"] = {"to": str(self.safe), "encryption_key": "file:../secrets/recovery.pub"}
        self.gateway.set_up()
        self.recovery = folder / "recovery.key"
        self.recovery.write_bytes(PRIVATE)
        log = (self.gateway.ledger / "keys" / "policy").read_text().split()[1]
        self.witness = WitnessProcess(folder / "w", log, "hq.example/witness").start()
        (self.gateway.config / "trust").mkdir()
        (self.gateway.config / "trust" / "hq.vkey").write_text(self.witness.vkey_line() + "\n")
        self.gateway.settings["witnesses"] = {"hq": {"url": self.witness.url, "key": "trust/hq.vkey"}}
        self.gateway.write()

    def close(self) -> None:
        self.gateway.kill()
        self.witness.kill()

    def account(self) -> list[str]:
        return ["--token-file", str(self.gateway.token), "--config", str(self.gateway.config)]

    def work(self, batch: str) -> None:
        """Something that is recorded and published at once."""
        self.gateway.batch("start", batch, "--equipment", NODE)
        self.gateway.batch("end", batch)
        size = self.gateway.size()
        until(lambda: LedgerFolder(self.gateway.ledger).published().checkpoint.size >= size - 2)

    def backup(self, *words: str) -> str:
        return self.gateway.run("backup", *words, *self.account())

    def restore(self, source: Path, *words: str, code: int = 0) -> str:
        return self.gateway.run("restore", str(source), "--key-file", str(self.recovery), *words, code=code)

    def gateway_records(self, event: str) -> list[Gateway]:
        return [one for one in self.gateway.records() if isinstance(one, Gateway) and one.event == event]


@pytest.fixture
def plant(tmp_path):
    made = Plant(tmp_path)
    yield made
    made.close()


def until(true, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)


def test_eu_03_a_backup_of_the_running_gateway_restores_to_the_same_head_and_the_witness_agrees(plant):
    gateway = plant.gateway
    account = ["--name", "MES Basel", "--scope", "batch.read", "--token-file", str(plant.folder / "named.token")]
    gateway.run("user", "add", "--machine", *account, "--config", str(gateway.config))
    gateway.start()
    plant.work("B-1")
    until(lambda: plant.gateway_records("backup"))  # the day's first one is made at once
    said = plant.backup()
    assert said.strip().endswith("B, verified")
    until(lambda: len(plant.gateway_records("backup")) == 2)
    facts = plant.gateway_records("backup")[-1].facts
    assert 0 <= gateway.metrics()["gateway_backup_age_seconds"] < 60
    assert [one.operation for one in gateway.records() if isinstance(one, Audit)][-1] == "backup"
    newest = max(plant.safe.iterdir())
    assert facts["folder"] == newest.name
    assert "would restore" in plant.restore(plant.safe, "--dry-run")
    told = plant.restore(plant.safe, "--to", str(plant.folder / "back"))
    assert told.splitlines()[-1] == f"same head {facts['size']:,}; witness agrees"
    assert "VERIFIED" in told
    back = plant.folder / "back"
    assert (back / "secrets" / "seal").read_bytes() == (gateway.secrets / "seal.pem").read_bytes()
    assert (back / "config" / "gateway.yaml").read_bytes() == (gateway.config / "gateway.yaml").read_bytes()
    assert (back / "device_profiles").is_dir()
    assert b"MES Basel" in (back / "state" / "people.db").read_bytes()
    assert (back / "state" / "machines.json").is_file()
    # without a newer head at the witness the restored box goes on, and says where it came from
    gateway.stop()
    shutil.rmtree(gateway.ledger.parent)
    gateway.ledger.parent.mkdir()
    shutil.copytree(back / "ledger", gateway.ledger)
    shutil.copytree(back / "state", gateway.ledger.parent / "state")
    said = gateway.run("run", "--config", str(gateway.config), code=1)
    assert "rollback" in said, "the stop was published after the backup: the witness has seen it"


def test_eu_03_the_drill_leaves_nothing_and_the_running_gateway_records_it(plant):
    gateway = plant.gateway
    gateway.start()
    plant.work("B-1")
    plant.backup("--to", str(plant.folder / "other"))
    before = {path.name for path in plant.folder.iterdir()}
    config = ["--config", str(gateway.config)]
    said = plant.restore(plant.folder / "other", "--check", "--to", str(plant.folder / "drill"), *config)
    assert said.splitlines()[-1].endswith("; witness agrees")
    assert {path.name for path in plant.folder.iterdir()} == before
    gateway.stop()
    gateway.start()  # at once, not after half a minute
    until(lambda: plant.gateway_records("restore"))
    record = plant.gateway_records("restore")[0]
    assert (record.code, record.facts["drill"], record.facts["witnesses"]) == ("drill", True, ["hq agrees"])
    assert not (gateway.ledger.parent / "state" / "restored.json").exists()


def test_ac_03_an_older_backup_than_the_witness_has_seen_restores_and_appends_nothing(plant):
    gateway = plant.gateway
    gateway.start()
    plant.work("B-1")
    plant.backup()
    plant.work("B-2")
    gateway.stop()
    seen = LedgerFolder(gateway.ledger).published().checkpoint.size
    back = plant.folder / "back"
    said = plant.restore(plant.safe, "--to", str(back), code=1)
    size = LedgerFolder(back / "ledger").reader.end()
    assert f"rollback: ledger ends at {size:,}, witness hq has seen {seen:,}" in said
    assert "fix: take a newer backup or the mirror" in said
    # even where the witness cannot be asked any more, the restored box does not go on
    plant.witness.kill()
    gateway.settings["ledger"]["path"] = str(back / "ledger")
    gateway.write()
    said = gateway.run("run", "--config", str(gateway.config), code=1)
    assert "rollback" in said
    assert LedgerFolder(back / "ledger").reader.end() == size


def test_a_wrong_key_a_changed_byte_and_a_full_folder_are_named(plant):
    gateway = plant.gateway
    gateway.start()
    plant.work("B-1")
    plant.backup()
    back = plant.folder / "back"
    right = plant.recovery.read_bytes()
    plant.recovery.write_bytes(OTHER)
    assert "error: wrong key" in plant.restore(plant.safe, "--to", str(back), code=1)
    plant.recovery.write_bytes(PUBLIC)
    assert "a public key opens no backup" in plant.restore(plant.safe, "--to", str(back), code=78)
    plant.recovery.write_bytes(right)
    assert "is not empty" in plant.restore(plant.safe, "--to", str(plant.safe), code=78)
    assert "holds no backup" in plant.restore(gateway.config, "--to", str(back), code=69)
    newest = max(plant.safe.iterdir())
    (newest / "00000001").write_bytes(b"x" + (newest / "00000001").read_bytes()[1:])
    assert "00000001 (ledger/seg/" in plant.restore(plant.safe, "--to", str(back), code=1)
    assert not back.exists()
    plant.restore(plant.safe, "--check", "--config", str(gateway.config), code=1)
    gateway.stop()
    gateway.start()
    until(lambda: plant.gateway_records("restore"))
    record = plant.gateway_records("restore")[0]
    assert record.code == "drill_failed"
    assert "00000001 (ledger/seg/" in record.facts["failed"]


@pytest.mark.slow
def test_a_target_that_fails_is_a_notice_and_no_backup(plant):
    gateway = plant.gateway
    plant.safe.write_text("a file, no folder")
    gateway.start()
    until(lambda: [one for one in plant.gateway_records("notice") if one.code == "backup_failed"])
    said = gateway.run("backup", *plant.account(), code=69)
    assert f"backup to {plant.safe}" in said
    lying = gateway.run("backup", "--to", str(gateway.ledger / "here"), *plant.account(), code=1)
    assert "lies in" in lying
    bearer = {"authorization": f"Bearer {gateway.token.read_text().strip()}", "idempotency-key": "k"}
    url = f"http://127.0.0.1:{gateway.api}/api/v1/operations/backup"
    answer = ask(url, body=json.dumps({"to": "/tmp/x"}).encode(), headers=bearer)
    assert answer.status == 403, "over the network nobody names a folder"


@pytest.mark.slow
def test_eu_03_the_mirror_follows_verifies_restores_and_lets_nothing_be_rewritten(plant):
    gateway, witness = plant.gateway, plant.witness
    gateway.start()
    plant.work("B-1")
    witness.stop()
    witness.mirror = ["--mirror", f"http://127.0.0.1:{gateway.api}", "--mirror-token-file", str(gateway.token)]
    witness.start()
    copy = witness.state / "mirror" / "acme.example%2Fbasel%2Fgw-01-dev"

    def level() -> bool:
        published = LedgerFolder(gateway.ledger).published().checkpoint.size
        return (copy / "checkpoint").is_file() and LedgerFolder(copy).published().checkpoint.size == published

    until(level)
    plant.work("B-2")
    witness.kill()
    plant.work("B-3")
    witness.start()
    until(level)
    gateway.stop()
    gateway.start()
    qa = plant.folder / "qa.token"
    config = ["--config", str(gateway.config)]
    gateway.run("user", "add", "--machine", "--scope", "key.rotate", "--token-file", str(qa), *config)
    gateway.run("keys", "rotate", "--key", "seal", "--reason", "yearly", "--token-file", str(qa), *config)
    until(lambda: (gateway.ledger / "keys" / "policy").read_text().count("log ") == 2)
    plant.work("B-4")
    until(level)
    until(lambda: (copy / "keys" / "policy").read_bytes() == (gateway.ledger / "keys" / "policy").read_bytes())
    for name in Layout(gateway.ledger).segments():
        ours = (gateway.ledger / "seg" / name.text).read_bytes().rstrip(b"\0")
        theirs = (copy / "seg" / name.text).read_bytes().rstrip(b"\0")
        assert ours.startswith(theirs)
    assert "VERIFIED" in gateway.run("verify", str(copy), "--all")
    gateway.kill()
    shutil.rmtree(gateway.ledger)
    back = plant.folder / "back"
    told = plant.restore(copy, "--to", str(back))
    assert told.splitlines()[-1].endswith("; witness agrees")
    shutil.move(back / "ledger", gateway.ledger)
    shutil.copy(back / "state" / "restored.json", gateway.ledger.parent / "state" / "restored.json")
    gateway.start()
    until(lambda: plant.gateway_records("restore"))
    assert plant.gateway_records("restore")[-1].facts["source"] == "mirror"
    until(level)
    gateway.stop()
    gateway.verified()
