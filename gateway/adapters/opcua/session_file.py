"""The kept session: token, nonce, policy ids and subscriptions, encrypted at rest, rewritten after every ActivateSession.

Losing the file costs step 1 of the ladder after a restart of the gateway, nothing else (`ingest.md` 3.1).
"""

from __future__ import annotations

import contextlib
import os
from hashlib import sha256
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct

from gateway.adapters.opcua.link import OpcuaLink

_NONCE_BYTES = 12


class TokenPolicy(Struct, frozen=True):
    """A user token policy as the server named it at CreateSession."""

    policy_id: str
    token_type: int
    policy_uri: str | None


class KeptSubscription(Struct, frozen=True):
    """A subscription on the server; ``role`` is data or watch, keep-alive in ms as revised."""

    id: int
    role: str
    keepalive_ms: float


class Kept(Struct, frozen=True, kw_only=True):
    """What the other side still knows of us. ``plan_sha256`` binds the handles; ``refused`` are handles without item."""

    token: bytes
    nonce: bytes | None
    policies: tuple[TokenPolicy, ...]
    timeout_ms: float
    subscriptions: tuple[KeptSubscription, ...] = ()
    namespaces: tuple[str, ...] = ()
    start_ticks: int = 0
    plan_sha256: str = ""
    refused: tuple[int, ...] = ()


class SessionFile:
    """One source's file; both calls block and are made in a thread."""

    def __init__(self, link: OpcuaLink, source: str) -> None:
        assert link.session_file is not None
        self._path: Path = link.session_file
        # Under policy None the token crossed the wire in clear: the derived key then guards nothing, and need not.
        secret = link.own_key or b"policy none"
        info = b"opcua session\0" + source.encode() + b"\0" + link.url.encode()
        pin = sha256(link.server_certificate or b"").digest()
        self._key = HKDF(algorithm=hashes.SHA256(), length=32, salt=pin, info=info).derive(secret)

    def load(self) -> Kept | None:
        """Return what was kept; None when there is nothing, or nothing that is ours."""
        try:
            content = self._path.read_bytes()
            text = AESGCM(self._key).decrypt(content[:_NONCE_BYTES], content[_NONCE_BYTES:], None)
            return msgspec.msgpack.decode(text, type=Kept)
        except (OSError, InvalidTag, ValueError, msgspec.DecodeError):
            return None

    def save(self, kept: Kept) -> bool:
        """Replace the file (0600, fsync, rename); False when that is not possible, which costs step 1 only."""
        nonce = os.urandom(_NONCE_BYTES)
        content = nonce + AESGCM(self._key).encrypt(nonce, msgspec.msgpack.encode(kept), None)
        beside = self._path.with_name(self._path.name + ".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError:
            return False
        return True

    def forget(self) -> None:
        """Remove the file."""
        with contextlib.suppress(OSError):
            self._path.unlink()
