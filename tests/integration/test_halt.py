"""Doubt is fatal in the ledger, on the real process: after a failed sync nothing is sealed, the evidence stays, people are told."""

from __future__ import annotations

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
    """The gateway under a tracer that fails every fdatasync from the n-th on."""

    fails_from: int | None = None

    def command(self) -> list[str]:
        if self.fails_from is None:
            return super().command()
        tracer = [need("strace"), "-D", "-f", "-qq", "-o", str(self.folder / "strace.out"), "-e", "trace=fdatasync"]
        return [*tracer, "-e", f"inject=fdatasync:error=EIO:when={self.fails_from}+", *super().command()]


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
