"""The Merkle tree of RFC 6962 section 2.1: leaf and node hashes, and a tree that grows by appending.

A tree of seven leaves; every node is the hash of what stands below it::

                      root                    size 7 = 0b111: three peaks, heights 2, 1, 0
                 ______|______
                |             |
               2,0            |               "2,0" is height 2, index 0: leaves 0..3
            ____|____        _|__
           |         |      |    |
          1,0       1,1    1,2   |            height 1, index i covers leaves 2i and 2i+1
         __|__     __|__  __|__  |
        |     |   |     ||     | |
        0     1   2     34     5 6            leaf i = SHA-256(00 ‖ entry i)

* ``node(h, i) = SHA-256(01 ‖ node(h-1, 2i) ‖ node(h-1, 2i+1))`` covers leaves ``i·2^h .. (i+1)·2^h - 1``. A node whose
  leaves all exist never changes again: that is why tiles can be cached for ever and proofs stay short.
* The *peaks* are the full subtrees from left to right, one for each 1 bit of the size: here 2,0 then 1,2 then leaf 6.
  They are all that is needed to append, and to say the root: fold them from the right,
  ``root = H(2,0 ‖ H(1,2 ‖ leaf 6))``. An append costs one node hash on average, a root at most one per peak.
* To prove leaf 4: give what stands beside its path, ``[leaf 5, leaf 6, node 2,0]``; whoever knows the entry computes the
  root. To prove that the tree of size 6 is the beginning of this one: give the nodes from which both roots follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final

HASH_SIZE: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()
"""Root of the tree without leaves: SHA-256 of nothing (RFC 6962 2.1)."""

# A prepared object that is copied costs less than the constructor: the difference is the whole budget of an append.
copy_leaf_hasher: Final = sha256(b"\x00").copy
copy_node_hasher: Final = sha256(b"\x01").copy


def hash_leaf(entry: bytes) -> bytes:
    """Return SHA-256(00 ‖ entry): the leaf hash of one entry, 32 bytes."""
    hasher = copy_leaf_hasher()
    hasher.update(entry)
    return hasher.digest()


def hash_node(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(01 ‖ left ‖ right): the hash of an inner node, 32 bytes."""
    hasher = copy_node_hasher()
    hasher.update(left + right)
    return hasher.digest()


def hash_leaves(entries: Iterable[bytes]) -> list[bytes]:
    """Return the leaf hashes of many entries, in order."""
    copy = copy_leaf_hasher
    hashes: list[bytes] = []
    append = hashes.append
    for entry in entries:
        hasher = copy()
        hasher.update(entry)
        append(hasher.digest())
    return hashes


def hash_pairs(nodes: Sequence[bytes]) -> list[bytes]:
    """Return the parents of nodes 0 and 1, 2 and 3, and so on; a last one without partner is left out."""
    copy = copy_node_hasher
    parents: list[bytes] = []
    append = parents.append
    one_by_one = iter(nodes)
    for left, right in zip(one_by_one, one_by_one, strict=False):
        hasher = copy()
        hasher.update(left + right)
        append(hasher.digest())
    return parents


class Tree:
    """A growing tree held as its peaks: O(log size) memory, one node hash per appended leaf on average.

    Not safe for two writers. Copy it before an append that may be abandoned: a copy costs O(log size).
    """

    __slots__ = ("_peaks", "size")

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        """Begin with ``size`` leaves whose peaks stand left to right, highest first; both left out: the empty tree."""
        self.size = size
        self._peaks: list[bytes] = [b""] * max(size.bit_length(), 1)
        given = list(peaks)
        heights = [h for h in range(size.bit_length() - 1, -1, -1) if size >> h & 1]
        assert len(given) == len(heights), f"a tree of {size} leaves has {len(heights)} peaks, not {len(given)}"
        for height, peak in zip(heights, given, strict=True):
            self._peaks[height] = peak

    def copy(self) -> Tree:
        """Return an independent tree of the same leaves."""
        return Tree(self.size, self.peaks())

    def peaks(self) -> list[bytes]:
        """Return the roots of the full subtrees, left to right (highest first); empty for the empty tree."""
        return [self._peaks[h] for h in range(self.size.bit_length() - 1, -1, -1) if self.size >> h & 1]

    def append(self, leaf_hash: bytes) -> None:
        """Append one leaf by its hash."""
        self.extend([leaf_hash])

    def extend(self, leaf_hashes: Sequence[bytes], grown: dict[int, list[bytes]] | None = None) -> None:
        """Append leaves by their hashes, level by level, so that the hashing runs in tight loops.

        ``grown``, when given, receives the finished nodes that tiles are made of: tile level L (1, 2, …) → the new nodes
        of height 8·L in order, the first being number ``size_before >> 8·L``.
        """
        size, level, height = self.size, leaf_hashes, 0
        self.size += len(leaf_hashes)
        self._peaks.extend([b""] * (self.size.bit_length() - len(self._peaks)))
        while level:
            if size >> height & 1:
                level = [self._peaks[height], *level]
            if len(level) & 1:
                self._peaks[height] = level[-1]
            level = hash_pairs(level)
            height += 1
            if grown is not None and level and not height % 8:
                grown.setdefault(height // 8, []).extend(level)

    def graft(self, count: int, nodes: Sequence[bytes]) -> None:
        """Append ``count`` leaves by the full subtrees that `cover` gave of them."""
        stop = self.size + count
        self._peaks.extend([b""] * (stop.bit_length() - len(self._peaks)))
        for subtree in nodes:
            node, size, height = subtree, self.size, _height_at(self.size, stop)
            self.size += 1 << height
            while size >> height & 1:
                node = hash_node(self._peaks[height], node)
                height += 1
            self._peaks[height] = node
        assert self.size == stop, f"{len(nodes)} subtrees are no cover of {count} leaves from {stop - count}"

    def root(self) -> bytes:
        """Return the Merkle tree head of all leaves appended so far, 32 bytes."""
        peaks = self.peaks()
        if not peaks:
            return EMPTY_ROOT
        root = peaks.pop()
        while peaks:
            root = hash_node(peaks.pop(), root)
        return root


def cover(first: int, leaf_hashes: Sequence[bytes]) -> list[bytes]:
    """Return the largest full subtrees that cover leaves ``first ..``, left to right: all that a tree needs of them.

    Of n leaves there are at most 2·log2(n). They follow from the leaves alone, so another process can make them.
    """
    lefts: list[bytes] = []
    rights: list[bytes] = []
    level = leaf_hashes
    while level:
        low, high = first & 1, first + len(level) & 1
        if low:
            lefts.append(level[0])
        if high and len(level) > low:
            rights.append(level[-1])
        first, level = (first + low) >> 1, hash_pairs(level[low:] if low else level)
    return lefts + rights[::-1]


def _height_at(size: int, stop: int) -> int:
    """Return the height of the largest full subtree that begins at ``size`` and ends at or before ``stop``."""
    room = (stop - size).bit_length() - 1
    return min((size & -size).bit_length() - 1, room) if size else room


def root_of(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the root of the tree of exactly these leaf hashes."""
    tree = Tree()
    tree.extend(leaf_hashes)
    return tree.root()


def full_node(nodes: Sequence[bytes]) -> bytes:
    """Return the hash of the full subtree over ``nodes``; their count is a power of two, at least 1."""
    count = len(nodes)
    assert count, "a subtree has at least one node"
    assert not count & (count - 1), f"{count} is no power of two"
    while len(nodes) > 1:
        nodes = hash_pairs(nodes)
    return nodes[0]
