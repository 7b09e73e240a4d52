"""The worked example ledger-v1 and the keys it was made with (test values, worthless)."""

from __future__ import annotations

from gateway.ledger.crypto import seal_key, sealer
from gateway.ledger.note import VerifyKey, parse_vkey, sign_note
from tests.paths import shared

ORIGIN = "acme.example/basel/gw-01"
SEAL_SEED = bytes(range(32))
WITNESS_SEED = bytes(range(0x80, 0xA0))
FRAME_SEEDS = (bytes(range(0x40, 0x60)), bytes(range(0x60, 0x80)))
SEAL_KEY = seal_key(ORIGIN, SEAL_SEED)
WITNESS_KEY = parse_vkey("witness.example/hq+95eab388+BM0Us3+VbpUxlP9/tzs9gdzFYdYadTgJS3w+GmQ+5fOq")


def vector(name: str) -> bytes:
    """Bytes of one file of ledger-v1."""
    return shared(f"vectors/ledger-v1/{name}").read_bytes()


def records() -> list[bytes]:
    """JSON of records 0-17."""
    return vector("records.jsonl").splitlines()


def seal(text: bytes, key: VerifyKey = SEAL_KEY, seed: bytes = SEAL_SEED) -> bytes:
    """The note with the line of the worked example's seal key."""
    return sign_note(text, [(key, sealer(seed))])
