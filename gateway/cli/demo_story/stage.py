"""The stage: everything that runs while the story is told, started in order and ended in order."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct

from gateway.adapters.entropy import os_entropy
from gateway.adapters.http.server import bind, serve
from gateway.adapters.machine_accounts import SCOPES, MachineAccounts
from gateway.adapters.people import PeopleFile
from gateway.adapters.receiver import ReferenceReceiver, receiver_app
from gateway.adapters.system_clock import OsClock
from gateway.adapters.webhook.envelope_seal import parse_secret
from gateway.cli.control import Control
from gateway.cli.demo_story.broker import Broker, start_broker
from gateway.cli.demo_story.certificates import write_private
from gateway.cli.demo_story.child import Child
from gateway.cli.demo_story.cut import Cable
from gateway.cli.demo_story.freezer import Freezer
from gateway.cli.demo_story.pace import Pace
from gateway.cli.demo_story.plant import SENSOR, SENSOR_TOPIC, SWITCH, SWITCH_TOPIC, Plant
from gateway.cli.demo_story.room import Room
from gateway.cli.demo_story.watch import Watch
from gateway.cli.demo_story.witness import START_S, hand_over_log_key, witness_child
from gateway.errors import Unavailable

SETUP_S = 60.0
MES_NAME = "MES of the plant"


class Stage(Struct, kw_only=True):
    """What the story may touch: the plant's equipment, the gateway's door, its ledger, the QMS."""

    plant: Plant
    pace: Pace
    broker: Broker
    freezer: Freezer
    room: Room
    cable: Cable
    qms: ReferenceReceiver
    witness: Child
    gateway: Child
    control: Control
    watch: Watch


class _Ended(Exception):
    """The story is over: ends the tasks that would run for ever."""


@asynccontextmanager
async def set_up(plant: Plant, pace: Pace, seed: int, *, embedded_broker: bool = False) -> AsyncGenerator[Stage]:
    """Start the plant, then the gateway; end them in the opposite order. Raises `Unavailable` when a part cannot start."""
    broker = await start_broker(plant.broker_place(), embedded=embedded_broker)
    gateway = Child("the gateway", _command("run", plant), plant.root / "logs" / "gateway.log")
    witness = witness_child(plant.witness_place(), plant.root / "logs" / "witness.log")
    try:
        plant.configure(mqtt5=broker.mqtt5)
        stage = await _make(plant, pace, seed, broker, gateway, witness)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_serve_qms(stage))
            tasks.create_task(stage.cable.run())
            tasks.create_task(stage.freezer.run())
            tasks.create_task(stage.room.run())
            await _set_up_gateway(plant)
            hand_over_log_key(plant.witness_place(), plant.ledger)
            await witness.start()
            await stage.freezer.started.wait()
            await witness.listening(plant.witness_port, START_S)
            await gateway.start()
            tasks.create_task(stage.watch.run())
            yield stage
            raise _Ended  # noqa: TRY301 - the way to end a TaskGroup whose tasks wait for ever
    except* _Ended:
        pass
    finally:
        await gateway.stop()
        await witness.stop()
        await broker.child.stop()


async def _make(plant: Plant, pace: Pace, seed: int, broker: Broker, gateway: Child, witness: Child) -> Stage:
    token = await asyncio.to_thread(_make_account, plant)
    links = [plant.device_link(name, mqtt5=broker.mqtt5) for name in (SENSOR, SWITCH)]
    return Stage(
        plant=plant,
        pace=pace,
        broker=broker,
        freezer=Freezer(plant.freezer_place(), plant.freezer_leaf, pace, seed),
        room=Room(links[0], links[1], (SENSOR_TOPIC, SWITCH_TOPIC), pace, seed),
        cable=Cable(plant.cable_port, plant.opcua_port),
        qms=ReferenceReceiver((parse_secret(plant.qms_secret),)),
        witness=witness,
        gateway=gateway,
        control=Control(token=token, socket_path=plant.state / "control.sock"),
        watch=Watch(plant.ledger),
    )


def _make_account(plant: Plant) -> str:
    """Make a machine account that stands in for the plant's MES, with a token file for the commands shown at the end."""
    accounts = MachineAccounts(plant.state / "machines.json")
    people = PeopleFile(plant.state / "people.db", os_entropy)
    _, token = accounts.add(sorted(SCOPES), 1, plant.now_ns, os_entropy, people, MES_NAME)
    people.close()
    write_private(plant.token_file, f"{token}\n".encode())
    return token


async def _set_up_gateway(plant: Plant) -> None:
    """Run `gateway setup`, as on any box; raise `Unavailable` with its words when it refuses."""
    process = await asyncio.create_subprocess_exec(
        *_command("setup", plant),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(SETUP_S):
        said, _ = await process.communicate()
    if process.returncode != 0:
        raise Unavailable(f"gateway setup ended with {process.returncode}: {said.decode(errors='replace').strip()}")


async def _serve_qms(stage: Stage) -> None:
    application = receiver_app(stage.qms, OsClock(), _silent)
    await serve(application, bind(f"127.0.0.1:{stage.plant.qms_port}"), stage.plant.qms_leaf)


def _silent(_: Any) -> None:
    """Show nothing: the story says what the QMS received."""


def _command(word: str, plant: Plant) -> list[str]:
    return [sys.executable, "-m", "gateway", word, "--config", str(plant.config)]
