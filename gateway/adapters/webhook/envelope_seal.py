"""Envelope seals of Standard Webhooks 1.0: `v1` HMAC-SHA256 and `v1a` Ed25519 over `id.timestamp.body`.

The standard calls them signatures; here a machine seals and only people sign (architecture A11). Several keys seal side
by side, newest first, so that a rotation loses nothing: a receiver accepts if any one holds.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable
from hashlib import sha256
from typing import Final, Literal, NamedTuple

from gateway.errors import ConfigurationRefused
from gateway.ledger.crypto import ed25519_public, ed25519_sign, verify_line
from gateway.ledger.note import ED25519, VerifyKey

SECRET_BYTES_MIN: Final = 24
SECRET_BYTES_MAX: Final = 64
TOLERANCE_S: Final = 300
"""How far the stamp of an attempt may lie from the receiver's clock."""

_SEED_SIZE: Final = 32
_EXPANDED_SIZE: Final = 64


_Holds = Callable[[str], bool]


class EnvelopeKeys(NamedTuple):
    """What seals the envelopes of one sink, newest first: HMAC secrets and Ed25519 seeds, both as bytes."""

    secrets: tuple[bytes, ...]
    seeds: tuple[bytes, ...] = ()


class EnvelopeVerdict(NamedTuple):
    """How the seals of one request stood: each `ok`, `wrong`, `absent` (none sent) or `unchecked` (we hold no key)."""

    v1: Literal["ok", "wrong", "absent", "unchecked"]
    v1a: Literal["ok", "wrong", "absent", "unchecked"]
    fresh: bool

    @property
    def accepted(self) -> bool:
        """Whether a receiver may act on it: fresh, and at least one seal holds (the other key may be rotating)."""
        return self.fresh and "ok" in {self.v1, self.v1a}


def parse_secret(text: str) -> bytes:
    """Return the 24 to 64 bytes of a `whsec_` secret; raise `ConfigurationRefused` on anything else."""
    secret = _parse_key(text, "whsec_", "webhook secret")
    if not SECRET_BYTES_MIN <= len(secret) <= SECRET_BYTES_MAX:
        raise ConfigurationRefused(
            f"webhook secret holds {len(secret)} bytes, not {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX}",
            remedy='make one: echo "whsec_$(head -c 32 /dev/urandom | base64)"',
        )
    return secret


def parse_signing_key(text: str) -> bytes:
    """Return the 32-byte Ed25519 seed of a `whsk_` key (the seed alone, or seed and public key)."""
    key = _parse_key(text, "whsk_", "webhook signing key")
    seed = key[:_SEED_SIZE]
    whole = len(key) == _SEED_SIZE or (len(key) == _EXPANDED_SIZE and ed25519_public(seed) == key[_SEED_SIZE:])
    if not whole:
        raise ConfigurationRefused(
            f"webhook signing key of {len(key)} bytes is no Ed25519 key",
            remedy="give whsk_ and the base64 of the 32-byte seed, or of seed and its public key",
        )
    return seed


def parse_public_key(text: str) -> bytes:
    """Return the 32 bytes of a `whpk_` public key."""
    key = _parse_key(text, "whpk_", "webhook public key")
    if len(key) != _SEED_SIZE:
        raise ConfigurationRefused(
            f"webhook public key holds {len(key)} bytes, not {_SEED_SIZE}",
            remedy="copy it whole: whpk_ and the base64 of 32 bytes",
        )
    return key


def format_public_key(seed: bytes) -> str:
    """Return the `whpk_` text that receivers of a seed's seals need."""
    return "whpk_" + base64.b64encode(ed25519_public(seed)).decode()


def seal_envelope(keys: EnvelopeKeys, event_id: str, timestamp_s: int, body: bytes) -> str:
    """Return the `webhook-signature` header: one `v1,` a secret, then one `v1a,` a key, space-separated."""
    message = _message(event_id, str(timestamp_s), body)
    seals = [f"v1,{_mac(secret, message)}" for secret in keys.secrets]
    seals += [f"v1a,{base64.b64encode(ed25519_sign(seed, message)).decode()}" for seed in keys.seeds]
    return " ".join(seals)


def check_envelope(
    headers: dict[str, str],
    body: bytes,
    *,
    now_s: int,
    secrets: tuple[bytes, ...] = (),
    public_keys: tuple[bytes, ...] = (),
) -> EnvelopeVerdict:
    """Judge the three `webhook-*` headers (lower-case names) of a request whose body was read as raw bytes.

    Seals of versions we do not know are passed over, as the standard asks.
    """
    stamp = headers.get("webhook-timestamp", "")
    message = _message(headers.get("webhook-id", ""), stamp, body)
    seals: dict[str, list[str]] = {}
    for one in headers.get("webhook-signature", "").split(" "):
        version, _, value = one.partition(",")
        seals.setdefault(version, []).append(value)
    v1 = _judge(
        seals.get("v1"),
        bool(secrets),
        lambda value: any(hmac.compare_digest(_mac(secret, message).encode(), value.encode()) for secret in secrets),
    )
    v1a = _judge(
        seals.get("v1a"),
        bool(public_keys),
        lambda value: any(_ed25519_holds(key, message, value) for key in public_keys),
    )
    fresh = stamp.isascii() and stamp.isdigit() and abs(now_s - int(stamp)) <= TOLERANCE_S
    return EnvelopeVerdict(v1, v1a, fresh)


def _judge(values: list[str] | None, can: bool, holds: _Holds) -> Literal["ok", "wrong", "absent", "unchecked"]:
    if values is None:
        return "absent"
    if not can:
        return "unchecked"
    return "ok" if any(holds(value) for value in values) else "wrong"


def _message(event_id: str, stamp: str, body: bytes) -> bytes:
    return f"{event_id}.{stamp}.".encode() + body


def _mac(secret: bytes, message: bytes) -> str:
    return base64.b64encode(hmac.digest(secret, message, sha256)).decode()


def _ed25519_holds(key: bytes, message: bytes, value: str) -> bool:
    try:
        seal = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return False
    return verify_line(VerifyKey("webhook", ED25519, key), message, seal)


def _parse_key(text: str, prefix: str, what: str) -> bytes:
    if not text.startswith(prefix):
        raise ConfigurationRefused(
            f"{what} does not begin with {prefix}", remedy=f"write {prefix} and base64, nothing else"
        )
    try:
        return base64.b64decode(text.removeprefix(prefix), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConfigurationRefused(f"{what} is not base64 after {prefix}", remedy="copy it whole") from error
