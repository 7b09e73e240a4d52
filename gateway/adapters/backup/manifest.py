r"""The manifest of a backup: which files, under which keys; itself encrypted, authenticated and sealed by the gateway.

::

    {"format":"gateway-backup/1","wrap":…,"salt":…,"key":…,"recipient":…}\n     clear, authenticated
    AES-256-GCM( note ‖ 00 ‖ JSON of the manifest )                             under a key derived from the backup's own

The note is `gateway-backup/1\n<origin>\n<SHA-256 of the JSON>\n` with the line of the seal key: whoever has the recovery
key alone cannot make a backup that passes for the gateway's.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from gateway.adapters.backup.recovery_key import NO_NONCE, RecoveryKey, Wrapped, derive
from gateway.errors import EvidenceRefused
from gateway.ledger.crypto import verify_line
from gateway.ledger.note import VerifyKey, open_note, parse_note

FORMAT: Final = "gateway-backup/1"
MANIFEST: Final = "manifest"
MANIFEST_BYTES_MAX: Final = 256 * 1024 * 1024
_AGAIN: Final = "take another copy of this backup, or an older one"


class BackupFile(Struct, frozen=True, kw_only=True):
    """One file: its path in the backup, plain and sealed size and SHA-256, the name of its object, its key (base64)."""

    path: str
    bytes: int
    sha256: str
    object: str
    object_bytes: int
    object_sha256: str
    key: str
    mode: int = 0o640


class Manifest(Struct, frozen=True, kw_only=True):
    """What a backup holds: the published head it ends at, and its files. ``secrets``: path → reference in the configuration."""

    format: str = FORMAT
    made_ns: int
    origin: str
    gateway: str
    build: str
    size: int
    root: str
    files: list[BackupFile]
    secrets: dict[str, str] = {}


class Opened(Struct, frozen=True, kw_only=True):
    """An opened manifest and the note that seals it."""

    manifest: Manifest
    note: bytes


def format_manifest(
    manifest: Manifest,
    key: bytes,
    recovery: RecoveryKey,
    entropy: Callable[[int], bytes],
    seal: Callable[[bytes], bytes],
) -> bytes:
    """Return the bytes of the file; ``key`` is the backup's own, ``seal`` makes a note of a text."""
    content = msgspec.json.encode(manifest)
    wrapped = recovery.wrap(key, entropy)
    head = msgspec.json.encode(
        {
            "format": FORMAT,
            "wrap": wrapped.how,
            "salt": base64.b64encode(wrapped.salt).decode(),
            "key": base64.b64encode(wrapped.key).decode(),
            "recipient": wrapped.recipient,
        }
    )
    note = seal(_text(manifest.origin, content))
    return head + b"\n" + AESGCM(derive(key, b"manifest")).encrypt(NO_NONCE, note + b"\0" + content, head)


def open_manifest(content: bytes, recovery: RecoveryKey) -> Opened:
    """Return what the file says; `EvidenceRefused` for another key or any changed byte."""
    head, line, sealed = content.partition(b"\n")
    wrapped = _read_head(head) if line else None
    if wrapped is None:
        raise EvidenceRefused("this is no manifest of a backup", remedy=_AGAIN)
    return open_with(recovery.unwrap(wrapped), head, sealed)


def open_with(key: bytes, head: bytes, sealed: bytes) -> Opened:
    """Return what a manifest says to who has the backup's own key."""
    try:
        plain = AESGCM(derive(key, b"manifest")).decrypt(NO_NONCE, sealed, head)
        note, _, content = plain.partition(b"\0")
        manifest = msgspec.json.decode(content, type=Manifest)
    except (InvalidTag, ValueError, msgspec.MsgspecError) as error:
        raise EvidenceRefused("the manifest was changed", remedy=_AGAIN) from error
    if parse_note(note).text != _text(manifest.origin, content) or manifest.format != FORMAT:
        raise EvidenceRefused("the manifest is sealed as another one", remedy=_AGAIN)
    return Opened(manifest=manifest, note=note)


def check_seal(opened: Opened, keys: Sequence[VerifyKey]) -> None:
    """Refuse a manifest that none of the log's seal keys has sealed."""
    try:
        open_note(opened.note, list(keys), verify_line)
    except EvidenceRefused as error:
        raise EvidenceRefused(
            f"the backup was not made by this gateway: {error.text}", remedy="take the backup that the gateway made"
        ) from error


def _text(origin: str, content: bytes) -> bytes:
    return f"{FORMAT}\n{origin}\n{sha256(content).hexdigest()}\n".encode()


def _read_head(head: bytes) -> Wrapped | None:
    try:
        told = msgspec.json.decode(head, type=dict[str, Any])
        if told.get("format") != FORMAT:
            return None
        salt, key = (base64.b64decode(str(told.get(name)), validate=True) for name in ("salt", "key"))
        return Wrapped(str(told.get("wrap")), salt, key, str(told.get("recipient")))
    except (msgspec.MsgspecError, UnicodeDecodeError, binascii.Error):
        return None
