"""The configuration files of the demo's plant, as an engineer would have written them for real equipment."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from msgspec import Struct

from gateway.cli.demo_story.profiles import DOOR_PROFILE, FREEZER_PROFILE, ROOM_PROFILE

SITE: Final = "demo"
GATEWAY: Final = "gw-01"
ALERT_C: Final = "-20.0"
ACTION_C: Final = "-15.0"
HYSTERESIS_C: Final = "0.5"
OFF_DELAY_S: Final = 2
ENDED_HOLD_S: Final = 5
PRE_ROLL_S: Final = 10


class PlantFacts(Struct, frozen=True, kw_only=True):
    """What differs from run to run. Ports are on loopback; ``root`` is the demo's folder; days are ISO dates."""

    root: Path
    origin: str
    speed: float
    opcua_url: str
    broker_port: int
    qms_url: str
    http_port: int
    telemetry_port: int
    witness_url: str
    mqtt5: bool
    calibrated: str
    due: str

    @property
    def secrets(self) -> Path:
        """Folder of private keys and passwords, beside the configuration and never in it."""
        return self.root / "secrets"

    def seconds(self, demo_s: int) -> int:
        """Return a configured time of the demo, whole seconds rounded down (the product's own delays keep their meaning)."""
        return int(demo_s / self.speed)


def gateway_yaml(facts: PlantFacts) -> str:
    """Return `gateway.yaml`."""
    protocol = "" if facts.mqtt5 else ", protocol: '3.1.1'"
    port = facts.qms_url.rpartition(":")[2].partition("/")[0]
    return f"""\
# Written by `gateway demo`: a development ledger, not for GMP use.
format: gateway/1
site: {{id: {SITE}, name: Demo plant, timezone: Europe/Zurich}}
gateway: {{id: {GATEWAY}, approval: 'off'}}
ledger: {{path: {facts.root}/ledger, origin: {facts.origin}, disk_reserve_mb: 256}}
keys: {{seal: {{file: 'file:{facts.secrets}/seal.pem'}}}}
connections:
  line1: {{opcua: {{url: '{facts.opcua_url}', user: gateway, password: 'file:{facts.secrets}/line1.password', server_certificate: trust/line1.der}}}}
  plant: {{mqtt: {{url: 'mqtts://127.0.0.1:{facts.broker_port}', ca: trust/ca.pem, certificate: trust/{GATEWAY}.pem, key: 'file:{facts.secrets}/{GATEWAY}.key'{protocol}}}}}
http: {{listen: '127.0.0.1:{facts.http_port}'}}
telemetry: {{listen: '127.0.0.1:{facts.telemetry_port}'}}
sinks:
  qms: {{qms: {{url: '{facts.qms_url}', secret: 'file:{facts.secrets}/qms.secret', ca: trust/ca.pem, allow_networks: [127.0.0.0/8], ports: [{port}]}}}}
witnesses: {{other: {{url: '{facts.witness_url}', key: trust/witness.vkey, ca: trust/ca.pem}}}}
batch: {{pre_roll_s: {facts.seconds(PRE_ROLL_S)}, post_roll_s: 0}}
"""


def plant_yaml(facts: PlantFacts) -> str:
    """Return `plant.yaml`."""
    calibration = f"performed: {facts.calibrated}, due: {facts.due}, laboratory: Demo laboratory, as_found: pass"
    return f"""\
format: plant/1
nodes:
  STORE: {{level: area, name: Cold store}}
  R-1: {{level: room, name: Room 1, in: STORE, grade: D}}
  FRZ-01: {{level: unit, name: Freezer 1, in: STORE, room: R-1}}
devices:
  FRZ-01:
    profile: {FREEZER_PROFILE}
    connection: line1
    node: FRZ-01
    params: {{root: FRZ-01}}
    serial: F-2201
    calibration: {{temp: {{certificate: CAL-DEMO-1, {calibration}}}}}
  R-1-ENV:
    profile: {ROOM_PROFILE}
    connection: plant
    node: R-1
    params: {{room: r-1}}
    serial: E-5521
    calibration:
      temp: {{certificate: CAL-DEMO-2, {calibration}}}
      rh: {{certificate: CAL-DEMO-3, {calibration}}}
      dp: {{certificate: CAL-DEMO-4, {calibration}}}
  R-1-DOOR: {{profile: {DOOR_PROFILE}, connection: plant, node: R-1, params: {{room: r-1}}, serial: D-11}}
"""


def limits_yaml(facts: PlantFacts) -> str:
    """Return `limits/FRZ-01-STORE.yaml`; delays are divided by the speed."""
    delay = facts.seconds(OFF_DELAY_S)
    delays = f"\n    off_delay_s: {delay}\n    delay_reason: The demo's sensor settles within 2 s" if delay else ""
    return f"""\
format: limits/1
id: FRZ-01-STORE
version: 1
title: Freezer 1, storage at -20 Cel
source: {{document: DEMO-SPEC-1, revision: '1'}}
rules:
  temp:
    signals: [FRZ-01/temp]
    unit: Cel
    spec: {{high: -10.0}}
    high: {{alert: {ALERT_C}, action: {ACTION_C}}}
    hysteresis: {HYSTERESIS_C}{delays}
    justification: Storage condition of the demo's product, DEMO-SPEC-1
    deviation: {{sink: qms, severity: major, ended_hold_s: {facts.seconds(ENDED_HOLD_S)}}}
"""


ROOM_LIMITS_YAML: Final = """\
format: limits/1
id: R-1-ENV
version: 1
title: Room 1, climate
source: {document: DEMO-SPEC-2, revision: '1'}
rules:
  temp:
    signals: [R-1-ENV/temp]
    unit: Cel
    high: {alert: 24.0, action: 24.5}
    hysteresis: 0.2
    justification: Room temperature by the demo's ventilation, DEMO-SPEC-2
    deviation: {sink: qms, severity: minor, when: batch}
  rh:
    signals: [R-1-ENV/rh]
    unit: '%{RH}'
    high: {alert: 60, action: 65}
    hysteresis: 2
    justification: Condensation on packaging begins above, DEMO-SPEC-2
    deviation: {sink: qms, severity: minor, when: batch}
  dp:
    signals: [R-1-ENV/dp]
    unit: Pa
    low: {alert: 12, action: 10}
    hysteresis: 1
    justification: Air flows from the store to the corridor, DEMO-SPEC-2
    deviation: {sink: qms, severity: minor, when: batch}
"""
