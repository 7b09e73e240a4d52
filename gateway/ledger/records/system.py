"""Records of the system itself: gateway, config, key, anchor (`ledger.md` section 1)."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from gateway.ledger.records.head import Content, Facts, Head


class Build(Struct, frozen=True, kw_only=True):
    """The software that wrote the records from here on."""

    version: str
    commit: str
    sha256: str


class Gateway(Head, frozen=True, kw_only=True):
    """An event of the gateway: genesis, start, stop, recovered, carry, link, evaluated, notice, halted, and so on."""

    kind: Literal["gateway"] = "gateway"
    event: Literal[
        "genesis",
        "start",
        "stop",
        "recovered",
        "carry",
        "link",
        "evaluated",
        "notice",
        "halted",
        "disk_full",
        "disk_ok",
        "backup",
        "restore",
        "scrub",
        "pruned",
        "recovery_mode",
    ]
    gateway: str
    run: int
    build: Build | UnsetType = UNSET
    origin: str | UnsetType = UNSET
    config: str | UnsetType = UNSET
    source: str | UnsetType = UNSET
    incarnation: int | UnsetType = UNSET
    epoch: int | UnsetType = UNSET
    code: str | UnsetType = UNSET
    carry: Content | UnsetType = UNSET
    facts: Facts | UnsetType = UNSET


class Config(Head, frozen=True, kw_only=True):
    """A step in the life of a configuration, or the exact bytes of one of its files."""

    kind: Literal["config"] = "config"
    event: Literal[
        "file",
        "entry",
        "submitted",
        "withdrawn",
        "rejected",
        "approved",
        "effective",
        "superseded",
        "retired",
        "drift",
        "apply_failed",
    ]
    change_set: str
    config: str | UnsetType = UNSET
    sha256: str | UnsetType = UNSET
    path: str | UnsetType = UNSET
    entry: str | UnsetType = UNSET
    content: Content | UnsetType = UNSET
    effective_ns: int | UnsetType = UNSET
    facts: Facts | UnsetType = UNSET


class Endorsement(Struct, frozen=True, kw_only=True):
    """A key's signature over another key's introduction (`ledger.md` 4, rotation)."""

    key: str
    sig: str


class Key(Head, frozen=True, kw_only=True):
    """A key enters, changes or leaves; validity is in tree sizes, never in time."""

    kind: Literal["key"] = "key"
    event: Literal["introduced", "rotated", "retired", "revoked"]
    purpose: Literal["seal", "publish", "witness", "tsa", "document", "webhook"]
    key: str
    from_size: int
    to_size: int | UnsetType = UNSET
    replaces: str | UnsetType = UNSET
    endorsed: list[Endorsement]
    facts: Facts | UnsetType = UNSET


class Anchor(Head, frozen=True, kw_only=True):
    """What others have said of a tree size: cosigned, timestamped, previous, conflict."""

    kind: Literal["anchor"] = "anchor"
    event: Literal["cosigned", "timestamped", "previous", "conflict"]
    size: int
    root: str
    note: str | UnsetType = UNSET
    note_sha256: str | UnsetType = UNSET
    token_sha256: str | UnsetType = UNSET
    gen_ns: int | UnsetType = UNSET
    accuracy_ns: int | UnsetType = UNSET
    serial: str | UnsetType = UNSET
    policy: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    facts: Facts | UnsetType = UNSET
