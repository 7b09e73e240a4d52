r"""C2SP cosignature of a checkpoint: a witness's time and signature over a checkpoint text (https://c2sp.org/tlog-cosignature).

Signature bytes of a line: uint64 seconds since 1970 ‖ signature. Type 04: Ed25519 over ``cosignature/v1\ntime <s>\n`` ‖
text. Type 06: ML-DSA-44 over a binary message that names the cosigner, the log, its size and root.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.errors import EvidenceRefused
from gateway.ledger.checkpoint import Checkpoint

_TIME_SIZE: Final = 8
_NAME_MAX: Final = 255
ED25519_SIGNATURE_SIZE: Final = 64
ML_DSA_44_SIGNATURE_SIZE: Final = 2420


class Cosignature(NamedTuple):
    """When a witness saw the checkpoint (seconds since 1970) and its signature (64 or 2,420 bytes)."""

    seconds: int
    signature: bytes


def cosigned_message(text: bytes, seconds: int) -> bytes:
    """Return what a witness of type 04 signs: header, time line, then the checkpoint text."""
    return b"cosignature/v1\ntime %d\n" % seconds + text


def subtree_message(cosigner: str, seconds: int, checkpoint: Checkpoint) -> bytes:
    """Return what a witness of type 06 signs (``cosigned_message``); names are at most 255 bytes."""
    name, origin = cosigner.encode(), checkpoint.origin.encode()
    if not 0 < len(name) <= _NAME_MAX or not 0 < len(origin) <= _NAME_MAX:
        raise EvidenceRefused(f"cosigner or origin is longer than {_NAME_MAX} bytes")
    return b"".join(
        (
            b"subtree/v1\n\0",
            bytes([len(name)]) + name,
            seconds.to_bytes(_TIME_SIZE, "big"),
            bytes([len(origin)]) + origin,
            bytes(8),
            checkpoint.size.to_bytes(8, "big"),
            checkpoint.root,
        ),
    )


def format_cosignature(cosignature: Cosignature) -> bytes:
    """Return the signature bytes of a cosignature's line, key id not included."""
    return cosignature.seconds.to_bytes(_TIME_SIZE, "big") + cosignature.signature


def parse_cosignature(content: bytes, signature_size: int = ED25519_SIGNATURE_SIZE) -> Cosignature:
    """Return time and signature of a cosignature's line; refuse another length."""
    if len(content) != _TIME_SIZE + signature_size:
        raise EvidenceRefused(f"cosignature has {len(content)} bytes, not {_TIME_SIZE + signature_size}")
    return Cosignature(int.from_bytes(content[:_TIME_SIZE], "big"), content[_TIME_SIZE:])
