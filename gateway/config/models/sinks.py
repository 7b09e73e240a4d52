"""Sinks of `gateway.yaml`: QMS webhook (`deviations.md` 3), InfluxDB and PostgreSQL (`interface.md` 7)."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gateway.config.models.types import (
    FilePath,
    Flag,
    HttpsUrl,
    Model,
    SecretRef,
    Text,
    choice,
    exactly_one,
    need,
    pattern,
    whole,
)

_POINTER = pattern(r"(?:/[^/]*)*", "a JSON pointer")


class Poll(Model):
    """Ask the QMS for the record id when its answer does not hold it."""

    url: Annotated[str, pattern(r"https?://\S*\{external_id\}\S*", "a URL with {external_id}")]
    """Address to ask, with {external_id} in it."""
    every_s: Annotated[int, whole(30, 86400)] = 300
    """Seconds between two questions."""
    id_pointer: Annotated[str, _POINTER] = "/record_id"
    """JSON pointer to the record id."""
    status_pointer: Annotated[str, _POINTER] | None = None
    """JSON pointer to the status."""


class Receipt(Model):
    """How we learn that the QMS has the deviation."""

    id_pointer: Annotated[str, _POINTER] = "/record_id"
    """JSON pointer to the record id in the answer."""
    poll: Poll | None = None
    """Ask instead."""
    inbound: SecretRef | None = None
    """Secret of calls back to us, by reference; absent: no such route."""


class Qms(Model):
    """A receiver of deviations by webhook."""

    url: HttpsUrl
    """Where to post."""
    secret: SecretRef
    """whsec_ secret of the envelope seal, by reference."""
    ed25519_key: SecretRef | None = None
    """whsk_ key of the second envelope seal, by reference."""
    client_certificate: FilePath | None = None
    """Our certificate for mutual TLS."""
    client_key: SecretRef | None = None
    """Private key of `client_certificate`, by reference."""
    ca: FilePath | None = None
    """Authority that signed the receiver's certificate; default the system's."""
    token: SecretRef | None = None
    """Bearer token, by reference."""
    allow_hosts: list[Text] | None = None
    """Hosts we may connect to; default the host of url."""
    allow_networks: list[Annotated[str, pattern(r"[0-9A-Fa-f:.]+/[0-9]{1,3}", "a network in CIDR form")]] = Field(
        default_factory=list
    )
    """Private networks we may connect to, CIDR."""
    ports: list[Annotated[int, whole(1, 65535)]] = Field(default_factory=lambda: [443])
    """Ports we may connect to."""
    mode: Annotated[Literal["structured", "binary"], choice("structured", "binary")] = "structured"
    """CloudEvents mode."""
    content_type: Annotated[str, choice("application/cloudevents+json", "application/json")] = (
        "application/cloudevents+json"
    )
    """Content type of structured mode."""
    events: list[Annotated[str, pattern(r"[a-z_]+\.(?:[a-z_]+|\*)", "an event type")]] = Field(
        default_factory=lambda: ["deviation.*", "batch.sealed"]
    )
    """Event types that are sent."""
    required: Flag = True
    """A deviation is confirmed only when this sink has confirmed it."""
    test: Flag = False
    """Gets test events and no others."""
    receipt: Receipt = Receipt()
    """How a deviation becomes confirmed."""
    confirm_within_s: Annotated[int, whole(60, 604_800)] = 14_400
    """Unconfirmed after that: overdue, s."""
    second: Text | None = None
    """Second channel for undelivered ones: a sink id or a mail address."""
    scope: Annotated[Literal["site", "client"], choice("site", "client")] | None = None
    """Whose view is sent; default by use."""


class Influxdb(Model):
    """A projection into InfluxDB; never the record."""

    url: HttpsUrl
    """Server."""
    api: Annotated[Literal["v1", "v2", "v3"], choice("v1", "v2", "v3")]
    """Write protocol."""
    bucket: Text
    """Bucket; v1 and v3: database."""
    org: Text | None = None
    """Organisation, v2."""
    token: SecretRef | None = None
    """Token, by reference."""
    user: Text | None = None
    """User name, instead of a token."""
    password: SecretRef | None = None
    """Password of `user`, by reference."""
    ca: FilePath | None = None
    """Authority that signed the server's certificate."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.api == "v2":
            need(self, "org", "token", why="api v2 writes into a bucket of an organisation with a token")
        return self


class Postgres(Model):
    """A replica for several sites in PostgreSQL."""

    url: Annotated[str, pattern(r"postgres(?:ql)?://[^@\s]+", "a URL postgresql://host/database")]
    """Server and database."""
    user: Text
    """Role that loads."""
    password: SecretRef
    """Password, by reference."""
    ca: FilePath
    """Authority that signed the server's certificate."""


class Sink(Model):
    """One sink: exactly one of qms, influxdb, postgres."""

    qms: Qms | None = None
    """A receiver of deviations."""
    influxdb: Influxdb | None = None
    """A projection into InfluxDB."""
    postgres: Postgres | None = None
    """A replica in PostgreSQL."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        return exactly_one(self, "qms", "influxdb", "postgres")
