"""The recovery key: what one half wraps the other opens, a public half opens nothing, and every other key is refused by name."""

from __future__ import annotations

import base64
import os

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gateway.adapters.backup.recovery_key import parse_recovery_key
from gateway.errors import ConfigurationRefused, EvidenceRefused

KEY = bytes(range(32))


def pem(private) -> tuple[bytes, bytes]:
    """Both halves."""
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), public


PRIVATE, PUBLIC = pem(X25519PrivateKey.from_private_bytes(bytes([7]) * 32))
OTHER, _ = pem(X25519PrivateKey.from_private_bytes(bytes([8]) * 32))
SECRET, OTHER_SECRET = (base64.b64encode(bytes([n]) * 32) + b"\n" for n in (1, 2))


@pytest.mark.parametrize(("wraps", "opens"), [(PUBLIC, PRIVATE), (PRIVATE, PRIVATE), (SECRET, SECRET)])
def test_what_one_half_wraps_the_other_opens(wraps, opens):
    mine, theirs = parse_recovery_key(wraps, "mine"), parse_recovery_key(opens, "theirs")
    assert mine.id == theirs.id
    wrapped = mine.wrap(KEY, os.urandom)
    assert theirs.unwrap(wrapped) == KEY
    assert KEY not in wrapped.key
    assert mine.wrap(KEY, os.urandom) != wrapped, "each time under a fresh key"


def test_a_public_half_opens_nothing():
    public = parse_recovery_key(PUBLIC, "public")
    assert not public.opens
    with pytest.raises(ConfigurationRefused, match="a public key opens no backup"):
        public.unwrap(public.wrap(KEY, os.urandom))


@pytest.mark.parametrize(
    ("wraps", "opens"), [(PUBLIC, OTHER), (SECRET, OTHER_SECRET), (PUBLIC, SECRET), (SECRET, PRIVATE)]
)
def test_another_key_is_named_as_the_wrong_one(wraps, opens):
    wrapped = parse_recovery_key(wraps, "right").wrap(KEY, os.urandom)
    with pytest.raises(EvidenceRefused, match=f"wrong key: the backup is for recovery key {wrapped.recipient}"):
        parse_recovery_key(opens, "wrong").unwrap(wrapped)


@pytest.mark.parametrize("key", [PRIVATE, SECRET])
def test_any_turned_bit_of_a_wrapped_key_is_refused(key):
    recovery = parse_recovery_key(key, "key")
    wrapped = recovery.wrap(KEY, os.urandom)
    for place in range(len(wrapped.key)):
        bent = wrapped.key[:place] + bytes([wrapped.key[place] ^ 1]) + wrapped.key[place + 1 :]
        with pytest.raises(EvidenceRefused, match="wrapped key was changed"):
            recovery.unwrap(wrapped._replace(key=bent))
    for place in range(32):
        salt = wrapped.salt[:place] + bytes([wrapped.salt[place] ^ 1]) + wrapped.salt[place + 1 :]
        with pytest.raises(EvidenceRefused, match="wrapped key was changed"):
            recovery.unwrap(wrapped._replace(salt=salt))


@pytest.mark.parametrize(
    "content",
    [b"", b"password", base64.b64encode(b"short"), pem(Ed25519PrivateKey.generate())[0], pem(Ed25519PrivateKey.generate())[1], b"-----BEGIN PUBLIC KEY-----\n"],
)  # fmt: skip
def test_what_is_no_recovery_key_is_refused_without_showing_it(content):
    with pytest.raises(ConfigurationRefused, match=r"backup\.encryption_key is neither") as refused:
        parse_recovery_key(content, "backup.encryption_key")
    assert content.decode() not in refused.value.text or not content
