"""Connections of `gateway.yaml`: OPC UA, MQTT, replay (`profiles.md` 1)."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gateway.config.models.types import (
    FilePath,
    Flag,
    Model,
    SecretRef,
    Text,
    choice,
    exactly_one,
    number,
    url_of,
    whole,
)


class Opcua(Model):
    """An OPC UA server. Never a weaker endpoint as fall-back."""

    url: Annotated[str, url_of("opc.tcp")]
    """Endpoint of the server, opc.tcp://host:port."""
    policy: Annotated[
        str,
        choice(
            "Basic256Sha256",
            "Aes128Sha256RsaOaep",
            "Aes256Sha256RsaPss",
            "None",
            "Basic128Rsa15",
            "Basic256",
        ),
    ] = "Basic256Sha256"
    """Security policy; the last three are refused, None but for loopback with approval off (SEC-03)."""
    mode: Annotated[str, choice("SignAndEncrypt", "Sign", "None")] = "SignAndEncrypt"
    """Message security mode."""
    user: Text | None = None
    """User name; with `password`."""
    password: SecretRef | None = None
    """Password of `user`, by reference."""
    user_certificate: FilePath | None = None
    """X.509 user certificate, instead of a name; with `user_key`."""
    user_key: SecretRef | None = None
    """Private key of `user_certificate`, by reference."""
    server_certificate: FilePath | None = None
    """The server's certificate, pinned: its bytes must be equal at every connect."""
    keepalive_s: Annotated[int, whole(1, 5)] = 5
    """Longest time between two messages of a subscription, s."""


class Mqtt(Model):
    """An MQTT broker."""

    url: Annotated[str, url_of("mqtts", "mqtt")]
    """Broker, mqtts://host:port; mqtt:// on loopback with approval off only."""
    ca: FilePath | None = None
    """Authority that signed the broker's certificate."""
    certificate: FilePath | None = None
    """Our client certificate."""
    key: SecretRef | None = None
    """Private key of `certificate`, by reference."""
    user: Text | None = None
    """User name beside the certificate."""
    password: SecretRef | None = None
    """Password of `user`, by reference."""
    client_id: Text | None = None
    """Client id; default the gateway id. Fixed: the broker's queue hangs on it."""
    protocol: Annotated[int | str, choice(5, "3.1.1")] = 5
    """MQTT version."""
    session_expiry_d: Annotated[int, whole(7, 30)] = 7
    """How long the broker keeps our queue while we are away, days."""
    receive_max: Annotated[int, whole(20, 65535)] = 500
    """Messages the broker may send before we acknowledge."""
    keepalive_s: Annotated[int, whole(5, 60)] = 15
    """Keep-alive, s; a half-open link shows in twice that."""
    payload_kb_max: Annotated[int, whole(1, 1024)] = 256
    """Longest payload, kB; a longer one is quarantined."""
    watch: list[Text] = Field(default_factory=list)
    """Topic filters on which unknown publishers are quarantined and shown."""


class Replay(Model):
    """A recorded file, for demo and tests; every record says test."""

    path: FilePath
    """The file, jsonl or csv."""
    speed: Annotated[Decimal, number("0", "1000")] = Decimal(1)
    """Times real time; 0 as fast as committed."""
    loop: Flag = False
    """Start again at the end."""


class Connection(Model):
    """One connection: exactly one of opcua, mqtt, replay."""

    opcua: Opcua | None = None
    """An OPC UA server."""
    mqtt: Mqtt | None = None
    """An MQTT broker."""
    replay: Replay | None = None
    """A recorded file."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        return exactly_one(self, "opcua", "mqtt", "replay")

    @property
    def kind(self) -> Literal["opcua", "mqtt", "replay"]:
        """Return which of the three it is."""
        return "opcua" if self.opcua else "mqtt" if self.mqtt else "replay"
