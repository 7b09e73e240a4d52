"""The one door to `cryptography`: Ed25519 for seals, ECDSA P-256 for the publish key, Ed25519 and ML-DSA for cosignatures.

Sign costs about 46 µs, verify 147 µs: once per commit, never per reading.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from gateway.errors import EvidenceRefused
from gateway.ledger.checkpoint import parse_checkpoint
from gateway.ledger.cosignature import (
    ML_DSA_44_SIGNATURE_SIZE,
    Cosignature,
    cosigned_message,
    format_cosignature,
    parse_cosignature,
    subtree_message,
)
from gateway.ledger.note import COSIGNATURE, COSIGNATURE_ML_DSA_44, ECDSA_P256, ED25519, Sign, VerifyKey

_ED25519_SEED_SIZE: Final = 32


def ed25519_public(seed: bytes) -> bytes:
    """Return the 32-byte public key of an Ed25519 seed (RFC 8032)."""
    return _private_key(seed).public_key().public_bytes_raw()


def ed25519_sign(seed: bytes, message: bytes) -> bytes:
    """Return the 64-byte Ed25519 signature of a message."""
    return _private_key(seed).sign(message)


def seal_key(origin: str, seed: bytes) -> VerifyKey:
    """Return the public half of a log's seal key; it bears the origin as its name."""
    return VerifyKey(origin, ED25519, ed25519_public(seed))


def sealer(seed: bytes) -> Sign:
    """Return the function that seals a checkpoint text with an Ed25519 seed."""
    return _private_key(seed).sign


def cosigner(seed: bytes, seconds: int) -> Sign:
    """Return the function that cosigns a checkpoint text at a time, as a witness does."""
    return lambda text: format_cosignature(Cosignature(seconds, ed25519_sign(seed, cosigned_message(text, seconds))))


def verify_line(key: VerifyKey, text: bytes, signature: bytes) -> bool:
    """Say whether the signature of a note line holds for the key's type; an unknown type never holds."""
    if key.type == ED25519:
        return _ed25519_holds(key.key, text, signature)
    if key.type == ECDSA_P256:
        return _ecdsa_holds(key.key, text, signature)
    try:
        if key.type == COSIGNATURE:
            cosignature = parse_cosignature(signature)
            return _ed25519_holds(key.key, cosigned_message(text, cosignature.seconds), cosignature.signature)
        if key.type == COSIGNATURE_ML_DSA_44:
            cosignature = parse_cosignature(signature, ML_DSA_44_SIGNATURE_SIZE)
            message = subtree_message(key.name, cosignature.seconds, parse_checkpoint(text))
            return _ml_dsa_44_holds(key.key, message, cosignature.signature)
    except EvidenceRefused:
        return False
    return False


@lru_cache(maxsize=64)
def _private_key(seed: bytes) -> Ed25519PrivateKey:
    assert len(seed) == _ED25519_SEED_SIZE, f"an Ed25519 seed has 32 bytes, not {len(seed)}"
    return Ed25519PrivateKey.from_private_bytes(seed)


def _ed25519_holds(key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _ml_dsa_44_holds(key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        MLDSA44PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _ecdsa_holds(spki: bytes, message: bytes, signature: bytes) -> bool:
    try:
        key = load_der_public_key(spki)
    except ValueError:
        return False
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        return False
    try:
        key.verify(signature, message, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True
