"""`gateway.yaml`, format gateway/1: the box, its connections, sinks and services (`profiles.md` 1)."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gateway.config.models.connections import Connection
from gateway.config.models.people import Accounts, Batch, Signing, Web
from gateway.config.models.services import Archive, Backup, Http, Notices, Telemetry, Timestamping, Witness
from gateway.config.models.sinks import Sink
from gateway.config.models.types import (
    FilePath,
    LowerId,
    Model,
    SecretRef,
    Text,
    Title,
    Zone,
    choice,
    exactly_one,
    need,
    pattern,
    whole,
)


class Site(Model):
    """The plant."""

    id: LowerId
    """Id of the site; fixed for this ledger."""
    name: Title
    """Name for people."""
    timezone: Zone
    """IANA time zone of the site."""


class GatewayBlock(Model):
    """This gateway."""

    id: LowerId
    """Id of the gateway; fixed for this ledger."""
    approval: Annotated[Literal["required", "off"], choice("required", "off")] = "required"
    """off: development mode, edits apply on save, nothing is for GMP use."""
    config_check_s: Annotated[int, whole(60, 3600)] = 3600
    """Seconds between two comparisons of disk and signed bytes."""


class Ledger(Model):
    """Where the evidence lies."""

    path: FilePath
    """Folder of the ledger; state/ lies beside it."""
    origin: Annotated[str, pattern(r"[A-Za-z0-9][A-Za-z0-9./_-]{2,127}", "an origin such as acme.example/basel/gw-01")]
    """Name of the log, fixed; ends in -dev with approval off."""
    commit_ms: Annotated[int, whole(5, 1000)] = 50
    """Longest wait of a reading for its commit, ms."""
    pool_leaves_max: Annotated[int, whole(1, 50_000)] = 5000
    """Most readings in one commit."""
    disk_reserve_mb: Annotated[int, whole(256)] = 2048
    """Free space below which intake stops acknowledging, MB."""


class Key(Model):
    """A key: in a file, or in a PKCS#11 device."""

    file: SecretRef | None = None
    """Private key, by reference."""
    pkcs11: FilePath | None = None
    """PKCS#11 module."""
    label: Text | None = None
    """Label of the key in it."""
    pin: SecretRef | None = None
    """PIN, by reference."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, "file", "pkcs11")
        if self.pkcs11 is not None:
            need(self, "label", "pin", why="a key in a device has a label and a PIN")
        return self


class Keys(Model):
    """Keys of the machine; people sign with their own credentials."""

    seal: Key
    """Seals every commit."""
    publish: Key | None = None
    """Seals each published checkpoint; not exportable."""
    document: Key | None = None
    """Seals PDF reports."""


class ClockBlock(Model):
    """How our clock is judged; the gateway never sets it."""

    servers: list[Text] = Field(default_factory=list)
    """Time servers we ask ourselves; not the operating system's."""
    error_ms_max: Annotated[int, whole(10, 60_000)] = 1000
    """Clock error bound above which readings are in doubt, ms."""
    step_ms_max: Annotated[int, whole(10, 5000)] = 50
    """A jump of the wall clock above this is recorded as a step, ms."""


class GatewayFile(Model):
    """The whole file."""

    format: Annotated[Literal["gateway/1"], choice("gateway/1")]
    """Kind and version of the file."""
    site: Site
    """The plant."""
    gateway: GatewayBlock
    """This gateway."""
    ledger: Ledger
    """Where the evidence lies."""
    keys: Keys
    """Keys of the machine."""
    clock: ClockBlock = ClockBlock()
    """How our clock is judged."""
    connections: dict[LowerId, Connection]
    """Connections to equipment and brokers, by id."""
    http: Http
    """The page and the API."""
    sinks: dict[LowerId, Sink] = Field(default_factory=dict)
    """Receivers of deviations and projections, by id."""
    witnesses: dict[LowerId, Witness] = Field(default_factory=dict)
    """Witnesses of our tree, by id."""
    timestamping: Timestamping | None = None
    """RFC 3161 time stamps."""
    archive: Archive | None = None
    """Second copy of sealed segments."""
    backup: Backup | None = None
    """Daily backup."""
    telemetry: Telemetry = Telemetry()
    """Prometheus and health."""
    notices: Notices = Notices()
    """Channels and people of notices."""
    batch: Batch = Batch()
    """Batch context."""
    accounts: Accounts = Accounts()
    """Rules of accounts."""
    signing: Signing = Signing()
    """Rules of signatures."""
    web: Web = Web()
    """Rules of the page."""
