"""The shipped broker file as it stands, TLS and access rules included: a real broker takes it and it keeps its promises."""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path

import aiomqtt
import pytest

from gateway.adapters.mqtt.source import MqttSource
from tests.adapters.mqtt.tls_files import TlsFiles
from tests.counterparts.mosquitto import Mosquitto
from tests.fakes.inlet import FakeInlet
from tests.fakes.running_clock import RunningClock
from tests.integration.mqtt_plant import link, plan, publisher, running
from tests.paths import ROOT

pytestmark = pytest.mark.integration


class ShippedBroker(Mosquitto):
    """Mosquitto on `deploy/mosquitto.conf`; only paths and the port are ours, the access file is the one its comment shows."""

    def __init__(self, folder: Path, files: TlsFiles) -> None:
        self.files = files
        super().__init__(folder)

    def _settings(self, conf: str) -> str:
        text = (ROOT / "deploy" / "mosquitto.conf").read_text()
        rules = self.folder / "gateway.acl"
        lines = text.splitlines()
        first = next(at for at, line in enumerate(lines) if line.startswith("# Content of the file"))
        shown = [line.removeprefix("#").strip() for line in lines[first + 1 : first + 5]]
        rules.write_text("\n".join(shown) + "\n")
        rules.chmod(0o600)
        ours = {
            "listener": f"{self.port} 127.0.0.1",
            "cafile": str(self.files.ca),
            "certfile": str(self.files.broker),
            "keyfile": str(self.files.broker_key),
            "acl_file": str(rules),
            "persistence_location": f"{self.folder}/",
        }
        kept = [
            f"{key} {ours.get(key, rest)}" for key, _, rest in (line.partition(" ") for line in lines) if key.islower()
        ]
        return "\n".join(["user root", "log_dest stderr", *kept, ""])


async def test_us_08_device_writes_under_its_own_name_alone_and_the_gateway_reads(tmp_path: Path) -> None:
    files = TlsFiles.make(tmp_path / "tls")
    topics = plan("env/gw-01/t", "env/other/t")
    tls = {"tls": True, "ca": str(files.ca), "certificate": str(files.client), "key": str(files.client_key)}
    with ShippedBroker(tmp_path, files) as broker:
        inlet = FakeInlet()
        ours = MqttSource(topics, link(broker.port, **tls), RunningClock(), lambda: 0.5)
        context = ssl.create_default_context(cafile=str(files.ca))
        context.load_cert_chain(str(files.client), str(files.client_key))
        async with running(ours, inlet):
            connected = await inlet.until_fact("link", "connected")
            with contextlib.suppress(aiomqtt.MqttError):  # 2.0.11 ends the connection of a device that tries
                async with publisher(broker.port, tls_context=context) as device:
                    await device.publish("env/other/t", b'{"v":666}', qos=1, timeout=2)
            async with publisher(broker.port, tls_context=context) as device:
                await device.publish("env/gw-01/t", b'{"v":1}', qos=1)
            await inlet.until_values(1)
        assert inlet.values() == ["1"]
        assert connected.detail is not None
        assert (connected.detail["refused"], connected.detail["findings"]) == ([], [])


async def test_ac_08_weak_clients_are_refused(tmp_path: Path) -> None:
    files = TlsFiles.make(tmp_path / "tls")
    with ShippedBroker(tmp_path, files) as broker:
        for weak in ({"tls": True, "ca": str(files.ca)}, {"tls": False}):
            inlet = FakeInlet()
            source = MqttSource(plan("a"), link(broker.port, **weak), RunningClock(), lambda: 0.5)
            async with running(source, inlet, connected=False):
                await inlet.until_fact("link", "not_connected")
            assert not [fact for fact in inlet.facts if fact.cause == "connected"]
