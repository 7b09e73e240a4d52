"""The room: an environment sensor and a door switch that publish JSON over MQTT with TLS, each under its own certificate."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from pathlib import Path
from random import Random
from typing import Final

import aiomqtt
from msgspec import Struct

from gateway.cli.demo_story.pace import Pace

SENSOR_PERIOD_S: Final = 1.0
"""Demo seconds between two messages of the room sensor; the door switch speaks when it moves and as often as that."""
RECONNECT_S: Final = 0.5


class BrokerLink(Struct, frozen=True, kw_only=True):
    """How a device reaches the broker: port on loopback, authority, own certificate, MQTT 5 or 3.1.1."""

    port: int
    ca: Path
    certificate: Path
    key: Path
    mqtt5: bool

    def client(self, identifier: str) -> aiomqtt.Client:
        """Return a client; its connection is opened by `async with`."""
        tls = ssl.create_default_context(cafile=str(self.ca))
        tls.minimum_version = ssl.TLSVersion.TLSv1_2
        tls.load_cert_chain(self.certificate, self.key)
        version = aiomqtt.ProtocolVersion.V5 if self.mqtt5 else aiomqtt.ProtocolVersion.V311
        return aiomqtt.Client("127.0.0.1", self.port, identifier=identifier, protocol=version, tls_context=tls)


class Device:
    """One publisher with a counter: a message is sent at QoS 1 and sent again after a lost connection."""

    def __init__(self, link: BrokerLink, identifier: str, topic: str) -> None:
        self._link = link
        self._identifier = identifier
        self._topic = topic
        self._number = 0
        self._waiting: asyncio.Queue[str] = asyncio.Queue()

    def say(self, values: dict[str, object], wall_ns: int) -> None:
        """Put one message in line: counter, time in ms, values."""
        self._number += 1
        message = {"n": self._number, "at": wall_ns // 1_000_000, **values}
        self._waiting.put_nowait(json.dumps(message, separators=(",", ":")))

    async def run(self) -> None:
        """Publish what waits, until cancelled."""
        message: str | None = None
        while True:
            try:
                async with self._link.client(self._identifier) as client:
                    while True:
                        message = message or await self._waiting.get()
                        await client.publish(self._topic, message, qos=1)
                        message = None
            except aiomqtt.MqttError:
                await asyncio.sleep(RECONNECT_S)


class Room:
    """Room R-1: temperature, humidity and pressure by the sensor, the freezer's door by the switch."""

    def __init__(self, link: BrokerLink, door_link: BrokerLink, topics: tuple[str, str], pace: Pace, seed: int) -> None:
        self.sensor = Device(link, "demo-room-sensor", topics[0])
        self.switch = Device(door_link, "demo-door-switch", topics[1])
        self._pace = pace
        self._noise = Random(seed)  # noqa: S311 - sensor noise that must repeat from one seed, nothing secret
        self.door_open = False

    def move_door(self, *, is_open: bool) -> None:
        """Open or close the door; the switch says so at once."""
        self.door_open = is_open
        self.switch.say({"door": is_open}, time.clock_gettime_ns(time.CLOCK_REALTIME))

    async def run(self) -> None:
        """Measure and publish until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.sensor.run())
            tasks.create_task(self.switch.run())
            while True:
                now_ns = time.clock_gettime_ns(time.CLOCK_REALTIME)
                self.sensor.say(self.measure(), now_ns)
                self.switch.say({"door": self.door_open}, now_ns)
                await asyncio.sleep(max(self._pace.real_s(SENSOR_PERIOD_S), self._pace.period_s))

    def measure(self) -> dict[str, object]:
        """Return one set of room values in the sensor's units: Cel, %RH, mbar; ``door`` is the room's own, closed."""
        noise = self._noise.uniform
        return {
            "t": round(20.4 + noise(-0.1, 0.1), 2),
            "rh": round(45 + noise(-0.4, 0.4), 1),
            "dp": round(0.15 + noise(-0.004, 0.004), 3),
            "door": False,
        }
