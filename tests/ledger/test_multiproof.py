"""One proof for many leaves: the worked example, random subsets, every flipped bit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import EvidenceRefused
from gateway.ledger.merkle import EMPTY_ROOT, hash_leaf, root_of
from gateway.ledger.multiproof import check_many, prove_many, root_from_many
from gateway.ledger.proof import LeafReader
from tests.ledger.test_merkle import some_leaves
from tests.ledger.test_proof import flipped
from tests.ledger.vector_files import vector


def test_us_01_worked_example_discloses_5_6_9_of_18():
    tile = vector("tile/0/000.p/18")
    leaves = [tile[i : i + 32] for i in range(0, len(tile), 32)]
    proof = vector("multiproof-5-6-9.bin")
    assert prove_many(LeafReader(leaves), [5, 6, 9], 18) == proof
    check_many(18, root_of(leaves), [5, 6, 9], [leaves[i] for i in (5, 6, 9)], proof)


@given(st.data(), st.integers(1, 300))
def test_us_01_any_subset_of_any_tree_is_proved_and_nothing_else(data, size):
    leaves = some_leaves(size)
    root = root_of(leaves)
    indexes = sorted(data.draw(st.sets(st.integers(0, size - 1))))
    shown = [leaves[i] for i in indexes]
    proof = prove_many(LeafReader(leaves), indexes, size)
    check_many(size, root, indexes, shown, proof)
    refused = [(flipped(data, root), indexes, shown, proof), (root, indexes, shown, proof + root)]
    if proof:
        refused += [(root, indexes, shown, flipped(data, proof)), (root, indexes, shown, proof[:-1])]
    if indexes:
        refused += [
            (root, indexes, [*shown[:-1], hash_leaf(b"other")], proof),
            (root, [*indexes[:-1], size], shown, proof),
            (root, indexes[:-1], shown, proof),
        ]
    for root_, indexes_, shown_, proof_ in refused:
        with pytest.raises(EvidenceRefused):
            check_many(size, root_, indexes_, shown_, proof_)


def test_empty_tree_and_repeated_index():
    assert prove_many(LeafReader([]), [], 0) == b""
    assert root_from_many([], [], 0, b"") == EMPTY_ROOT
    with pytest.raises(EvidenceRefused, match="strictly ascending"):
        root_from_many([1, 1], some_leaves(2), 3, b"")
