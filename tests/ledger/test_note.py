"""Signed notes, checkpoints, cosignatures, policies, tlog-proofs: foreign vectors and every refusal."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import EvidenceRefused
from gateway.ledger.checkpoint import Checkpoint, check_origin, format_checkpoint, parse_checkpoint
from gateway.ledger.cosignature import parse_cosignature, subtree_message
from gateway.ledger.crypto import cosigner, ed25519_public, sealer, verify_line
from gateway.ledger.note import (
    COSIGNATURE,
    COSIGNATURE_ML_DSA_44,
    ECDSA_P256,
    ED25519,
    Line,
    VerifyKey,
    add_lines,
    format_line,
    format_vkey,
    open_note,
    parse_base64,
    parse_note,
    parse_vkey,
    sign_note,
)
from tests.ledger.vector_files import ORIGIN, SEAL_KEY, SEAL_SEED, WITNESS_KEY, WITNESS_SEED, seal, vector

FOREIGN = ["example.com/foo", "PeterNeumann", "sum.golang.org", "remora.n621.de"]
TEXT = b"acme.example/basel/gw-01\n18\n0dFNaOO9UgaTCu6va1hL93G88rMXTeJZv6HmVVQMOjU=\n"


def foreign(kind: str) -> list[dict]:
    return json.loads(vector("foreign.json"))[kind]


def test_us_01_notes_of_others_open():
    notes = foreign("notes")
    assert [note["vkey"].split("+")[0] for note in notes] == FOREIGN
    for note in notes:
        key = parse_vkey(note["vkey"])
        content = f"{note['text']}\n{note['line']}\n".encode()
        opened = open_note(content, [key, SEAL_KEY], verify_line)
        assert opened.text.decode() == note["text"]
        assert opened.verified == ((key, parse_note(content).lines[0]),)
        assert format_vkey(key) == note["vkey"]
        if "cosignature_time" in note:
            assert parse_cosignature(parse_note(content).lines[0].signature).seconds == note["cosignature_time"]
        if "skey" in note:
            seed = base64.b64decode(note["skey"].split("+", 4)[4])[1:]
            assert sign_note(note["text"].encode(), [(key, sealer(seed))]) == content


def test_key_ids_of_others():
    for case in foreign("key_ids"):
        material = base64.b64decode(case["type_and_key"])
        assert VerifyKey(case["name"], material[0], material[1:]).key_id.hex() == case["key_id"]


def test_us_01_worked_example_is_reproduced():
    note = sign_note(TEXT, [(SEAL_KEY, sealer(SEAL_SEED)), (WITNESS_KEY, cosigner(WITNESS_SEED, 1792889410))])
    assert note == vector("checkpoint")
    assert add_lines(seal(TEXT), parse_note(note).lines[1:]) == note
    opened = open_note(note, [WITNESS_KEY, SEAL_KEY], verify_line)
    assert [key for key, _ in opened.verified] == [SEAL_KEY, WITNESS_KEY]
    assert WITNESS_KEY.type == COSIGNATURE
    assert WITNESS_KEY.key == ed25519_public(WITNESS_SEED)
    assert str(SEAL_KEY) == "acme.example/basel/gw-01+c04564cd"


@given(st.data())
def test_us_01_any_flipped_bit_of_a_note_is_refused(data):
    content = bytearray(vector("checkpoint"))
    bit = data.draw(st.integers(0, len(content) * 8 - 1))
    content[bit // 8] ^= 1 << bit % 8
    keys = [SEAL_KEY, WITNESS_KEY]
    try:
        opened = open_note(bytes(content), keys, verify_line)
    except EvidenceRefused:
        return
    # A flipped name or key id makes the line one of an unknown key: it does not count, and the other one still holds.
    assert opened.text == TEXT
    assert len(opened.verified) == 1


def note_with(line: bytes, text: bytes = TEXT) -> bytes:
    return text + b"\n" + line


GOOD = "— a AAAAAAA=\n".encode()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"a\nb\n", "no empty line"),
        (note_with(GOOD[:-1]), "whole signature line"),
        (note_with(b""), "whole signature line"),
        (note_with(GOOD * 65), "65 signature lines"),
        (note_with(GOOD, b"\xff\n"), "not UTF-8"),
        (note_with(GOOD, b"a\tb\n"), "control character"),
        (note_with(b"- a AAAAAAA=\n"), "name base64"),
        (note_with("— a AAAAAAA= \n".encode()), "name base64"),
        (note_with("— a+b AAAAAAA=\n".encode()), "name base64"),
        (note_with("— a\u00a0b AAAAAAA=\n".encode()), "name base64"),
        (note_with("—  AAAAAAA=\n".encode()), "name base64"),
        (note_with("— a\n".encode()), "name base64"),
        (note_with("— a \xff\n".encode("latin-1", "replace")), "name base64"),
        (note_with("— a AAAAAAB=\n".encode()), "not canonical base64"),
        (note_with("— a AAAAAAA\n".encode()), "not base64"),
        (note_with("— a AAAAAA==\n".encode()), "holds no signature"),
        (note_with("— a AAAAAÄ==\n".encode()), "not base64"),
        (b"a" * 1_000_001, "longer than"),
    ],
)
def test_us_01_note_grammar_is_kept(content, why):
    with pytest.raises(EvidenceRefused, match=why):
        parse_note(content)


def test_note_of_64_lines_of_unknown_keys_is_read_but_proves_nothing():
    content = note_with(GOOD * 64)
    assert len(parse_note(content).lines) == 64
    with pytest.raises(EvidenceRefused, match="no signature of a known key"):
        open_note(content, [SEAL_KEY], verify_line)


def test_us_01_a_known_key_that_fails_refuses_the_whole_note():
    good = seal(TEXT)
    bad = format_line(Line(WITNESS_KEY.name, WITNESS_KEY.key_id, bytes(72)))
    assert open_note(good + bad, [SEAL_KEY], verify_line).text == TEXT
    with pytest.raises(EvidenceRefused, match=r"signature of witness\.example/hq\+95eab388 does not verify"):
        open_note(good + bad, [SEAL_KEY, WITNESS_KEY], verify_line)


def test_a_second_line_of_one_key_is_skipped():
    line = seal(TEXT).rpartition(b"\n\n")[2]
    assert len(open_note(seal(TEXT) + line, [SEAL_KEY], verify_line).verified) == 1


@pytest.mark.parametrize("text", [b"", b"no newline", b"\x00\n", b"\xc3\n"])
def test_only_a_clean_text_is_sealed(text):
    with pytest.raises(EvidenceRefused):
        seal(text)


@pytest.mark.parametrize(
    ("vkey", "why"),
    [
        ("a+b", "not name"),
        ("+00000000+AQE=", "bad name"),
        ("a b+00000000+AQE=", "bad name"),
        ("a+00000000+AQ==", "bad name or no key"),
        ("a+00000000+AQE=", "has id"),
        (str(SEAL_KEY).upper() + format_vkey(SEAL_KEY)[33:], "has id"),
        ("a+00000000+AQF=", "canonical"),
    ],
)
def test_bad_vkeys_are_refused(vkey, why):
    with pytest.raises(EvidenceRefused, match=why):
        parse_vkey(vkey)


def test_base64_has_one_spelling():
    assert parse_base64("AAE=", "x") == b"\0\1"
    for other in ("AAE", "AAF=", "AA E=", "AAE=\n", "ÄAE="):
        with pytest.raises(EvidenceRefused):
            parse_base64(other, "x")


@given(st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_checkpoint_round_trip(size, root):
    checkpoint = Checkpoint(ORIGIN, size, root)
    assert parse_checkpoint(format_checkpoint(checkpoint)) == checkpoint


ROOT64 = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "text",
    [f"o\n01\n{ROOT64}\n", f"o\n-1\n{ROOT64}\n", f"o\n{2**63}\n{ROOT64}\n", f"o\n{10**25}\n{ROOT64}\n", f"\n1\n{ROOT64}\n", f"o\n1\n{ROOT64}",
     f"o\n1\n{ROOT64}\nextension\n", "o\n1\nAAAA\n", "o\n1\n" + ROOT64.replace("A=", "B=") + "\n", "o\n1\n", "o\n١\n" + ROOT64 + "\n"],
)  # fmt: skip
def test_other_spellings_of_a_checkpoint_are_refused(text):
    with pytest.raises(EvidenceRefused, match="checkpoint"):
        parse_checkpoint(text.encode())


def test_checkpoint_must_be_utf8():
    with pytest.raises(EvidenceRefused, match="UTF-8"):
        parse_checkpoint(b"\xff\n1\n")


def test_origins():
    for good in ("acme.example/basel/gw-01", "a/b", "a/b/c/d/e"):
        check_origin(good)
    for bad in ("acme.example", "Acme/x", "a/b/c/d/e/f", "a//b", "a/" + "b" * 119, "a/b\n", ".a/b", ""):
        with pytest.raises(EvidenceRefused, match="neutral name"):
            check_origin(bad)


def test_us_01_publish_key_of_type_02_verifies_der_signatures_only():
    private = ec.derive_private_key(7, ec.SECP256R1())
    spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    key = VerifyKey(ORIGIN, ECDSA_P256, spki)
    assert parse_vkey(format_vkey(key)) == key
    signature = private.sign(TEXT, ec.ECDSA(SHA256()))
    assert verify_line(key, TEXT, signature)
    assert not verify_line(key, TEXT + b"x", signature)
    assert not verify_line(key, TEXT, b"no DER")
    assert not verify_line(VerifyKey(ORIGIN, ECDSA_P256, b"no key"), TEXT, signature)
    for foreign_key in (ec.derive_private_key(7, ec.SECP384R1()), ed448.Ed448PrivateKey.generate()):
        der = foreign_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        assert not verify_line(VerifyKey(ORIGIN, ECDSA_P256, der), TEXT, signature)


def test_us_01_cosignature_of_type_06_names_witness_and_log():
    private = MLDSA44PrivateKey.from_seed_bytes(bytes(32))
    key = VerifyKey("witness.example/pq", COSIGNATURE_ML_DSA_44, private.public_key().public_bytes_raw())
    assert parse_vkey(format_vkey(key)) == key
    message = subtree_message(key.name, 7, parse_checkpoint(TEXT))
    assert message[:31] == b"subtree/v1\n\0\x12witness.example/pq"
    assert message[31:39] == (7).to_bytes(8, "big")
    assert message[-40:-32] == (18).to_bytes(8, "big")
    signature = (7).to_bytes(8, "big") + private.sign(message)
    assert verify_line(key, TEXT, signature)
    assert not verify_line(key, TEXT, (8).to_bytes(8, "big") + signature[8:])
    assert not verify_line(key, TEXT.replace(b"18", b"19"), signature)
    assert not verify_line(key, b"no checkpoint\n", signature)
    assert not verify_line(key, TEXT, signature[:-1])
    assert not verify_line(key._replace(name="w" * 256), TEXT, signature)
    assert not verify_line(key._replace(key=b"short"), TEXT, signature)


def test_keys_of_unknown_type_or_shape_never_hold():
    assert not verify_line(VerifyKey(ORIGIN, 99, bytes(32)), TEXT, bytes(64))
    assert not verify_line(VerifyKey(ORIGIN, ED25519, bytes(31)), TEXT, bytes(64))
    assert not verify_line(WITNESS_KEY, TEXT, bytes(71))
    with pytest.raises(AssertionError, match="32 bytes"):
        sealer(b"short")
