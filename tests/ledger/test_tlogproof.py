"""One reading and its proof as foreign tools read it."""

from __future__ import annotations

import base64

import pytest

from gateway.errors import EvidenceRefused
from gateway.ledger.proof import LeafReader, prove_inclusion
from gateway.ledger.tile import split_hashes
from gateway.ledger.tlogproof import TlogProof, check_tlog_proof, format_tlog_proof, parse_tlog_proof
from tests.ledger.vector_files import vector

HASH = base64.b64encode(bytes(32)).decode()


def test_us_01_worked_example_of_reading_6():
    content, entry = vector("reading-6.tlog-proof"), vector("reading-6.entry")
    proof = parse_tlog_proof(content)
    assert check_tlog_proof(proof, entry).size == 18
    leaves = LeafReader(split_hashes(vector("tile/0/000.p/18")))
    made = TlogProof(6, tuple(prove_inclusion(leaves, 6, 18)), vector("checkpoint"))
    assert made == proof
    assert format_tlog_proof(made) == content
    with pytest.raises(EvidenceRefused, match="does not lead to the root"):
        check_tlog_proof(proof, entry + b" ")


def test_extra_bytes_are_kept():
    proof = TlogProof(0, (), b"note", b"\x01\x02")
    assert parse_tlog_proof(format_tlog_proof(proof)) == proof


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("c2sp.org/tlog-proof@v1\nindex 1\n", "no empty line"),
        ("c2sp.org/tlog-proof@v2\nindex 1\n\nx", "first line"),
        ("c2sp.org/tlog-proof@v1\n\nx", "no index line"),
        ("c2sp.org/tlog-proof@v1\nindex 01\n\nx", "no index line"),
        ("c2sp.org/tlog-proof@v1\nindex 1\nAAAA\n\nx", "other than 32"),
        ("c2sp.org/tlog-proof@v1\nindex 1\n" + f"{HASH}\n" * 64 + "\nx", "too many hashes"),
        ("c2sp.org/tlog-proof@v1\nextra x\nindex 1\n\nx", "extra is not base64"),
    ],
)
def test_other_spellings_are_refused(content, why):
    with pytest.raises(EvidenceRefused, match=why):
        parse_tlog_proof(content.encode())


def test_it_must_be_utf8():
    with pytest.raises(EvidenceRefused, match="UTF-8"):
        parse_tlog_proof(b"\xff\n\nx")
