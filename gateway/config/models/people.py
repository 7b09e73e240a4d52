"""People and batches in `gateway.yaml`: batch, accounts, signing, web (`records-and-review.md`)."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from gateway.config.models.types import (
    FilePath,
    Flag,
    HttpsUrl,
    LowerId,
    Mail,
    Model,
    SecretRef,
    Text,
    choice,
    exactly_one,
    need,
    number,
    pattern,
    refuse,
    whole,
)

_KINDS = ("mqtt", "opcua", "packml", "isa95", "batchml")


class BatchAdapter(Model):
    """Where batch events come from."""

    kind: Annotated[Literal["mqtt", "opcua", "packml", "isa95", "batchml"], choice(*_KINDS)]
    """What speaks."""
    connection: LowerId | None = None
    """Connection it speaks on."""
    folder: FilePath | None = None
    """Drop folder, batchml."""
    topic: Text | None = None
    """Topic, mqtt."""
    nodes: dict[str, Text] = Field(default_factory=dict)
    """Node ids by role (batch_id, running), or plant nodes by wire name; mqtt without a path of nodes: all of these."""
    paths: dict[str, Text] = Field(default_factory=dict)
    """JMESPath of batch_id! and event!, effective_time, nodes, client_key, phase, message_id; others are header fields; mqtt."""
    states: dict[str, Text] = Field(default_factory=dict)
    """Batch event by state name."""
    numbering: Annotated[Literal["tr88", "tmc_30060"], choice("tr88", "tmc_30060")] | None = None
    """Meaning of integer states, packml."""
    auto_create: Flag = False
    """A start creates a batch that nobody planned."""
    reply: Text | None = None
    """Topic or node of the answer."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, "connection", "folder")
        if self.kind == "batchml":
            need(self, "folder", why="batchml files are dropped into a folder")
        else:
            need(self, "connection", why=f"{self.kind} speaks on a connection")
        if self.kind == "mqtt":
            need(self, "topic", why="batch events come on a topic")
        return self


class RetentionRule(Model):
    """How long a kind of batch is kept."""

    from_: Text = Field(alias="from")
    """Date field of the batch header that starts the time."""
    years: Annotated[int, whole(1, 100)]
    """Years."""


class Batch(Model):
    """Batch context."""

    adapters: dict[LowerId, BatchAdapter] = Field(default_factory=dict)
    """Where batch events come from, by id."""
    retention: dict[str, RetentionRule] = Field(default_factory=dict)
    """Retention rules of the site, by id."""
    pairing_window_h: Annotated[int, whole(1, 168)] = 24
    """How long an event waits for the one before it, h."""
    late_window_min: Annotated[int, whole(0, 1440)] = 15
    """Events later than this need a reason, min."""
    max_duration_d: Annotated[int, whole(1, 3650)] = 30
    """A batch open longer is an attention item, days."""
    pre_roll_s: Annotated[int, whole(0, 86_400)] = 1800
    """Readings shown before the batch, s."""
    post_roll_s: Annotated[int, whole(0, 86_400)] = 1800
    """Readings shown after the batch, s."""
    completeness_min_pct: Annotated[Decimal, number("90", "100")] = Decimal(100)
    """Completeness below which a batch has an exception, percent."""
    completeness_reason: Text | None = None
    """Why less than 100 percent is enough."""

    @model_validator(mode="after")
    def _reasoned(self) -> Self:
        if self.completeness_min_pct < Decimal(100):
            need(self, "completeness_reason", why="less than 100 percent needs a reason")
        return self


class Oidc(Model):
    """Sign-in by the company's identity provider; roles stay local."""

    issuer: HttpsUrl
    """Issuer."""
    client_id: Text
    """Our id there."""
    client_secret: SecretRef
    """Our secret there, by reference."""


class Accounts(Model):
    """Rules of accounts."""

    lock_after: Annotated[int, whole(3, 10)] = 5
    """Failures in 15 min that lock an account."""
    password_min: Annotated[int, whole(12, 64)] = 12
    """Shortest password, characters."""
    password_age_d: Annotated[int, whole(0, 365)] = 0
    """Days until a password ends; 0 never."""
    totp_roles: list[Text] = Field(default_factory=lambda: ["approver", "administrator"])
    """Roles that need a one-time code; only more, never fewer."""
    access_review_months: Annotated[int, whole(1, 12)] = 6
    """Months between access reviews."""
    security_contact: Mail | None = None
    """Mail of site security; optional with approval off."""
    qa_contact: Mail | None = None
    """Mail of QA; optional with approval off."""
    oidc: Oidc | None = None
    """Company identity provider."""

    @field_validator("totp_roles")
    @classmethod
    def _only_more(cls, value: list[str]) -> list[str]:
        if not {"approver", "administrator"} <= set(value):
            raise refuse(value, "a list with approver and administrator in it")
        return value


class Signing(Model):
    """Rules of signatures."""

    series: Flag = False
    """One full signature, then one component for the rest of the series."""
    reasons: dict[Annotated[str, pattern(r"[a-z][a-z0-9_]{0,47}", "a reason code")], Text] = Field(default_factory=dict)
    """Extra reason codes and their texts."""


class Web(Model):
    """Rules of the page."""

    idle_lock_min: Annotated[int, whole(1, 30)] = 10
    """Minutes without activity until the page locks."""
    session_h: Annotated[int, whole(1, 12)] = 12
    """Longest session, h."""
    local_networks: list[Annotated[str, pattern(r"[0-9A-Fa-f:.]+/[0-9]{1,3}", "a network in CIDR form")]] = Field(
        default_factory=list
    )
    """Networks that count as inside."""
