"""Tree hashes against the published test trees and against the recursive definition of RFC 6962."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ledger.merkle import EMPTY_ROOT, Tree, full_node, hash_leaf, hash_leaves, hash_node, root_of
from tests.paths import shared

LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def naive_root(leaves: list[bytes]) -> bytes:
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    middle = 1
    while middle * 2 < len(leaves):
        middle *= 2
    return sha256(b"\x01" + naive_root(leaves[:middle]) + naive_root(leaves[middle:])).digest()


def some_leaves(n: int) -> list[bytes]:
    return [hash_leaf(b"%d" % i) for i in range(n)]


@pytest.mark.parametrize(("size", "root"), ROOTS.items())
def test_us_01_roots_of_the_published_trees(size, root):
    assert root_of(hash_leaves(map(bytes.fromhex, LEAVES[:size]))).hex() == root


def test_us_01_leaf_and_node_of_others():
    tree = json.loads(shared("vectors/ledger-v1/foreign.json").read_text())["tree"]
    for text, leaf in tree["leaf_of_ascii"].items():
        assert hash_leaf(text.encode()).hex() == leaf
    for node in tree["node_of_ascii"]:
        assert hash_node(node["left"].encode(), node["right"].encode()).hex() == node["hash"]
    assert tree["leaves_hex"] == LEAVES


def test_empty_tree():
    assert Tree().root() == EMPTY_ROOT == sha256(b"").digest()
    assert Tree().peaks() == []


def test_appending_one_by_one_equals_the_definition_to_size_300():
    leaves = some_leaves(300)
    tree = Tree()
    for size, leaf in enumerate(leaves, start=1):
        tree.append(leaf)
        assert (tree.size, tree.root()) == (size, naive_root(leaves[:size]))


@given(st.lists(st.integers(0, 70), max_size=8))
def test_appending_in_any_portions_gives_one_tree(portions):
    leaves = some_leaves(sum(portions))
    tree, start = Tree(), 0
    for portion in portions:
        before = tree.copy()
        tree.extend(leaves[start : start + portion])
        assert before.root() == naive_root(leaves[:start]), "the copy moved with the original"
        start += portion
    assert tree.root() == naive_root(leaves)
    assert Tree(tree.size, tree.peaks()).root() == tree.root()


@given(st.integers(0, 600), st.integers(1, 1200))
def test_finished_nodes_of_tiles_are_handed_out_in_order(before, n):
    leaves = some_leaves(before + n)
    tree = Tree()
    tree.extend(leaves[:before])
    grown: dict[int, list[bytes]] = {}
    tree.extend(leaves[before:], grown)
    numbers = range(before >> 8, (before + n) >> 8)
    assert grown.get(1, []) == [naive_root(leaves[i << 8 : (i + 1) << 8]) for i in numbers]


def test_a_tree_refuses_peaks_that_do_not_fit_its_size():
    with pytest.raises(AssertionError, match="3 peaks, not 1"):
        Tree(7, [EMPTY_ROOT])


def test_full_node_wants_a_power_of_two():
    assert full_node(some_leaves(8)) == naive_root(some_leaves(8))
    with pytest.raises(AssertionError, match="no power of two"):
        full_node(some_leaves(3))
    with pytest.raises(AssertionError, match="at least one"):
        full_node([])
