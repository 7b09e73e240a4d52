"""`gateway run` with `gateway witness serve` as processes: cosigned bundles, an old image, a clone, a rewrite with stolen keys."""

from __future__ import annotations

import http.server
import json
import shutil
import threading
import time
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from gateway.adapters.keys import Ed25519Sealer, parse_seed
from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.adapters.segment_store.store import SegmentStore
from gateway.adapters.segment_store.verify_folder import verify_folder
from gateway.ledger.bundle import BundleRequest, Subject, build_bundle
from gateway.ledger.commit import plan_commit
from gateway.ledger.crypto import verify_line
from gateway.ledger.policy import parse_policy
from gateway.ledger.records import Anchor, Gateway
from gateway.ledger.verify import verify_bundle
from gateway.ledger.witness import cosigners_of
from tests.counterparts.gateway_process import NODE, GatewayProcess
from tests.counterparts.http import ask
from tests.counterparts.ports import free_port
from tests.counterparts.witness import WitnessProcess
from tests.fakes.running_clock import RunningClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.timeout(200)]


class Pager:
    """What the person outside the plant's IT is told."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    @contextmanager
    def on_duty(self) -> Iterator[str]:
        calls = self.calls

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                calls.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/call"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class Plant:
    """A gateway set up, and its witnesses on other boxes."""

    def __init__(self, folder: Path, count: int = 1, notify: str | None = None) -> None:
        self.gateway = GatewayProcess(folder / "gw", connections={}, devices={})
        self.gateway.set_up()
        log = (self.gateway.ledger / "keys" / "policy").read_text().split()[1]
        trust = self.gateway.config / "trust"
        trust.mkdir()
        self.witnesses = []
        for n in range(count):
            one = WitnessProcess(folder / f"w{n}", log, f"witness.example/{n}", notify=notify).start()
            (trust / f"w{n}.vkey").write_text(one.vkey_line() + "\n")
            self.gateway.settings.setdefault("witnesses", {})[f"w{n}"] = {"url": one.url, "key": f"trust/w{n}.vkey"}
            self.witnesses.append(one)
        self.gateway.write()

    def close(self) -> None:
        self.gateway.kill()
        for one in self.witnesses:
            one.kill()

    @property
    def policy(self):
        return parse_policy((self.gateway.ledger / "keys" / "policy").read_text())

    def cosigned(self) -> int:
        """How many witnesses have cosigned the published checkpoint."""
        return len(cosigners_of((self.gateway.ledger / "checkpoint").read_bytes(), self.policy, verify_line))

    def refuse_to_start(self) -> str:
        """Run the gateway, which must end by itself; what it said."""
        return self.gateway.run("run", "--config", str(self.gateway.config), code=1)


@pytest.fixture
def plant(tmp_path):
    made = Plant(tmp_path)
    yield made
    made.close()


def until(true, seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)


def rewrite(gateway: GatewayProcess, pad: int) -> None:
    """Root with all files and the seal key: change a record, seal everything again, publish, forget the witness."""
    reader = LedgerFolder(gateway.ledger).reader
    records = [content for _, _, content in reader.read(0, 1 << 40)]
    altered = [one.replace(b'"gateway":"gw-01"', b'"gateway":"gw-02"') for one in records] + records[-1:] * pad
    assert altered[1] != records[1]
    altered = [one for one in altered if b'"kind":"anchor"' not in one]
    policy = (gateway.ledger / "keys" / "policy").read_text()
    sealer = Ed25519Sealer("acme.example/basel/gw-01-dev", parse_seed((gateway.secrets / "seal.pem").read_bytes()))
    shutil.rmtree(gateway.ledger)
    shutil.rmtree(gateway.ledger.parent / "state" / "witnesses")
    store = SegmentStore(gateway.ledger, sealer.key.name, RunningClock(), vkeys=[sealer.vkey])
    plan = plan_commit(store.open().tree, sealer.key.name, altered, iter([sha256(b"stolen").digest()]), sealer.seal)
    store.commit(plan.frames)
    store.publish(plan.frames[-1].note, plan.head.size)
    store.save_policy(policy)
    store.close()


def test_published_checkpoints_anchors_and_bundles_carry_the_quorum(tmp_path):
    plant = Plant(tmp_path, 3)
    try:
        gateway = plant.gateway
        gateway.start()
        until(lambda: plant.cosigned() == 3)
        gateway.batch("start", "B-1", "--equipment", NODE)
        gateway.batch("end", "B-1")
        bundle = tmp_path / "B-1.zip"
        gateway.batch("bundle", "B-1", "-o", str(bundle))
        policy = tmp_path / "client.policy"
        policy.write_text((gateway.ledger / "keys" / "policy").read_text())
        said = gateway.run("verify", str(bundle), "--witness-policy", str(policy), "--quiet")
        assert said.startswith("VERIFIED")
        # nothing waits for the slowest witness once the quorum of two has cosigned
        assert said.strip().endswith(("2 witnesses, batch B-1", "3 witnesses, batch B-1"))
        told = gateway.run("witness", "status", "--config", str(gateway.config)).splitlines()
        assert [line.split()[0] for line in told] == ["w0", "w1", "w2"]
        bearer = {"authorization": f"Bearer {gateway.token.read_text().strip()}"}
        health = json.loads(ask(f"http://127.0.0.1:{gateway.api}/api/v1/health", headers=bearer).body)["witnesses"]
        assert (health["stale"], set(health["witnesses"])) == ("", {"w0", "w1", "w2"})
        assert (
            0 < health["anchored"] <= health["witnessed"] <= sorted(w["size"] for w in health["witnesses"].values())[1]
        )
        gateway.stop()
        assert plant.cosigned() == 3, "the last head of a run has its cosignatures"
        assert "3 of 3 witnesses" in gateway.run("ledger", "status", "--config", str(gateway.config))
        anchors = [one for one in gateway.records() if isinstance(one, Anchor)]
        assert anchors
        assert all(len(cosigners_of(str(one.note).encode(), plant.policy, verify_line)) >= 2 for one in anchors)
        assert gateway.verified().counts.witnesses == 3
    finally:
        plant.close()


@pytest.mark.fault
def test_a_witness_that_is_killed_holds_nobody_up_and_gets_the_newest_when_it_is_back(plant):
    gateway, witness = plant.gateway, plant.witnesses[0]
    gateway.start()
    until(lambda: plant.cosigned() == 1)
    witness.kill()
    gateway.batch("start", "B-1", "--equipment", NODE)
    gateway.batch("end", "B-1")
    until(lambda: plant.cosigned() == 0)
    assert gateway.metrics()['gateway_witness_refusals_total{code="silent"}'] >= 1
    witness.start()
    until(lambda: plant.cosigned() == 1, 25)
    gateway.stop()
    assert gateway.verified().counts.witnesses == 1


def test_a_gateway_starts_without_its_witnesses(plant):
    plant.witnesses[0].kill()
    plant.gateway.start()
    plant.gateway.stop()
    assert plant.cosigned() == 0
    codes = [one.code for one in plant.gateway.records() if isinstance(one, Gateway)]
    assert "witness_refused" not in codes
    policy = plant.gateway.ledger / "keys" / "policy"
    said = plant.gateway.run("verify", str(plant.gateway.ledger), "--witness-policy", str(policy), code=1)
    assert "UNWITNESSED at size" in said


def test_ac_03_an_old_disk_image_halts_before_anything_is_appended_and_calls_once(tmp_path):
    pager = Pager()
    with pager.on_duty() as url:
        plant = Plant(tmp_path, 1, url)
        try:
            gateway = plant.gateway
            gateway.start()
            gateway.stop()
            image = tmp_path / "image"
            shutil.copytree(gateway.ledger, image)
            gateway.start()
            gateway.stop()
            seen = LedgerFolder(gateway.ledger).reader.end()
            shutil.rmtree(gateway.ledger)
            shutil.copytree(image, gateway.ledger)
            shutil.rmtree(gateway.ledger.parent / "state" / "witnesses")
            size = LedgerFolder(gateway.ledger).reader.end()
            for _ in range(2):
                said = plant.refuse_to_start()
                assert f"rollback: ledger ends at {size:,}, witness w0 has seen {seen:,}" in said
            assert LedgerFolder(gateway.ledger).reader.end() == size
            assert "rollback" in json.loads((gateway.ledger / "HALTED").read_text())["cause"]
            until(lambda: len(pager.calls) == 1)
            time.sleep(0.5)
            assert [one["kind"] for one in pager.calls] == ["ROLLBACK"]
            assert (pager.calls[0]["kept"]["size"], pager.calls[0]["sent"]["size"]) == (seen, size)
        finally:
            plant.close()


@pytest.mark.fault
@pytest.mark.req("AC-03")
def test_a_witness_that_saw_more_while_we_run_halts_recording_and_leaves_the_pages_up(plant):
    gateway, witness = plant.gateway, plant.witnesses[0]
    gateway.start()
    until(lambda: plant.cosigned() == 1)
    witness.kill()

    class SawMore(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(409)
            self.send_header("content-type", "text/x.tlog.size")
            self.end_headers()
            self.wfile.write(b"999999\n")

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", witness.port), SawMore)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        until(lambda: ask(f"http://127.0.0.1:{gateway.port}/ready").status == 503, 30)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    reasons = json.loads(ask(f"http://127.0.0.1:{gateway.port}/ready").body)["reasons"]
    assert [reason for reason in reasons if "witness w0 has seen 999,999" in reason], reasons
    assert ask(f"http://127.0.0.1:{gateway.port}/live").status == 200
    size = gateway.size()
    said = gateway.run("batch", "start", "B-1", "--equipment", NODE, *gateway_account(gateway), code=1)
    assert "witness w0 has seen 999,999" in said
    assert gateway.size() == size
    assert "witness w0 has seen 999,999" in json.loads((gateway.ledger / "HALTED").read_text())["cause"]
    assert gateway.running
    gateway.stop()


def gateway_account(gateway: GatewayProcess) -> list[str]:
    return ["--token-file", str(gateway.token), "--config", str(gateway.config)]


@pytest.mark.req("AC-03")
def test_a_clone_does_not_start_beside_the_one_that_went_on(plant, tmp_path):
    gateway = plant.gateway
    gateway.start()
    gateway.stop()
    clone = tmp_path / "clone"
    shutil.copytree(gateway.folder, clone, symlinks=True)
    gateway.start()
    settings = clone / "config" / "gateway.yaml"
    text = settings.read_text()
    for port in (gateway.port, gateway.api):
        text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free_port()}")
    settings.write_text(text)
    said = gateway.run("run", "--config", str(clone / "config"), code=1)
    assert "rollback: ledger ends at" in said
    assert gateway.ready(), "the one that went on is not harmed"
    gateway.stop()
    gateway.verified()


@pytest.mark.parametrize("pad", [0, 20])
def test_ac_03_root_rewrites_and_seals_everything_again_with_the_stolen_key(plant, pad, tmp_path):
    gateway = plant.gateway
    gateway.start()
    gateway.batch("start", "B-1", "--equipment", NODE)
    gateway.batch("end", "B-1")
    bundle = tmp_path / "B-1.zip"
    gateway.batch("bundle", "B-1", "-o", str(bundle))
    gateway.stop()
    policy = tmp_path / "client.policy"
    shutil.copy(gateway.ledger / "keys" / "policy", policy)
    rewrite(gateway, pad)
    size = LedgerFolder(gateway.ledger).reader.end()

    said = plant.refuse_to_start()
    assert ("fork: witness w0 holds another history" if pad else "rollback: ledger ends at") in said
    assert LedgerFolder(gateway.ledger).reader.end() == size, "nothing was appended"
    conflicts = {path.name.split(".")[-4] for path in (plant.witnesses[0].state / "conflicts").glob("*.sent")}
    assert conflicts == ({"FORK"} if pad else {"ROLLBACK"})

    trusted = parse_policy(policy.read_text())
    assert "UNWITNESSED" in verify_folder(gateway.ledger, policy=trusted).last_line
    assert gateway.run("verify", str(bundle), "--witness-policy", str(policy), "--quiet").startswith("VERIFIED")
    assert verify_bundle(forged(gateway), policy=trusted).last_line.startswith("UNWITNESSED at size")


def forged(gateway: GatewayProcess) -> dict[str, bytes]:
    """A bundle of the rewritten ledger, as the thief would hand it over."""
    folder = LedgerFolder(gateway.ledger)
    head = folder.published()
    assert head is not None
    entries = [(index, salt + content) for index, salt, content in folder.reader.read(0, head.checkpoint.size)]
    store = SegmentStore(gateway.ledger, head.checkpoint.origin, RunningClock())
    request = BundleRequest(
        subject=Subject(kind="batch", id="B-1"),
        scope="site",
        made_ns=1,
        entries=entries,
        note=head.note,
        policy=parse_policy((gateway.ledger / "keys" / "policy").read_text()),
    )
    return build_bundle(request, store.nodes(head.checkpoint.size))
