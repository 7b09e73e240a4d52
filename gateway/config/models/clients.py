"""`clients.yaml`, format clients/1: who batches are made for, by pseudonym (`profiles.md` 1)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.config.models.types import ClientKey, Flag, LowerId, Model, SecretRef, Text, UpperId, choice, whole


class Agreement(Model):
    """The quality agreement."""

    reference: Text
    """Document."""
    notice_h: Annotated[int, whole(1, 720)] = 24
    """Hours within which the client is told."""
    names: Annotated[Literal["id", "full"], choice("id", "full")] = "id"
    """Whether people's names are shown to the client."""


class ClientEntry(Model):
    """One client; its key is the pseudonym."""

    name: SecretRef
    """Name, by reference: it stands in no record, topic, URL, file name."""
    agreement: Agreement
    """The quality agreement."""
    retention: list[Text] = Field(default_factory=list)
    """Retention rules."""
    limits: list[UpperId] = Field(default_factory=list)
    """Limit sets; the tighter of site and client wins."""
    approves: Flag = False
    """Co-signs changes of its limits."""
    sinks: list[LowerId] = Field(default_factory=list)
    """Its own receivers."""
    witness: LowerId | None = None
    """Its own witness."""
    format: Annotated[Literal["bundle", "batchml", "csv"], choice("bundle", "batchml", "csv")] = "bundle"
    """What it is handed."""


class ClientsFile(Model):
    """The whole file."""

    format: Annotated[Literal["clients/1"], choice("clients/1")]
    """Kind and version of the file."""
    clients: dict[ClientKey, ClientEntry]
    """Clients, by pseudonym."""
