"""Records of people: audit, signature, annotation, review (`ledger.md` section 1, `records-and-review.md`)."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from gateway.ledger.records.head import Content, Facts, Head, ObjectRef


class Audit(Head, frozen=True, kw_only=True):
    """One act of one person or account, in the frame of the change it made or was refused."""

    kind: Literal["audit"] = "audit"
    person: str
    role: str | UnsetType = UNSET
    credential: str | UnsetType = UNSET
    operation: str
    object: ObjectRef
    changes: list[dict[str, Any]] | UnsetType = UNSET
    reason_code: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    outcome: str
    utc_offset_s: int
    zone: str
    terminal: str | UnsetType = UNSET
    session: str | UnsetType = UNSET
    correlation: str
    break_glass: str | UnsetType = UNSET
    build: str
    facts: Facts | UnsetType = UNSET


class SignatureSubject(Struct, frozen=True, kw_only=True):
    """What a signature names: an object, its version and the indexes of its entries."""

    kind: str
    id: str
    version: int
    entries: list[int]


class Signature(Head, frozen=True, kw_only=True):
    """A person's signature; ``content_hash`` is SHA-256 over the leaf hashes of the entries in order."""

    kind: Literal["signature"] = "signature"
    person: str
    name: str
    role: str
    meaning: str
    reason_code: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    subject: SignatureSubject
    content_hash: str
    size: int
    components: list[str]
    utc_offset_s: int
    zone: str
    terminal: str
    accountability: int
    facts: Facts | UnsetType = UNSET


class Annotation(Head, frozen=True, kw_only=True, rename={"class_": "class"}):
    """A remark on stored records, which stay as they are; ``targets`` are [first, last] index pairs."""

    kind: Literal["annotation"] = "annotation"
    class_: Literal["invalidated", "excluded", "restored", "comment", "corrected", "forecast"]
    targets: list[list[int]]
    signal: str | UnsetType = UNSET
    person: str | UnsetType = UNSET
    role: str | UnsetType = UNSET
    value: Any = UNSET
    reason_code: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    facts: Facts | UnsetType = UNSET


class ReviewScope(Struct, frozen=True, kw_only=True):
    """What is reviewed."""

    kind: Literal["batch", "audit", "access", "periodic", "qualification", "break_glass"]
    id: str


class Review(Head, frozen=True, kw_only=True):
    """One step of a review."""

    kind: Literal["review"] = "review"
    event: Literal["taken", "handed_over", "disposed", "countersigned", "signed", "rejected"]
    scope: ReviewScope
    size: int
    rules: str
    content_root: str | UnsetType = UNSET
    lines: Content | UnsetType = UNSET
    shown_sha256: str | UnsetType = UNSET
    exception: str | UnsetType = UNSET
    disposition: str | UnsetType = UNSET
    person: str | UnsetType = UNSET
    role: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    facts: Facts | UnsetType = UNSET
