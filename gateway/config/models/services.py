"""Services of `gateway.yaml`: page, witnesses, time stamps, archive, backup, telemetry, notices (`profiles.md` 1)."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from gateway.config.models.types import (
    ClockTime,
    Day,
    FilePath,
    Flag,
    HostPort,
    HttpsUrl,
    LowerId,
    Mail,
    Model,
    SecretRef,
    Text,
    need,
    pattern,
    url_of,
    whole,
)

LOOPBACK_HOSTS = frozenset(("127.0.0.1", "localhost", "[::1]"))


def on_loopback(listen: str) -> bool:
    """Tell whether host:port stays on this machine."""
    return listen.rpartition(":")[0] in LOOPBACK_HOSTS


class Http(Model):
    """The page and the API."""

    listen: HostPort
    """Address and port."""
    url: HttpsUrl | None = None
    """Base of links in messages; default https:// and listen."""
    certificate: FilePath | None = None
    """Our certificate; needed unless on loopback."""
    key: SecretRef | None = None
    """Private key of `certificate`, by reference."""
    open_tree: Flag = False
    """Checkpoints and tiles are readable without sign-in."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not on_loopback(self.listen):
            need(self, "certificate", "key", why="a page beyond loopback needs TLS")
        return self


class Witness(Model):
    """A C2SP witness."""

    url: HttpsUrl
    """Its address."""
    key: FilePath
    """File with its verifier key, the first line of `gateway witness serve`."""
    ca: FilePath | None = None
    """Authority of its certificate; default the operating system's."""


class Timestamping(Model):
    """An RFC 3161 authority."""

    url: HttpsUrl
    """Its address."""
    ca: FilePath
    """Its root certificate."""
    every_s: Annotated[int, whole(60, 86400)] = 600
    """Seconds between two stamps."""
    crl: list[Text] = Field(default_factory=list)
    """Its revocation lists, addresses or files; default the addresses in its certificates."""
    renew: Day | None = None
    """Stamps made before this day (UTC) are stamped again as one list: their algorithm or authority lost its worth."""


class S3(Model):
    """An object store with Object Lock."""

    endpoint: HttpsUrl
    """Server."""
    bucket: Text
    """Bucket."""
    access_key: SecretRef
    """Access key, by reference."""
    secret_key: SecretRef
    """Secret key, by reference."""
    encryption_key: SecretRef
    """Key of AES-256-GCM before anything leaves the box, by reference."""
    prefix: Text | None = None
    """Folder in the bucket."""
    region: Text | None = None
    """Region."""
    lock_years: Annotated[int, whole(1, 50)] = 10
    """Retention, years."""


class Archive(Model):
    """Where sealed segments are kept a second time."""

    s3: S3
    """An object store."""


class BackupStore(Model):
    """An object store for backups."""

    endpoint: HttpsUrl
    """Server."""
    bucket: Text
    """Bucket."""
    access_key: SecretRef
    """Access key, by reference."""
    secret_key: SecretRef
    """Secret key, by reference."""
    prefix: Text | None = None
    """Folder in the bucket."""
    region: Text | None = None
    """Region."""


class BackupTarget(Model):
    """A backup target that is no folder."""

    s3: BackupStore
    """An object store."""


class Backup(Model):
    """A daily backup."""

    to: FilePath | BackupTarget
    """Folder on another disk or host. An s3 block is understood; this version writes folders."""
    at: ClockTime = "02:00"
    """Time of day, site zone."""
    encryption_key: SecretRef
    """Recovery key: public half of an X25519 pair (PEM), or 32 secret bytes (base64), by reference."""


class Telemetry(Model):
    """Prometheus and health."""

    listen: HostPort = "127.0.0.1:9420"
    """Address and port."""
    certificate: FilePath | None = None
    """Certificate; needed unless on loopback."""
    key: SecretRef | None = None
    """Private key, by reference."""
    client_ca: FilePath | None = None
    """Authority of clients; needed unless on loopback."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not on_loopback(self.listen):
            need(
                self,
                "certificate",
                "key",
                "client_ca",
                why="telemetry beyond loopback needs TLS and client certificates",
            )
        return self


Person = Annotated[str, pattern(r"P-[0-9]{6}", "a person P-000123")]


class Roster(Model):
    """Who is called, step by step."""

    duty: list[Person]
    """Step 0."""
    deputy: list[Person]
    """Step 1."""
    supervisor: list[Person]
    """Step 2."""
    qa: list[Person]
    """Step 3, QA on call."""


class NoticeTopic(Model):
    """Notices as MQTT state topics."""

    connection: LowerId
    """An MQTT connection."""
    topic: Text
    """Topic below which states are published."""


class NoticeMail(Model):
    """Notices by mail."""

    url: Annotated[str, url_of("smtps", "smtp")]
    """Server; smtp:// with STARTTLS."""
    from_: Mail = Field(alias="from")
    """Sender."""
    user: Text | None = None
    """User name."""
    password: SecretRef | None = None
    """Password, by reference."""
    ca: FilePath | None = None
    """Authority of the server."""


class Notices(Model):
    """Channels and people of notices (`excursions.md` 7)."""

    roster: dict[str, Roster] = Field(default_factory=dict)
    """Area, or all, to people."""
    mqtt: NoticeTopic | None = None
    """State topics."""
    mail: NoticeMail | None = None
    """Mail."""
