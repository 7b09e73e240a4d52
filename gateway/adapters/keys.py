"""The machine's seal key from a file or credential: Ed25519, PEM PKCS#8 or a base64 seed (port `Sealer`; `ledger.md` 4)."""

from __future__ import annotations

import base64
import binascii
import os
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from gateway.errors import ConfigurationRefused, LedgerDoubt
from gateway.ledger.crypto import seal_key
from gateway.ledger.note import VerifyKey, format_vkey

SEED_BYTES: Final = 32
_FIX: Final = "give an Ed25519 key: openssl genpkey -algorithm ed25519 -out seal.pem"


class Ed25519Sealer:
    """Seals checkpoint texts of one log; the prefix of its line never changes, so it is made once."""

    def __init__(self, origin: str, seed: bytes) -> None:
        self.key: VerifyKey = seal_key(origin, seed)
        self._sign = Ed25519PrivateKey.from_private_bytes(seed).sign
        self._prefix = f"\n— {origin} ".encode()
        self._key_id = self.key.key_id

    @property
    def vkey(self) -> str:
        """C2SP verifier key ``name+hex+base64``."""
        return format_vkey(self.key)

    def sign(self, text: bytes) -> bytes:
        """Return the 64-byte Ed25519 signature of a text."""
        return self._sign(text)

    def seal(self, text: bytes) -> bytes:
        """Return the whole note: text, empty line, our line; raise `LedgerDoubt` if the key fails."""
        try:
            signature = self._sign(text)
        except (UnsupportedAlgorithm, ValueError) as error:
            raise LedgerDoubt(f"seal key failed: {error}", remedy="check the key, then start again") from error
        return text + self._prefix + base64.b64encode(self._key_id + signature) + b"\n"


def parse_seed(secret: bytes, name: str = "seal key") -> bytes:
    """Return the 32-byte Ed25519 seed of a PEM PKCS#8 key or of base64; raise `ConfigurationRefused` for anything else."""
    if b"-----BEGIN" in secret:
        try:
            key = load_pem_private_key(secret, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ConfigurationRefused(f"{name}: no readable PEM key", remedy=_FIX) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigurationRefused(f"{name}: the key is not Ed25519", remedy=_FIX)
        return key.private_bytes_raw()
    try:
        seed = base64.b64decode(secret.strip(), validate=True)
    except binascii.Error as error:
        raise ConfigurationRefused(f"{name}: neither PEM nor base64", remedy=_FIX) from error
    if len(seed) != SEED_BYTES:
        raise ConfigurationRefused(f"{name}: {len(seed)} bytes, not {SEED_BYTES}", remedy=_FIX)
    return seed


def create_key_file(path: Path, seed: bytes) -> None:
    """Write a new key as PEM PKCS#8, mode 0600, durably; raise `ConfigurationRefused` if the file exists."""
    pem = Ed25519PrivateKey.from_private_bytes(seed).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise ConfigurationRefused(f"{path} exists", remedy="keep that key, or move it away first") from error
    with os.fdopen(fd, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(fd)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
