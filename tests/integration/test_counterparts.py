"""The counterparts themselves: they start, keep their data over a restart, answer as the real servers do, and end."""

from __future__ import annotations

import gzip
from pathlib import Path

import aiomqtt
import pytest

from tests.counterparts.http import ask
from tests.counterparts.influxd import Influxd
from tests.counterparts.mosquitto import Mosquitto
from tests.counterparts.ports import accepts, wait_until_closed
from tests.counterparts.victoria import Victoria

pytestmark = pytest.mark.integration

PERSIST = "autosave_on_changes true\nautosave_interval 1"


async def test_mosquitto_keeps_a_retained_message_over_kill(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, conf=PERSIST) as broker:
        async with aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
            await client.publish("env/r-1", b"4.5", qos=1, retain=True)
        broker.stop()
        broker.start()
        broker.kill()
        wait_until_closed(broker.port)
        broker.start()
        async with aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
            await client.subscribe("env/#", qos=1)
            message = await anext(aiter(client.messages))
        assert message.payload == b"4.5"
        assert message.retain
    assert not accepts(broker.port)


def test_mosquitto_that_cannot_start_shows_its_log(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no_such_setting"):
        Mosquitto(tmp_path, conf="no_such_setting 1").start()


def test_victoria_takes_the_v2_write(tmp_path: Path) -> None:
    with Victoria(tmp_path) as server:
        line = gzip.compress(b"reading,signal=FRZ-01 value=4.5 1700000000000000000\n")
        url = f"{server.url}/api/v2/write?org=o&bucket=b&precision=ns"
        assert ask(url, body=line, headers={"Content-Encoding": "gzip"}).status == 204
        (series,) = server.export("reading_value")
        assert series["values"] == [4.5]
        assert series["metric"]["signal"] == "FRZ-01"


def test_influxd_takes_the_v2_write_through_the_shim(tmp_path: Path) -> None:
    with Influxd(tmp_path, user="gw", password="word") as server, server.v2_shim() as url:
        server.create_database("plant")
        body = gzip.compress(b"reading,signal=FRZ-01 value=4.5 1700000000000000001\n")
        target = f"{url}/api/v2/write?bucket=plant/autogen&precision=ns"
        token = {"Authorization": "Token gw:word", "Content-Encoding": "gzip"}
        assert ask(target, body=body, headers=token).status == 204
        assert ask(target, body=body, headers=token | {"Authorization": "Token gw:other"}).status == 401
        assert ask(target, body=b"reading value=\n", headers={"Authorization": "Token gw:word"}).status == 400
        rows = server.query("SELECT * FROM reading", "plant")
        assert rows == [{"time": 1700000000000000001, "signal": "FRZ-01", "value": 4.5}]
