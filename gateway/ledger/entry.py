"""An entry: 16 bytes of salt, then the record's JSON; its leaf hash is what the tree seals (`ledger.md` 2).

The salt makes a leaf hash say nothing about its value, though values are guessable. It follows from the frame's seed and
the entry's index, so that a sealed segment need not store it: salt = SHA-256(00000001 ‖ seed ‖ uint64 index)[:16].
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from gateway.ledger.merkle import HASH_SIZE, copy_leaf_hasher, hash_leaves

SALT_SIZE: Final = 16
SEED_SIZE: Final = 32
LEAF_PREFIX_SIZE: Final = 4
"""Bytes of a leaf hash kept beside the entries of a frame or a bundle."""
ENTRY_BYTES_MAX: Final = 0xFFFF
RECORD_BYTES_MAX: Final = ENTRY_BYTES_MAX - SALT_SIZE

_SALT_LABEL: Final = (1).to_bytes(4, "big")


def derive_salt(seed: bytes, index: int) -> bytes:
    """Return the 16-byte salt of the entry at ``index`` in the frame with this 32-byte seed."""
    return sha256(_SALT_LABEL + seed + index.to_bytes(8, "big")).digest()[:SALT_SIZE]


def make_entry(seed: bytes, index: int, record: bytes) -> bytes:
    """Return salt ‖ record JSON."""
    return derive_salt(seed, index) + record


def split_entry(entry: bytes) -> tuple[bytes, bytes]:
    """Return (salt, record JSON) of an entry."""
    return entry[:SALT_SIZE], entry[SALT_SIZE:]


def derive_salts(seed: bytes, first: int, count: int) -> list[bytes]:
    """Return the salts of ``count`` entries from index ``first``."""
    copy = sha256(_SALT_LABEL + seed).copy
    salts: list[bytes] = []
    append = salts.append
    for index in range(first, first + count):
        hasher = copy()
        hasher.update(index.to_bytes(8, "big"))
        append(hasher.digest()[:SALT_SIZE])
    return salts


def hash_salted(seed: bytes, first: int, records: Sequence[bytes]) -> list[bytes]:
    """Return the leaf hashes of records whose salts are derived again, without making the entries: the hot path of verifying."""
    copy_salt, copy_leaf = sha256(_SALT_LABEL + seed).copy, copy_leaf_hasher
    hashes: list[bytes] = []
    append = hashes.append
    for index, record in enumerate(records, start=first):
        salt = copy_salt()
        salt.update(index.to_bytes(8, "big"))
        leaf = copy_leaf()
        leaf.update(salt.digest()[:SALT_SIZE])
        leaf.update(record)
        append(leaf.digest())
    return hashes


def build_entries(seed: bytes, first: int, records: Sequence[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Return (entries, leaf hashes) of records that follow each other from index ``first``: the hot path of an append."""
    salts = derive_salts(seed, first, len(records))
    entries = [salt + record for salt, record in zip(salts, records, strict=True)]
    return entries, hash_leaves(entries)


def leaf_prefixes(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the first 4 bytes of each leaf hash, joined: enough to say which record was damaged."""
    joined = b"".join(leaf_hashes)
    prefixes = bytearray(LEAF_PREFIX_SIZE * len(leaf_hashes))
    # Column by column instead of leaf by leaf: four slices, whatever the number of leaves.
    for column in range(LEAF_PREFIX_SIZE):
        prefixes[column::LEAF_PREFIX_SIZE] = joined[column::HASH_SIZE]
    return bytes(prefixes)
