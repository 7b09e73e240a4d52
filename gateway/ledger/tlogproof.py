"""C2SP tlog-proof: one entry's inclusion proof with the checkpoint it leads to (https://c2sp.org/tlog-proof).

::

    c2sp.org/tlog-proof@v1
    extra <base64>                     only if there is any
    index <index>
    <base64 hash>                      leaf to root, one a line
    <empty line>
    <checkpoint note>
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Final

from gateway.errors import EvidenceRefused
from gateway.ledger.checkpoint import Checkpoint, parse_checkpoint
from gateway.ledger.merkle import HASH_SIZE, hash_leaf
from gateway.ledger.note import parse_base64, parse_note
from gateway.ledger.proof import check_inclusion

HEADER: Final = "c2sp.org/tlog-proof@v1"
HASHES_MAX: Final = 63
_INDEX: Final = re.compile(r"index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class TlogProof:
    """Index of the entry, its inclusion proof leaf to root, the checkpoint note, and the optional extra bytes."""

    index: int
    hashes: tuple[bytes, ...]
    note: bytes
    extra: bytes = b""


def format_tlog_proof(proof: TlogProof) -> bytes:
    """Return the bytes of a ``.tlog-proof`` file."""
    lines = [HEADER]
    if proof.extra:
        lines.append(f"extra {base64.b64encode(proof.extra).decode()}")
    lines.append(f"index {proof.index}")
    lines += [base64.b64encode(one).decode() for one in proof.hashes]
    return "\n".join([*lines, "", ""]).encode() + proof.note


def parse_tlog_proof(content: bytes) -> TlogProof:
    """Return the proof of a file; refuse any other spelling. The note is not opened."""
    head, empty, note = content.partition(b"\n\n")
    if not empty:
        raise EvidenceRefused("tlog-proof has no empty line before its checkpoint")
    try:
        header, *lines = head.decode().split("\n")
    except UnicodeDecodeError as error:
        raise EvidenceRefused("tlog-proof is not UTF-8") from error
    if header != HEADER:
        raise EvidenceRefused(f"first line is not {HEADER}")
    extra = b""
    if lines and lines[0].startswith("extra "):
        extra = parse_base64(lines.pop(0).removeprefix("extra "), "extra")
    index = _INDEX.fullmatch(lines[0]) if lines else None
    if index is None or len(lines) - 1 > HASHES_MAX:
        raise EvidenceRefused("tlog-proof has no index line, or too many hashes")
    hashes = tuple(parse_base64(line, "proof hash") for line in lines[1:])
    if any(len(one) != HASH_SIZE for one in hashes):
        raise EvidenceRefused(f"tlog-proof holds a hash of other than {HASH_SIZE} bytes")
    return TlogProof(int(index[1]), hashes, note, extra)


def check_tlog_proof(proof: TlogProof, entry: bytes) -> Checkpoint:
    """Return the checkpoint the proof leads to; refuse if it does not. Open the note to know who sealed it."""
    checkpoint = parse_checkpoint(parse_note(proof.note).text)
    check_inclusion(proof.index, checkpoint.size, checkpoint.root, hash_leaf(entry), proof.hashes)
    return checkpoint
