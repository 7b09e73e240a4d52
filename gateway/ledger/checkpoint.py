r"""C2SP checkpoint: origin, size and root of a tree as the text of a signed note (https://c2sp.org/tlog-checkpoint).

::

    <origin>\n
    <size, decimal>\n
    <base64 root>\n

We write and read no extension lines (`ledger.md` 4).
"""

from __future__ import annotations

import base64
import re
from typing import Final, NamedTuple

from gateway.errors import EvidenceRefused
from gateway.ledger.merkle import HASH_SIZE
from gateway.ledger.note import parse_base64

ORIGIN_BYTES_MAX: Final = 120
SIZE_MAX: Final = 2**63 - 1

_ORIGIN: Final = re.compile(r"[a-z0-9][a-z0-9.-]*(/[a-z0-9][a-z0-9._-]*){1,4}")
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_LINES: Final = 3


class Checkpoint(NamedTuple):
    """A tree head: ``size`` entries, ``root`` 32 bytes."""

    origin: str
    size: int
    root: bytes


def check_origin(origin: str) -> None:
    """Refuse an origin that is not ours to use: lower case, one to four ``/`` parts, at most 120 bytes."""
    if len(origin) > ORIGIN_BYTES_MAX or not _ORIGIN.fullmatch(origin):
        raise EvidenceRefused(
            f"origin {origin[:ORIGIN_BYTES_MAX]!r} is not lower-case host/name, at most {ORIGIN_BYTES_MAX} bytes",
            remedy="use a neutral name such as acme.example/basel/gw-01",
        )


def format_checkpoint(checkpoint: Checkpoint) -> bytes:
    """Return the three lines of a checkpoint."""
    return b"%b\n%d\n%b\n" % (checkpoint.origin.encode(), checkpoint.size, base64.b64encode(checkpoint.root))


def parse_checkpoint(text: bytes) -> Checkpoint:
    """Return the checkpoint of a note's text; refuse any other spelling of it, and extension lines."""
    try:
        lines = text.decode().split("\n")
    except UnicodeDecodeError as error:
        raise EvidenceRefused("checkpoint is not UTF-8") from error
    if len(lines) != _LINES + 1 or lines[-1] or not lines[0]:
        raise EvidenceRefused("checkpoint is not three lines: origin, size, root")
    origin, size, encoded, _ = lines
    if not _SIZE.fullmatch(size) or int(size) > SIZE_MAX:
        raise EvidenceRefused(f"checkpoint size {size[:24]!r} is not a plain number")
    root = parse_base64(encoded, "checkpoint root")
    if len(root) != HASH_SIZE:
        raise EvidenceRefused(f"checkpoint root has {len(root)} bytes, not {HASH_SIZE}")
    return Checkpoint(origin, int(size), root)
