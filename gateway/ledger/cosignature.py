r"""C2SP cosignature of a checkpoint: a witness's time and signature over a checkpoint text (https://c2sp.org/tlog-cosignature).

Signature bytes of a type 04 line: uint64 seconds since 1970 ‖ Ed25519 over ``cosignature/v1\ntime <s>\n`` ‖ text.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.errors import EvidenceRefused

_TIME_SIZE: Final = 8
_ED25519_SIGNATURE_SIZE: Final = 64


class Cosignature(NamedTuple):
    """When a witness saw the checkpoint (seconds since 1970) and its Ed25519 signature (64 bytes)."""

    seconds: int
    signature: bytes


def cosigned_message(text: bytes, seconds: int) -> bytes:
    """Return what a witness signs: header, time line, then the checkpoint text."""
    return b"cosignature/v1\ntime %d\n" % seconds + text


def format_cosignature(cosignature: Cosignature) -> bytes:
    """Return the signature bytes of a type 04 line, key id not included."""
    return cosignature.seconds.to_bytes(_TIME_SIZE, "big") + cosignature.signature


def parse_cosignature(content: bytes) -> Cosignature:
    """Return time and signature of a type 04 line; refuse another length."""
    if len(content) != _TIME_SIZE + _ED25519_SIGNATURE_SIZE:
        raise EvidenceRefused(f"cosignature has {len(content)} bytes, not {_TIME_SIZE + _ED25519_SIGNATURE_SIZE}")
    return Cosignature(int.from_bytes(content[:_TIME_SIZE], "big"), content[_TIME_SIZE:])
