"""Inclusion and consistency proofs of RFC 6962: prove_* makes one from a node reader, check_* refuses one that fails.

Checks follow RFC 9162 sections 2.1.3.2 and 2.1.4.2, which state them as loops over the bits of index and size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gateway.errors import EvidenceRefused
from gateway.ledger.merkle import HASH_SIZE, hash_node, hash_pairs


class NodeReader(Protocol):
    """Reads nodes of a tree: ``node(h, i)`` covers leaves ``i·2^h .. (i+1)·2^h - 1``."""

    @property
    def size(self) -> int:
        """Number of leaves of the tree."""
        ...

    def node(self, height: int, index: int) -> bytes:
        """Return one node all of whose leaves exist; it is authenticated, or an error is raised."""
        ...


class LeafReader:
    """A node reader over leaf hashes held in memory (32 B and as much again for the nodes, per leaf)."""

    def __init__(self, leaf_hashes: Sequence[bytes]) -> None:
        self.size = len(leaf_hashes)
        self._levels = [leaf_hashes]
        while len(self._levels[-1]) > 1:
            self._levels.append(hash_pairs(self._levels[-1]))

    def node(self, height: int, index: int) -> bytes:
        """Return one node all of whose leaves exist."""
        return self._levels[height][index]


def split_point(n: int) -> int:
    """Return the largest power of two below ``n`` (n > 1): where RFC 6962 splits a range."""
    return 1 << (n - 1).bit_length() - 1


def range_hash(reader: NodeReader, start: int, stop: int) -> bytes:
    """Return the root of leaves ``[start, stop)``; ``start`` is where the tree itself splits (RFC 6962 2.1, MTH)."""
    n = stop - start
    if not n & (n - 1):
        return reader.node(n.bit_length() - 1, start // n)
    middle = start + split_point(n)
    return hash_node(range_hash(reader, start, middle), range_hash(reader, middle, stop))


def prove_inclusion(reader: NodeReader, index: int, size: int) -> list[bytes]:
    """Return the hashes beside the path of leaf ``index`` in the tree of ``size``, leaf to root (RFC 6962 2.1.1)."""
    assert 0 <= index < size <= reader.size, f"index {index}, size {size}, tree {reader.size}"
    proof: list[bytes] = []
    start, stop = 0, size
    while stop - start > 1:
        middle = start + split_point(stop - start)
        if index < middle:
            proof.append(range_hash(reader, middle, stop))
            stop = middle
        else:
            proof.append(range_hash(reader, start, middle))
            start = middle
    return proof[::-1]


def prove_consistency(reader: NodeReader, size1: int, size2: int) -> list[bytes]:
    """Return the proof that the tree of ``size1`` begins the tree of ``size2`` (RFC 6962 2.1.2); empty for size1 0."""
    assert 0 <= size1 <= size2 <= reader.size, f"sizes {size1}, {size2}, tree {reader.size}"
    if size1 in {0, size2}:
        return []
    proof: list[bytes] = []
    start, stop = 0, size2
    while stop != size1:
        middle = start + split_point(stop - start)
        if size1 <= middle:
            proof.append(range_hash(reader, middle, stop))
            stop = middle
        else:
            proof.append(range_hash(reader, start, middle))
            start = middle
    # The last range is the old tree itself, which the checker knows, unless it began inside.
    if start:
        proof.append(range_hash(reader, start, stop))
    return proof[::-1]


def root_from_inclusion(index: int, size: int, leaf_hash: bytes, proof: Sequence[bytes]) -> bytes:
    """Return the root that follows from a leaf and its inclusion proof; refuse a proof of the wrong shape."""
    if not 0 <= index < size or len(leaf_hash) != HASH_SIZE:
        raise EvidenceRefused(f"index {index:,} is not in a tree of {size:,}, or no leaf hash is given")
    node, last, root = index, size - 1, leaf_hash
    for sibling in proof:
        if not last or len(sibling) != HASH_SIZE:
            raise EvidenceRefused("inclusion proof is too long or holds no hashes")
        if node & 1 or node == last:
            root = hash_node(sibling, root)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            root = hash_node(root, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise EvidenceRefused("inclusion proof is too short")
    return root


def check_inclusion(index: int, size: int, root: bytes, leaf_hash: bytes, proof: Sequence[bytes]) -> None:
    """Refuse a proof that does not lead from the leaf to the root of the tree of ``size``."""
    if root_from_inclusion(index, size, leaf_hash, proof) != root:
        raise EvidenceRefused(f"inclusion proof of {index:,} does not lead to the root of size {size:,}")


def check_consistency(size1: int, size2: int, root1: bytes, root2: bytes, proof: Sequence[bytes]) -> None:
    """Refuse a proof that does not show the tree of ``size1`` at the beginning of the tree of ``size2``.

    The empty tree begins every tree: nothing is shown by it, so ``size1`` 0 is refused and is the caller's own case.
    """
    if not 0 < size1 <= size2:
        raise EvidenceRefused(f"size {size1:,} does not come before {size2:,}")
    if size1 == size2:
        if proof or root1 != root2:
            raise EvidenceRefused(f"two roots of size {size1:,}, or a proof where none is due")
        return
    found1, found2 = _roots_from_consistency(size1, size2, root1, proof)
    if found1 != root1 or found2 != root2:
        raise EvidenceRefused(f"consistency proof from {size1:,} to {size2:,} does not lead to both roots")


def _roots_from_consistency(size1: int, size2: int, root1: bytes, proof: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Return the two roots that follow from the proof (RFC 9162 2.1.4.2)."""
    hashes = [root1, *proof] if not size1 & (size1 - 1) else list(proof)
    if not proof or any(len(one) != HASH_SIZE for one in hashes):
        raise EvidenceRefused("consistency proof is empty or holds no hashes")
    node, last = size1 - 1, size2 - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    found1 = found2 = hashes[0]
    for sibling in hashes[1:]:
        if not last:
            raise EvidenceRefused("consistency proof is too long")
        if node & 1 or node == last:
            found1, found2 = hash_node(sibling, found1), hash_node(sibling, found2)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found2 = hash_node(found2, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise EvidenceRefused("consistency proof is too short")
    return found1, found2
