"""The recovery key: wraps the one fresh key of each backup, so that only who holds it opens the backup.

Either an X25519 key pair, whose private half QA keeps off the box, or 32 secret bytes that both sides hold.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from hashlib import sha256
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from gateway.errors import ConfigurationRefused, EvidenceRefused

KEY_BYTES: Final = 32
NO_NONCE: Final = bytes(12)
"""Each key it is used with encrypts one message only."""
_AAD: Final = b"gateway-backup/1 key"
_MAKE: Final = "make a pair: openssl genpkey -algorithm x25519 -out recovery.key; openssl pkey -in recovery.key -pubout -out recovery.pub"


class Wrapped(NamedTuple):
    """A wrapped key: how, the ephemeral public key or the salt, the ciphertext, and which recovery key opens it."""

    how: str
    salt: bytes
    key: bytes
    recipient: str


class RecoveryKey:
    """A recovery key as a secret gave it: an X25519 public or private key in PEM, or 32 bytes in base64."""

    def __init__(
        self,
        secret: bytes | None = None,
        public: X25519PublicKey | None = None,
        private: X25519PrivateKey | None = None,
    ) -> None:
        self._secret = secret
        self._private = private
        self._public = public if private is None else private.public_key()

    @property
    def opens(self) -> bool:
        """Whether this half also opens what it wraps."""
        return self._secret is not None or self._private is not None

    @property
    def id(self) -> str:
        """First 16 hex of a SHA-256 that names the key and gives nothing of it away."""
        if self._secret is not None:
            return sha256(_derive(self._secret, b"", b"gateway-backup/1 id")).hexdigest()[:16]
        assert self._public is not None, "a pair has a public half"
        return sha256(self._public.public_bytes_raw()).hexdigest()[:16]

    def wrap(self, key: bytes, entropy: Callable[[int], bytes]) -> Wrapped:
        """Return a key wrapped for this recovery key."""
        if self._secret is not None:
            salt = entropy(KEY_BYTES)
            return Wrapped("aes256", salt, _seal(_derive(self._secret, salt, b"gateway-backup/1 aes256"), key), self.id)
        assert self._public is not None, "a pair has a public half"
        ephemeral = X25519PrivateKey.from_private_bytes(entropy(KEY_BYTES))
        salt = ephemeral.public_key().public_bytes_raw()
        return Wrapped(
            "x25519", salt, _seal(_agreed(ephemeral.exchange(self._public), salt, self._public), key), self.id
        )

    def unwrap(self, wrapped: Wrapped) -> bytes:
        """Return the key inside; `EvidenceRefused` when this is not the recovery key it was wrapped for."""
        if not self.opens:
            raise ConfigurationRefused(
                "a public key opens no backup", remedy="name the file with the private half: --key-file"
            )
        if wrapped.how == "aes256" and self._secret is not None:
            wrapping = _derive(self._secret, wrapped.salt, b"gateway-backup/1 aes256")
        elif wrapped.how == "x25519" and self._private is not None and self._public is not None:
            try:
                shared = self._private.exchange(X25519PublicKey.from_public_bytes(wrapped.salt))
            except ValueError as error:
                raise EvidenceRefused("backup: its key is wrapped with no X25519 key") from error
            wrapping = _agreed(shared, wrapped.salt, self._public)
        else:
            raise self._other(wrapped)
        try:
            return AESGCM(wrapping).decrypt(NO_NONCE, wrapped.key, _AAD)
        except InvalidTag as error:
            raise self._other(wrapped) from error

    def _other(self, wrapped: Wrapped) -> EvidenceRefused:
        if wrapped.recipient == self.id:
            return EvidenceRefused("backup: its wrapped key was changed", remedy="take another copy of this backup")
        return EvidenceRefused(
            f"wrong key: the backup is for recovery key {wrapped.recipient[:16]}, this is {self.id}",
            remedy="name the recovery key of that time: --key-file",
        )


def parse_recovery_key(content: bytes, name: str) -> RecoveryKey:
    """Return the key of a secret; raise `ConfigurationRefused` naming ``name`` for anything else."""
    try:
        if b"PRIVATE KEY" in content:
            private = load_pem_private_key(content, password=None)
            if isinstance(private, X25519PrivateKey):
                return RecoveryKey(private=private)
        elif b"PUBLIC KEY" in content:
            public = load_pem_public_key(content)
            if isinstance(public, X25519PublicKey):
                return RecoveryKey(public=public)
        else:
            secret = base64.b64decode(content.strip(), validate=True)
            if len(secret) == KEY_BYTES:
                return RecoveryKey(secret)
    except (ValueError, TypeError, UnsupportedAlgorithm, binascii.Error):
        pass
    raise ConfigurationRefused(f"{name} is neither an X25519 key in PEM nor 32 bytes in base64", remedy=_MAKE)


def derive(key: bytes, info: bytes) -> bytes:
    """Return a key for one purpose."""
    return _derive(key, b"", info)


def _agreed(shared: bytes, salt: bytes, public: X25519PublicKey) -> bytes:
    return _derive(shared, salt + public.public_bytes_raw(), b"gateway-backup/1 x25519")


def _derive(key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt or None, info).derive(key)


def _seal(wrapping: bytes, key: bytes) -> bytes:
    return AESGCM(wrapping).encrypt(NO_NONCE, key, _AAD)
