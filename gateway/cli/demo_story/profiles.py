"""The demo's device profiles, each as an engineer would write them for real equipment."""

from __future__ import annotations

from pathlib import Path
from typing import Final

FREEZER_PROFILE: Final = "demo/opcua-freezer@1"
ROOM_PROFILE: Final = "demo/mqtt-room-sensor@1"
DOOR_PROFILE: Final = "demo/mqtt-door-switch@1"
NAMESPACE: Final = "urn:demo.invalid:freezer:model"

_FREEZER: Final = """\
format: profile/1
id: demo/opcua-freezer
version: 1
title: Freezer, OPC UA
params: {root: '[A-Z0-9-]{1,32}'}
opcua: {namespace: 'urn:demo.invalid:freezer:model', publishing_ms: 250, history: raw}
signals:
  temp:
    title: Chamber temperature
    kind: analog
    type: double
    address: 's={root}.Temperature'
    units: {record: Cel, check: eu}
    quality: {instrument_range: [-90, 60]}
    acquire: {expected_s: 1, sampling_ms: 50}
    use: {criticality: critical, relevance: cqa}
  compressor:
    title: Compressor
    kind: state
    type: boolean
    address: 's={root}.Compressor'
    map: {enum: {true: running, false: stopped}}
    acquire: {expected_s: 1, sampling_ms: 50}
    use: {criticality: supporting, relevance: utility, role: machine}
"""

_ROOM: Final = """\
format: profile/1
id: demo/mqtt-room-sensor
version: 1
title: Room sensor, JSON over MQTT
params: {room: '[a-z0-9-]{1,32}'}
mqtt: {routes: {main: {topic: 'env/{room}/sensor', time: {path: at, format: epoch_ms}, sequence: n}}}
defaults: {kind: analog, type: number, acquire: {expected_s: 10}, use: {criticality: supporting, relevance: environment}}
signals:
  temp: {title: Temperature, address: t, units: Cel, quality: {sentinels: [-127]}}
  rh: {title: Humidity, address: rh, units: '%{RH}', quality: {instrument_range: [0, 100]}}
  dp: {title: Room pressure, address: dp, units: {record: Pa, wire: mbar}}
"""

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


def write_profiles(folder: Path) -> None:
    """Write the three profiles below ``folder`` (``<vendor>/<model>/profile.yaml``)."""
    for reference, text in (
        (FREEZER_PROFILE, _FREEZER),
        (ROOM_PROFILE, _ROOM),
        (DOOR_PROFILE, _DOOR),
    ):
        place = folder / reference.partition("@")[0]
        place.mkdir(parents=True)
        (place / "profile.yaml").write_text(text)
