"""Proofs against 196 foreign cases and against the naive tree; every flipped bit is refused."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import EvidenceRefused
from gateway.ledger.merkle import hash_leaf, root_of
from gateway.ledger.proof import (
    LeafReader,
    check_consistency,
    check_inclusion,
    prove_consistency,
    prove_inclusion,
)
from tests.ledger.test_merkle import some_leaves
from tests.paths import shared


def cases(kind: str) -> list[Path]:
    found = sorted(shared("vectors/rfc6962-proofs/LICENSE").parent.glob(f"{kind}/**/*.json"))
    assert found
    return found


def unbase(texts: list[str] | None) -> list[bytes]:
    return [base64.b64decode(text) for text in texts or []]


def holds(check) -> bool:
    try:
        check()
    except EvidenceRefused:
        return False
    return True


def test_us_01_foreign_inclusion_cases_are_judged_as_their_authors_did():
    for path in cases("inclusion"):
        case = json.loads(path.read_text())
        root, leaf = unbase([case["root"] or "", case["leafHash"] or ""])
        index, size, proof = case["leafIdx"], case["treeSize"], unbase(case["proof"])
        ours = holds(lambda: check_inclusion(index, size, root, leaf, proof))  # noqa: B023  called at once
        assert ours is not case["wantErr"], path


def test_us_01_foreign_consistency_cases_are_judged_as_their_authors_did():
    for path in cases("consistency"):
        case = json.loads(path.read_text())
        root1, root2 = unbase([case["root1"] or "", case["root2"] or ""])
        size1, size2, proof = case["size1"], case["size2"], unbase(case["proof"])
        ours = holds(lambda: check_consistency(size1, size2, root1, root2, proof))  # noqa: B023  called at once
        assert ours is not case["wantErr"], path


def test_us_01_there_are_196_foreign_cases():
    assert len(cases("inclusion")) + len(cases("consistency")) == 196


@given(st.data(), st.integers(1, 300))
def test_us_01_inclusion_holds_at_every_index_and_for_no_other(data, size):
    leaves = some_leaves(size)
    root, index = root_of(leaves), data.draw(st.integers(0, size - 1))
    proof = prove_inclusion(LeafReader(leaves), index, size)
    check_inclusion(index, size, root, leaves[index], proof)
    refused = [
        (index ^ 1, size, root, leaves[index], proof),
        (index, size + 1 << 9, root, leaves[index], proof),
        (index, size, root, hash_leaf(b"other"), proof),
        (index, size, flipped(data, root), leaves[index], proof),
        (index, size, root, leaves[index], [*proof, root]),
        (size, size, root, leaves[index], proof),
    ]
    if proof:
        refused += [
            (index, size, root, leaves[index], proof[:-1]),
            (index, size, root, leaves[index], flipped_one(data, proof)),
            (index, size, root, leaves[index], [proof[0][:31], *proof[1:]]),
        ]
    for arguments in refused:
        with pytest.raises(EvidenceRefused):
            check_inclusion(*arguments)


@given(st.data(), st.integers(0, 300), st.integers(0, 300))
def test_us_01_consistency_holds_between_any_two_sizes(data, one, other):
    size1, size2 = sorted((one, other))
    leaves = some_leaves(size2)
    root1, root2 = root_of(leaves[:size1]), root_of(leaves)
    proof = prove_consistency(LeafReader(leaves), size1, size2)
    if not size1:
        assert proof == []
        with pytest.raises(EvidenceRefused, match="does not come before"):
            check_consistency(size1, size2, root1, root2, proof)
        return
    check_consistency(size1, size2, root1, root2, proof)
    with pytest.raises(EvidenceRefused):
        check_consistency(size1, size2, root1, root2, [*proof, root1])
    with pytest.raises(EvidenceRefused):
        check_consistency(size2 + 1, size2, root1, root2, proof)
    with pytest.raises(EvidenceRefused):
        check_consistency(size1, size2, flipped(data, root1), root2, proof)
    with pytest.raises(EvidenceRefused):
        check_consistency(size1, size2, root1, flipped(data, root2), proof)
    if proof:
        for bad in (flipped_one(data, proof), proof[:-1], [proof[0][:31], *proof[1:]]):
            with pytest.raises(EvidenceRefused):
                check_consistency(size1, size2, root1, root2, bad)


def flipped(data, content: bytes) -> bytes:
    bit = data.draw(st.integers(0, len(content) * 8 - 1))
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def flipped_one(data, proof: list[bytes]) -> list[bytes]:
    place = data.draw(st.integers(0, len(proof) - 1))
    return [*proof[:place], flipped(data, proof[place]), *proof[place + 1 :]]


def test_us_01_every_proof_of_every_tree_to_size_33():
    leaves = some_leaves(33)
    reader = LeafReader(leaves)
    roots = [root_of(leaves[:size]) for size in range(34)]
    for size in range(1, 34):
        for index in range(size):
            check_inclusion(index, size, roots[size], leaves[index], prove_inclusion(reader, index, size))
        for size1 in range(1, size + 1):
            check_consistency(size1, size, roots[size1], roots[size], prove_consistency(reader, size1, size))
