"""The plant: folder, certificates, secrets, ports and configuration of one run, laid out before anything starts."""

from __future__ import annotations

import base64
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from msgspec import Struct

from gateway.cli.demo_story.broker import BrokerPlace
from gateway.cli.demo_story.certificates import Authority, Leaf, write_private
from gateway.cli.demo_story.freezer import APPLICATION_URI, FreezerPlace
from gateway.cli.demo_story.plant_files import (
    GATEWAY,
    ROOM_LIMITS_YAML,
    SITE,
    PlantFacts,
    gateway_yaml,
    limits_yaml,
    plant_yaml,
)
from gateway.cli.demo_story.ports import check_free, free_ports
from gateway.cli.demo_story.profiles import write_profiles
from gateway.cli.demo_story.room import BrokerLink
from gateway.cli.demo_story.witness import WitnessPlace, make_witness_key

SENSOR: Final = "r-1-env"
SWITCH: Final = "r-1-door"
WITNESS: Final = "witness"
SENSOR_TOPIC: Final = "env/r-1/sensor"
SWITCH_TOPIC: Final = "door/r-1/switch"
CALIBRATED_D: Final = 90
DUE_D: Final = 365


class Plant(Struct, kw_only=True):
    """What one run is made of. ``qms_secret`` is the text of the webhook's secret."""

    root: Path
    speed: float
    origin: str
    opcua_port: int
    cable_port: int
    broker_port: int
    qms_port: int
    http_port: int
    telemetry_port: int
    witness_port: int
    freezer_leaf: Leaf
    gateway_leaf: Leaf
    qms_leaf: tuple[Path, Path]
    opcua_password: str
    qms_secret: str
    now_ns: int

    @property
    def config(self) -> Path:
        """The configuration folder."""
        return self.root / "config"

    @property
    def ledger(self) -> Path:
        """The ledger folder."""
        return self.root / "ledger"

    @property
    def state(self) -> Path:
        """The state folder, beside the ledger."""
        return self.root / "state"

    @property
    def ca(self) -> Path:
        """Certificate of the demo's authority."""
        return self.config / "trust" / "ca.pem"

    @property
    def token_file(self) -> Path:
        """The token of the demo's machine account."""
        return self._secrets / "mes.token"

    @property
    def _secrets(self) -> Path:
        return self.root / "secrets"

    def freezer_place(self) -> FreezerPlace:
        """Return where and for whom the freezer's server stands; it is reached through the cable."""
        return FreezerPlace(
            port=self.opcua_port,
            reached_by=self.cable_port,
            user="gateway",
            password=self.opcua_password,
            client_der=self.gateway_leaf.der,
        )

    def broker_place(self) -> BrokerPlace:
        """Return how the broker is set up: each device writes its own topic, the gateway reads."""
        return BrokerPlace(
            folder=self.root / "broker",
            port=self.broker_port,
            ca=self.ca,
            certificate=self._secrets / "broker.pem",
            key=self._secrets / "broker.key",
            reader=GATEWAY,
            writers={SENSOR: SENSOR_TOPIC, SWITCH: SWITCH_TOPIC},
        )

    def witness_place(self) -> WitnessPlace:
        """Return where the witness stands."""
        return WitnessPlace(
            folder=self.root / "witness",
            port=self.witness_port,
            certificate=self._secrets / f"{WITNESS}.pem",
            tls_key=self._secrets / f"{WITNESS}.key",
        )

    def device_link(self, name: str, *, mqtt5: bool) -> BrokerLink:
        """Return how a device reaches the broker."""
        return BrokerLink(
            port=self.broker_port,
            ca=self.ca,
            certificate=self._secrets / f"{name}.pem",
            key=self._secrets / f"{name}.key",
            mqtt5=mqtt5,
        )

    def configure(self, *, mqtt5: bool) -> None:
        """Write configuration and profiles."""
        today = datetime.fromtimestamp(self.now_ns // 1_000_000_000, UTC).date()
        facts = PlantFacts(
            root=self.root,
            origin=self.origin,
            speed=self.speed,
            opcua_url=self.freezer_place().url,
            broker_port=self.broker_port,
            qms_url=f"https://127.0.0.1:{self.qms_port}/hooks/{GATEWAY}",
            http_port=self.http_port,
            telemetry_port=self.telemetry_port,
            witness_url=self.witness_place().url,
            mqtt5=mqtt5,
            calibrated=(today - timedelta(days=CALIBRATED_D)).isoformat(),
            due=(today + timedelta(days=DUE_D)).isoformat(),
        )
        (self.config / "gateway.yaml").write_text(gateway_yaml(facts))
        (self.config / "plant.yaml").write_text(plant_yaml(facts))
        (self.config / "limits" / "FRZ-01-STORE.yaml").write_text(limits_yaml(facts))
        (self.config / "limits" / "R-1-ENV.yaml").write_text(ROOM_LIMITS_YAML)
        write_profiles(self.root / "device_profiles")


def lay_out(root: Path, *, speed: float, http_port: int | None, now_ns: int) -> Plant:
    """Make folders, ports, certificates and secrets below ``root``, an empty folder of ours; nothing is started."""
    for name in (
        "config/trust",
        "config/limits",
        "secrets",
        "broker",
        "witness",
        "logs",
        "state/opcua",
        "device_profiles",
    ):
        (root / name).mkdir(mode=0o700, parents=True)
    if http_port is not None:
        check_free(http_port)
    authority = Authority(now_ns)
    authority.write_pem(root / "config" / "trust" / "ca.pem")
    opcua, cable, broker, qms, web, telemetry, witness = free_ports(7)
    kept = root / "secrets"
    for name in ("broker", SENSOR, SWITCH, WITNESS):
        authority.leaf(name).write_pem(kept, name)
    plant = Plant(
        root=root,
        speed=speed,
        origin=f"demo.invalid/{secrets.token_hex(4)}-dev",
        opcua_port=opcua,
        cable_port=cable,
        broker_port=broker,
        qms_port=qms,
        http_port=http_port or web,
        telemetry_port=telemetry,
        witness_port=witness,
        freezer_leaf=authority.leaf("FRZ-01", uri=APPLICATION_URI, use_rsa=True),
        gateway_leaf=authority.leaf(GATEWAY, uri=f"urn:{SITE}:{GATEWAY}", use_rsa=True),
        qms_leaf=authority.leaf("qms").write_pem(kept, "qms"),
        opcua_password=secrets.token_urlsafe(18),
        qms_secret="whsec_" + base64.b64encode(secrets.token_bytes(32)).decode(),
        now_ns=now_ns,
    )
    (plant.config / "trust" / "line1.der").write_bytes(plant.freezer_leaf.der)
    (plant.config / "trust" / "witness.vkey").write_text(f"{make_witness_key(plant.witness_place())}\n")
    client, _ = authority.leaf(GATEWAY).write_pem(kept, GATEWAY)
    client.rename(plant.config / "trust" / client.name)
    (plant.state / "opcua" / "own.der").write_bytes(plant.gateway_leaf.der)
    write_private(plant.state / "opcua" / "own.key", plant.gateway_leaf.key_der)
    write_private(kept / "line1.password", plant.opcua_password.encode())
    write_private(kept / "qms.secret", plant.qms_secret.encode())
    return plant
