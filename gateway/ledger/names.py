"""Names of people as the ledger holds them: commitments, which an opening from `people.db` turns back into a name (`ledger.md` 1).

commitment = SHA-256(32 random bytes ‖ UTF-8 name in NFC), in hex. Without its salt a commitment says nothing, so a name that
is erased is gone, and every record that bears its commitment stays as it was sealed. Pure: the salt comes from the caller.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

import msgspec
from msgspec import Struct

SALT_BYTES: Final = 32
NAME_BYTES_MAX: Final = 500
_NAMED: Final = (b'{"v":1,"kind":"signature",', b'{"v":1,"kind":"audit",')
_COMMITMENT: Final = re.compile(rb'"name":"([0-9a-f]{64})"')


class Opening(Struct, frozen=True):
    """One line of `names.jsonl`: the commitment (64 hex), its salt (hex), the name."""

    name: str
    salt: str
    text: str


_OPENING: Final = msgspec.json.Decoder(Opening)


def make_opening(text: str, salt: bytes) -> Opening:
    """Return the opening of a name under a fresh salt of 32 bytes; its ``name`` is what a record bears."""
    assert len(salt) == SALT_BYTES, "a salt has 32 bytes"
    name = unicodedata.normalize("NFC", text)
    return Opening(name=sha256(salt + name.encode()).hexdigest(), salt=salt.hex(), text=name)


def format_openings(openings: Iterable[Opening]) -> bytes:
    """Return `names.jsonl`: one line per opening, by commitment, none twice."""
    ordered = sorted({one.name: one for one in openings}.values(), key=lambda one: one.name)
    return b"".join(msgspec.json.encode(one) + b"\n" for one in ordered)


def opens(line: bytes) -> bool:
    """Tell whether one line of `names.jsonl` opens the commitment it names."""
    try:
        opening = _OPENING.decode(line)
        return sha256(bytes.fromhex(opening.salt) + opening.text.encode()).hexdigest() == opening.name
    except (msgspec.DecodeError, ValueError, RecursionError):
        return False


def commitments_in(record: bytes) -> list[str]:
    """Return the commitments that the JSON of a record bears: of signatures, and of acts of named accounts."""
    if not record.startswith(_NAMED):
        return []
    return [found.decode() for found in _COMMITMENT.findall(record)]
