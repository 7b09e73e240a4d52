"""Doubt is fatal in the ledger, on the real process: after a failed sync nothing is sealed, the evidence stays, people are told."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from gateway.ledger.records import Gateway, Reading
from tests.counterparts.gateway_process import GatewayProcess, machine_mqtt
from tests.counterparts.http import ask
from tests.counterparts.missing import need
from tests.counterparts.mosquitto import Mosquitto
from tests.counterparts.mqtt_load import Sender, publish_packet

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.fault]

TOPIC = "machine/press-1/temperature"


class FailingSync(GatewayProcess):
    """The gateway under a tracer that fails every call ``fails`` (with ``error``) from the n-th on."""

    fails_from: int | None = None
    fails = "fdatasync"
    error = "EIO"

    def command(self) -> list[str]:
        if self.fails_from is None:
            return super().command()
        tracer = [need("strace"), "-D", "-f", "-qq", "-o", str(self.folder / "strace.out"), "-e", f"trace={self.fails}"]
        return [*tracer, "-e", f"inject={self.fails}:error={self.error}:when={self.fails_from}+", *super().command()]


def publish(port: int, first: int, stop: int) -> None:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.clock_gettime(time.CLOCK_REALTIME)))
    sender = Sender(port)
    sender.send(
        [publish_packet(TOPIC, f'{{"n":{n},"at":"{at}","t":{n}}}'.encode(), n) for n in range(first, stop)], 500, 0
    )
    sender.close()


def test_ac_03_a_failed_sync_halts_and_the_next_start_says_so(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker") as broker:
        gateway = FailingSync(
            tmp_path / "gw",
            connections={"plant": {"mqtt": {"url": f"mqtt://127.0.0.1:{broker.port}"}}},
            devices={"MCH-1-T": machine_mqtt("press-1")},
        )
        gateway.set_up()
        with gateway:  # a whole start, so that the broker knows our session
            gateway.wait_recording()
        gateway.fails_from = 6
        gateway.start()
        try:
            sent = 0
            while (answer := ask(f"http://127.0.0.1:{gateway.port}/ready")).status == 200:
                assert sent < 100, "the failed sync was not noticed"
                sent += 1
                publish(broker.port, sent, sent + 1)
                time.sleep(0.2)
            assert "halted" in answer.body.decode()
            assert "fdatasync failed" in answer.body.decode()
            assert ask(f"http://127.0.0.1:{gateway.port}/live").status == 200, "pages stay readable"
            assert "fdatasync" in (gateway.ledger / "HALTED").read_text()
        finally:
            gateway.stop()
        assert "ledger.halted" in gateway.log.read_text()
        gateway.fails_from = None
        with gateway:
            deadline = time.monotonic() + 30
            while len(readings := [r for r in gateway.records() if isinstance(r, Reading)]) < sent:
                assert time.monotonic() < deadline, "the broker sends again what was never acknowledged"
                time.sleep(0.2)
    halted = [r for r in gateway.records() if isinstance(r, Gateway) and r.event == "halted"]
    assert [record.facts["errno"] for record in halted] == [5]
    assert not (gateway.ledger / "HALTED").exists()
    assert [r.value for r in readings] == [float(n) for n in range(1, sent + 1)]
    gateway.verified()


def one_source(folder: Path, broker: Mosquitto) -> FailingSync:
    return FailingSync(
        folder,
        connections={"plant": {"mqtt": {"url": f"mqtt://127.0.0.1:{broker.port}"}}},
        devices={"MCH-1-T": machine_mqtt("press-1")},
    )


def publish_until_halted(gateway: GatewayProcess, port: int, says: str) -> int:
    """Publish one reading after the other until the gateway says that it has halted; return how many."""
    sent = 0
    while (answer := ask(f"http://127.0.0.1:{gateway.port}/ready")).status == 200:
        assert sent < 100, "the failed call was not noticed"
        sent += 1
        publish(port, sent, sent + 1)
        time.sleep(0.2)
    assert "halted" in answer.body.decode()
    assert says in answer.body.decode()
    assert ask(f"http://127.0.0.1:{gateway.port}/live").status == 200, "pages stay readable"
    return sent


def wait_readings(gateway: GatewayProcess, count: int) -> list[Reading]:
    deadline = time.monotonic() + 30
    while len(found := [r for r in gateway.records() if isinstance(r, Reading)]) < count:
        assert time.monotonic() < deadline, "the broker sends again what was never acknowledged"
        time.sleep(0.2)
    return found


@pytest.mark.parametrize(("error", "says"), [("EROFS", "Read-only file system"), ("EIO", "Input/output error")])
def test_eu_17_a_write_that_fails_for_another_reason_than_space_halts(tmp_path: Path, error: str, says: str) -> None:
    with Mosquitto(tmp_path / "broker") as broker:
        gateway = one_source(tmp_path / "gw", broker)
        gateway.set_up()
        with gateway:
            gateway.wait_recording()
        gateway.fails, gateway.error, gateway.fails_from = "pwrite64", error, 12
        gateway.start()
        try:
            sent = publish_until_halted(gateway, broker.port, says)
        finally:
            gateway.stop()
        gateway.fails_from = None
        with gateway:
            assert [r.value for r in wait_readings(gateway, sent)] == [float(n) for n in range(1, sent + 1)]
        gateway.verified()


def test_eu_17_a_ledger_on_a_read_only_file_system_is_not_opened(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    with Mosquitto(tmp_path / "broker") as broker:
        gateway = one_source(tmp_path / "gw", broker)
        gateway.set_up()
        point = str(gateway.ledger)
        bound = subprocess.run(["mount", "--bind", point, point], check=False)
        if bound.returncode or subprocess.run(["mount", "-o", "remount,ro,bind", point], check=False).returncode:
            pytest.skip("this machine does not let us mount a folder read-only")
        try:
            said = gateway.run("run", "--config", str(gateway.config), code=69)
            assert "cannot be written: Read-only file system" in said
            assert "fix: " in said
        finally:
            subprocess.run(["umount", "-l", point], check=True)
        with gateway:
            gateway.wait_recording()
        gateway.verified()


def test_eu_17_a_second_writer_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker") as broker:
        gateway = one_source(tmp_path / "gw", broker)
        gateway.set_up()
        with gateway:
            gateway.wait_recording()
            said = gateway.run("run", "--config", str(gateway.config), code=69)
            assert "ledger in use by pid" in said
            publish(broker.port, 1, 4)
            assert [r.value for r in wait_readings(gateway, 3)] == [1.0, 2.0, 3.0]
        gateway.verified()


def test_ac_03_bytes_of_a_foreign_writer_are_damage_at_the_next_start_and_nothing_is_changed(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker") as broker:
        gateway = one_source(tmp_path / "gw", broker)
        gateway.set_up()
        with gateway:
            gateway.wait_recording()
            publish(broker.port, 1, 4)
            wait_readings(gateway, 3)
        file = gateway.ledger / "seg" / "00000000000000000000.seg"
        before = file.read_bytes()
        foreign = before.index(b'"value":2.0')
        file.chmod(0o640)
        file.write_bytes(before[: foreign + 8] + b"9" + before[foreign + 9 :])
        changed = file.read_bytes()
        said = gateway.run("run", "--config", str(gateway.config), code=1)
        assert "damaged: 00000000000000000000.seg offset" in said
        assert "restore this file from backup or mirror" in said
        assert file.read_bytes() == changed, "evidence is not touched"
        file.write_bytes(before)
        with gateway:
            gateway.wait_recording()
        gateway.verified()


def test_ac_03_a_head_that_differs_from_what_was_published_halts_the_start(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker") as broker:
        gateway = one_source(tmp_path / "gw", broker)
        gateway.set_up()
        with gateway:
            gateway.wait_recording()
        kept = tmp_path / "kept"
        shutil.copytree(gateway.ledger, kept)
        with gateway:
            gateway.wait_recording()
            publish(broker.port, 1, 4)
            wait_readings(gateway, 3)
        newer = (gateway.ledger / "checkpoint").read_bytes()
        shutil.rmtree(gateway.ledger)
        shutil.copytree(kept, gateway.ledger)  # an old disk image under the newer published head
        (gateway.ledger / "checkpoint").write_bytes(newer)
        said = gateway.run("run", "--config", str(gateway.config), code=1)
        assert "rollback: ledger ends at " in said
        assert "mirror or backup" in said
