"""The demo's plant: its configuration is understood without an error at every speed; nothing private lies in the open."""

from __future__ import annotations

import socket
import stat
from time import CLOCK_REALTIME, clock_gettime_ns

import pytest

from gateway.cli.demo_story.acts import DOOR, ROOM_TEMPERATURE, TEMPERATURE
from gateway.cli.demo_story.plant import lay_out
from gateway.config.load import load, profiles_beside
from gateway.errors import Unavailable


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "demo"
    folder.mkdir(mode=0o700)
    return folder


@pytest.mark.parametrize(("speed", "mqtt5"), [(1, True), (10, True), (20, False)])
def test_the_configuration_is_understood(root, speed, mqtt5):
    plant = lay_out(root, speed=speed, http_port=None, now_ns=clock_gettime_ns(CLOCK_REALTIME))
    plant.configure(mqtt5=mqtt5)
    loaded = load(plant.config, profiles_beside(plant.config))
    assert [found.headline() for found in loaded.findings] == []
    assert loaded.plan is not None
    assert {TEMPERATURE, DOOR, ROOM_TEMPERATURE} < set(loaded.plan.signals)
    assert loaded.plan.dev
    assert loaded.limits[0].rules["temp"].off_delay_s == int(2 / speed)
    protocol = loaded.settings.connections["plant"].mqtt.protocol
    assert protocol == (5 if mqtt5 else "3.1.1")


def test_the_origin_says_that_it_is_a_demo_and_is_new_each_time(root, tmp_path):
    first = lay_out(root, speed=1, http_port=None, now_ns=clock_gettime_ns(CLOCK_REALTIME))
    (tmp_path / "other").mkdir()
    second = lay_out(tmp_path / "other", speed=1, http_port=None, now_ns=clock_gettime_ns(CLOCK_REALTIME))
    assert first.origin.startswith("demo.invalid/")
    assert first.origin.endswith("-dev")
    assert first.origin != second.origin


def test_no_private_key_lies_in_the_configuration_and_none_is_readable_by_others(root):
    plant = lay_out(root, speed=1, http_port=40123, now_ns=clock_gettime_ns(CLOCK_REALTIME))
    assert plant.http_port == 40123
    for path in plant.config.rglob("*"):
        assert not path.is_file() or b"PRIVATE" not in path.read_bytes(), path
    private = [
        *(root / "secrets").glob("*.key"),
        plant.witness_place().key,
        root / "secrets" / "qms.secret",
        plant.state / "opcua" / "own.key",
    ]
    assert len(private) >= 8
    for path in private:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_a_port_that_is_taken_is_refused_before_anything_starts(root):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Unavailable, match="cannot be used"):
        lay_out(root, speed=1, http_port=taken.getsockname()[1], now_ns=clock_gettime_ns(CLOCK_REALTIME))
