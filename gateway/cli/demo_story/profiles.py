"""The demo's device profiles: those shipped for freezers and room sensors as they are, and one of its own for the door switch."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from gateway.cli.place import PACKAGED
from gateway.errors import Unavailable

FREEZER_PROFILE: Final = "generic/opcua-lads-freezer@1"
ROOM_PROFILE: Final = "generic/mqtt-cleanroom@1"
DOOR_PROFILE: Final = "demo/mqtt-door-switch@1"
NAMESPACE: Final = "urn:example:lads-freezer"
"""Namespace of the shipped freezer profile: the simulated freezer is built as that profile says."""
PLACES: Final = (Path(__file__).parents[3] / "device_profiles", PACKAGED / "device_profiles")
"""Beside the package in a clone, where the Debian package puts them otherwise."""

_DOOR: Final = """\
format: profile/1
id: demo/mqtt-door-switch
version: 1
title: Door switch, JSON over MQTT
params: {room: '[a-z0-9-]{1,32}'}
mqtt: {routes: {main: {topic: 'door/{room}/switch', time: {path: at, format: epoch_ms}, sequence: n}}}
signals:
  door:
    title: Freezer door
    kind: state
    type: boolean
    address: door
    map: {enum: {true: open, false: closed}}
    acquire: {expected_s: 10}
    use: {criticality: supporting, relevance: environment, role: door}
"""
_DOOR_CAPTURE: Final = (
    '{"received":"2026-11-22T07:25:00.290Z","mqtt":{"topic":"door/r-1/switch","qos":1,"retain":false,'
    '"payload":"{\\"n\\":1,\\"at\\":1795332300000,\\"door\\":true}"}}\n'
)
_DOOR_EXPECTED: Final = (
    '{"from":1,"signal":"door","value":"open","raw":"true","quality":"good","source_time":"2026-11-22T07:25:00Z"}\n'
)


def write_profiles(folder: Path) -> None:
    """Write the three profiles with their captures below ``folder``; raise `Unavailable` when the shipped ones are missing."""
    for reference in (FREEZER_PROFILE, ROOM_PROFILE):
        name = reference.partition("@")[0]
        shutil.copytree(_shipped(name), folder / name)
    own = folder / DOOR_PROFILE.partition("@")[0]
    own.mkdir(parents=True)
    (own / "profile.yaml").write_text(_DOOR)
    (own / "capture.jsonl").write_text(_DOOR_CAPTURE)
    (own / "expected.jsonl").write_text(_DOOR_EXPECTED)


def _shipped(name: str) -> Path:
    for place in PLACES:
        if (place / name / "profile.yaml").is_file():
            return place / name
    raise Unavailable(
        f"no device profile {name} in {' or '.join(str(place) for place in PLACES)}",
        remedy="run the demo from a clone of the project: ./run demo",
    )
