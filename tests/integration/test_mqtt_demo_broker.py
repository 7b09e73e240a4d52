"""The demo's broker (amqtt, MQTT 3.1.1 only) in front of the source."""

from __future__ import annotations

import logging

import aiomqtt
import pytest

from tests.counterparts.ports import free_port
from tests.fakes.inlet import FakeInlet
from tests.integration.mqtt_plant import plan, running, source

pytestmark = pytest.mark.integration


@pytest.mark.filterwarnings("default")
async def test_amqtt_speaks_to_us_at_3_1_1() -> None:
    broker_module = pytest.importorskip("amqtt.broker", reason="the extra `demo` is not installed")
    logging.getLogger("amqtt").setLevel(logging.CRITICAL)
    port = free_port()
    config = {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    broker = broker_module.Broker(config)
    await broker.start()
    inlet = FakeInlet()
    try:
        async with running(source(port, plan("a"), protocol="3.1.1"), inlet):
            async with aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V311) as device:
                for k in range(100):
                    await device.publish("a", b'{"v":%d}' % k, qos=1)
            await inlet.until_values(100)
    finally:
        await broker.shutdown()
    assert inlet.values() == [str(k) for k in range(100)]
