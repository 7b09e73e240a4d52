"""OpcuaLink: all that one OPC UA connection needs to be opened, filled by the composition root; and its naming rules."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct


class OpcuaLink(Struct, frozen=True, kw_only=True):
    """One connection (`profiles.md`, block opcua).

    ``server_certificate``, ``own_certificate``, ``user_certificate`` are DER bytes, keys are DER or PEM bytes without a
    password; ``password`` is the secret itself. ``development`` is true only for a ledger with approval off: it alone lets
    policy None or anonymous through, and only to loopback (SEC-03). ``session_file`` keeps the session token between two
    processes; None costs step 1 of the ladder after a restart, nothing else. ``keepalive_s`` seconds.
    """

    url: str
    policy: str = "Basic256Sha256"
    mode: str = "SignAndEncrypt"
    user: str | None = None
    password: str | None = None
    user_certificate: bytes | None = None
    user_key: bytes | None = None
    own_certificate: bytes | None = None
    own_key: bytes | None = None
    application_uri: str = "urn:gateway"
    server_certificate: bytes | None = None
    keepalive_s: float = 5
    development: bool = False
    session_file: Path | None = None
