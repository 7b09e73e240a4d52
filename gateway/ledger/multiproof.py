"""One proof for many leaves: the member ``proof.bin`` of a bundle (`ledger.md` 5).

Walk ``[0, size)`` left first, splitting at the largest power of two below the length. A range without a disclosed leaf is
the next 32 bytes of the proof; a disclosed leaf is computed from its entry; every other node from its two halves.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

from gateway.errors import EvidenceRefused
from gateway.ledger.merkle import EMPTY_ROOT, HASH_SIZE, hash_node, root_of
from gateway.ledger.proof import NodeReader, range_hash, split_point


def prove_many(reader: NodeReader, indexes: Sequence[int], size: int) -> bytes:
    """Return the proof of the leaves at ``indexes`` (strictly ascending) in the tree of ``size``."""
    assert size <= reader.size, f"size {size}, tree {reader.size}"
    _check_indexes(indexes, size)
    parts: list[bytes] = []

    def walk(start: int, stop: int, low: int, high: int) -> None:
        disclosed = high - low
        if not disclosed:
            parts.append(range_hash(reader, start, stop))
        elif disclosed < stop - start:
            middle = start + split_point(stop - start)
            cut = bisect_left(indexes, middle, low, high)
            walk(start, middle, low, cut)
            walk(middle, stop, cut, high)

    if size:
        walk(0, size, 0, len(indexes))
    return b"".join(parts)


def root_from_many(indexes: Sequence[int], leaf_hashes: Sequence[bytes], size: int, proof: bytes) -> bytes:
    """Return the root that follows; refuse indexes out of order or range, and a proof too short or too long."""
    _check_indexes(indexes, size)
    if len(indexes) != len(leaf_hashes):
        raise EvidenceRefused(f"{len(indexes):,} indexes for {len(leaf_hashes):,} leaves")
    taken = 0

    def walk(start: int, stop: int, low: int, high: int) -> bytes:
        nonlocal taken
        disclosed = high - low
        if not disclosed:
            taken += HASH_SIZE
            return proof[taken - HASH_SIZE : taken]
        if disclosed == stop - start:
            return root_of(leaf_hashes[low:high])
        middle = start + split_point(stop - start)
        cut = bisect_left(indexes, middle, low, high)
        left = walk(start, middle, low, cut)
        return hash_node(left, walk(middle, stop, cut, high))

    root = walk(0, size, 0, len(indexes)) if size else EMPTY_ROOT
    if taken != len(proof):
        raise EvidenceRefused(f"proof has {len(proof):,} bytes, the walk takes {taken:,}")
    return root


def check_many(size: int, root: bytes, indexes: Sequence[int], leaf_hashes: Sequence[bytes], proof: bytes) -> None:
    """Refuse a proof that does not lead from these leaves to the root of the tree of ``size``."""
    if root_from_many(indexes, leaf_hashes, size, proof) != root:
        raise EvidenceRefused(f"proof of {len(indexes):,} records does not lead to the root of size {size:,}")


def _check_indexes(indexes: Sequence[int], size: int) -> None:
    if any(a >= b for a, b in pairwise(indexes)):
        raise EvidenceRefused("indexes are not strictly ascending")
    if indexes and not 0 <= indexes[0] <= indexes[-1] < size:
        raise EvidenceRefused(f"index {indexes[-1]:,} is not in a tree of {size:,}")
