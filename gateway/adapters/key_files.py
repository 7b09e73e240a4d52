"""Keys in a file or credential: PEM blocks, the oldest first; a rotation adds one (port `KeyPlace`; `ledger.md` 4)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from gateway.adapters.keys import SEED_BYTES, Ed25519Sealer, parse_seed
from gateway.errors import ConfigurationRefused, Unavailable
from gateway.ledger.note import ECDSA_P256, VerifyKey
from gateway.ports import Entropy
from gateway.ports.keys import Signer

_BLOCK: Final = re.compile(rb"-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----\n?", re.DOTALL)
_FIX: Final = {
    "seal": "give an Ed25519 key: openssl genpkey -algorithm ed25519",
    "publish": "give a P-256 key: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
}


class EcdsaSigner:
    """A publish key in memory: ECDSA P-256 over SHA-256(text), DER (C2SP type 02)."""

    def __init__(self, origin: str, private: EllipticCurvePrivateKey) -> None:
        spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.key = VerifyKey(origin, ECDSA_P256, spki)
        self._private = private

    def sign(self, text: bytes) -> bytes:
        """Return the DER signature over SHA-256 of the text."""
        return self._private.sign(text, ECDSA(SHA256()))


class KeyFile:
    """The keys of one purpose in a file.

    ``read`` returns its bytes, None where there is none yet; ``path``: where it is written, None where this program may not
    (an environment variable, a credential that somebody else provides).
    """

    def __init__(
        self,
        purpose: str,
        origin: str,
        where: str,
        read: Callable[[], bytes | None],
        path: Path | None,
        entropy: Entropy,
    ) -> None:
        self.where = where
        self._purpose = purpose
        self._origin = origin
        self._read = read
        self._path = path
        self._entropy = entropy

    def signers(self) -> Sequence[Signer]:
        """Return the keys of the file in its order."""
        content = self._read()
        if content is None:
            return []
        blocks = _BLOCK.findall(content) or [content]
        make = self._seal if self._purpose == "seal" else self._publish
        return [make(block) for block in blocks]

    def create(self) -> Signer:
        """Add a key at the end of the file, mode 0600, in one step that survives power loss."""
        if self._path is None:
            raise ConfigurationRefused(
                f"{self.where}: no key can be made there",
                remedy=f"add one more PEM block yourself and start again ({_FIX[self._purpose]})",
            )
        if self._purpose == "seal":
            private: Ed25519PrivateKey | EllipticCurvePrivateKey = Ed25519PrivateKey.from_private_bytes(
                self._entropy(SEED_BYTES)
            )
        else:
            private = generate_private_key(SECP256R1())
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        before = self._path.read_bytes() if self._path.exists() else b""
        if before and b"-----BEGIN" not in before:
            raise ConfigurationRefused(
                f"{self.where} holds a bare seed, which takes no second key beside it",
                remedy="write the seed as PEM PKCS#8, then try again",
            )
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _replace(self._path, before + (b"" if not before or before.endswith(b"\n") else b"\n") + pem)
        except OSError as error:
            raise Unavailable(
                f"{self._path}: {error.strerror or error}", remedy="make it writable for the gateway's user"
            ) from error
        return self._seal(pem) if self._purpose == "seal" else self._publish(pem)

    def _seal(self, block: bytes) -> Signer:
        return Ed25519Sealer(self._origin, parse_seed(block))

    def _publish(self, block: bytes) -> Signer:
        try:
            key = load_pem_private_key(block, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ConfigurationRefused(f"{self.where}: no readable PEM key", remedy=_FIX["publish"]) from error
        if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
            raise ConfigurationRefused(f"{self.where}: the publish key is not P-256", remedy=_FIX["publish"])
        return EcdsaSigner(self._origin, key)


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(path.name + ".part")
    temporary.unlink(missing_ok=True)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(fd)
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
