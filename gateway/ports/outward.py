"""Ports to others: web requests, witnesses that cosign, and projections that follow the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from gateway.ledger.note import Line


class WebRequest(Struct, frozen=True, kw_only=True):
    """One attempt to deliver: exact bytes and headers; ``url`` only ever comes from approved configuration."""

    url: str
    body: bytes
    headers: dict[str, str]


class WebAnswer(Struct, frozen=True, kw_only=True):
    """What the other side said, or why it said nothing (``status`` None and ``cause`` the class of the failure)."""

    status: int | None
    body: bytes = b""
    cause: str | None = None
    retry_after_s: float | None = None
    location: str | None = None
    address: str | None = None
    certificate_sha256: str | None = None
    duration_ms: int = 0


class Webhook(Protocol):
    """Posts one request to one sink. No redirect, no cookie, no proxy from the environment; never raises for the world."""

    async def post(self, request: WebRequest) -> WebAnswer:
        """Send once, at most 20 s in all; answer bodies are cut at 4 kB."""
        ...


class CosignAnswer(Struct, frozen=True, kw_only=True):
    """What a witness said of one checkpoint, or why it said nothing (``status`` None and ``cause`` in a word).

    ``cosignature``: its line over exactly this checkpoint, verified with the configured key; nothing else ever counts.
    ``size``: the size a 409 names. ``text``: the first 200 characters of any other body.
    """

    status: int | None
    cosignature: Line | None = None
    size: int | None = None
    text: str = ""
    cause: str | None = None


class Witness(Protocol):
    """One C2SP witness, the server of another owner."""

    async def add_checkpoint(self, old: int, proof: Sequence[bytes], note: bytes) -> CosignAnswer:
        """Offer a checkpoint with the proof that it grew from ``old``; at most 5 s, never raises for the world.

        A 200 was kept durably on the other side before it was said, also when its answer is lost: then the next question
        gets a 409 with a size that we know. One question at a time a witness; no redirect, no proxy of the environment.
        """
        ...


class WitnessMemory(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of one witness: the newest note that it cosigned (whole), its refusals by code, what it said last."""

    note: str = ""
    refusals: dict[str, int] = {}
    said: str = ""


class ProjectionAnswer(Struct, frozen=True, kw_only=True):
    """What a projection target said of one write: ``verdict`` ok, refused, retry, stop or too_large."""

    verdict: str
    status: int | None = None
    body: str = ""
    retry_after_s: float | None = None
    bad_lines: tuple[int, ...] = ()


class ProjectionSink(Protocol):
    """A target that is fed from the ledger by a cursor; writes are idempotent there."""

    @property
    def fingerprint(self) -> str:
        """Hash of address, database and layout: a cursor belongs to one fingerprint."""
        ...

    async def write(self, lines: Sequence[bytes]) -> ProjectionAnswer:
        """Write lines; never raises for the world."""
        ...
