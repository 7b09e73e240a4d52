"""Witness policies: the worked example, majorities, nested groups, every refusal."""

from __future__ import annotations

import pytest

from gateway.errors import EvidenceRefused
from gateway.ledger.crypto import ed25519_public
from gateway.ledger.note import COSIGNATURE, ECDSA_P256, VerifyKey, format_vkey
from gateway.ledger.policy import Group, Policy, Span, Witness, format_policy, make_policy, parse_policy
from tests.ledger.vector_files import SEAL_KEY, WITNESS_KEY, vector

WITNESSES = [
    Witness(name, VerifyKey(f"{name}.example", COSIGNATURE, ed25519_public(bytes([i] * 32))), f"https://{name}")
    for i, name in enumerate("abcd")
]
KEYS = [witness.key for witness in WITNESSES]
PUBLISH, LATER, STRANGER = (VerifyKey("a.example/gw", ECDSA_P256, bytes([i])) for i in (1, 2, 3))
LOG = f"log {format_vkey(SEAL_KEY)}\n"
TWO = f"witness a {format_vkey(KEYS[0])}\nwitness b {format_vkey(KEYS[1])}\n"


def test_policy_of_the_worked_example():
    text = vector("policy").decode()
    policy = parse_policy(text)
    # The worked example gives its one witness the name `hq` and asks it directly.
    assert policy == make_policy([SEAL_KEY], [], [Witness("hq", WITNESS_KEY)])
    assert format_policy(policy) == text
    assert policy.required == 1
    assert policy.satisfied_by([WITNESS_KEY])
    assert not policy.satisfied_by([SEAL_KEY])


def test_majority_is_asked():
    policy = make_policy([SEAL_KEY], [SEAL_KEY], WITNESSES[:3])
    assert parse_policy(format_policy(policy)) == policy
    assert "group q 2 a b c\nquorum q\n" in format_policy(policy)
    assert policy.required == 2
    assert policy.satisfied_by(KEYS[1:3])
    assert not policy.satisfied_by(KEYS[:1])


def test_no_witness_is_said_in_so_many_words():
    policy = make_policy([SEAL_KEY], [], [])
    assert format_policy(policy) == LOG + "quorum none\n"
    assert policy.satisfied_by([])
    assert policy.required == 0


def test_groups_of_groups():
    policy = parse_policy(
        "# a comment\n\n" + LOG + TWO
        + f"witness c {format_vkey(KEYS[2])} https://c\n"
        + "group left any a b\ngroup all all left c\nquorum all\n",
    )  # fmt: skip
    assert policy.groups == (Group("left", 1, ("a", "b")), Group("all", 2, ("left", "c")))
    assert policy.required == 2
    assert policy.satisfied_by([KEYS[1], KEYS[2]])
    assert not policy.satisfied_by([KEYS[0], KEYS[1]])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (LOG, "no quorum line"),
        (LOG + "quorum x\n", "line 2: 'quorum x'"),
        (LOG + "quorum none\nquorum none\n", "line 3"),
        ("log x\nquorum none\n", "line 1: key 'x'"),
        (TWO + TWO + "quorum a\n", "line 3: name 'a' is used twice"),
        (f"witness none {format_vkey(KEYS[0])}\nquorum none\n", "line 1: name 'none'"),
        (f"witness a {format_vkey(KEYS[0])} u v\nquorum none\n", "not understood"),
        (TWO + "group g 1 a a\nquorum g\n", "twice"),
        (TWO + "group g 1 z\nquorum g\n", "z"),
        (TWO + "group g 1 none\nquorum g\n", "none"),
        (TWO + "group g 1\nquorum g\n", "not understood"),
        (TWO + "group g 3 a b\nquorum g\n", "asks '3' of 2"),
        (TWO + "group g 0 a b\nquorum g\n", "asks '0' of 2"),
        (TWO + "group g 01 a b\nquorum g\n", "asks '01' of 2"),
        (TWO + "group g some a b\nquorum g\n", "asks 'some'"),
        (TWO + "group a 1 b\nquorum a\n", "name 'a' is used twice"),
        ("nonsense\n", "not understood"),
    ],
)
def test_what_is_not_understood_is_refused_with_its_line(text, why):
    with pytest.raises(EvidenceRefused, match=why):
        parse_policy(text)


def test_a_policy_without_log_is_a_policy_of_witnesses():
    assert parse_policy("quorum none\n") == Policy(())


def test_the_sizes_of_former_and_publish_keys_are_read_as_they_are_written():
    spans = ((SEAL_KEY, Span(0, 40)), (PUBLISH, Span(9)), (LATER, Span(9, 70)))
    policy = Policy(logs=(), publish=(PUBLISH, LATER), former=(SEAL_KEY,), spans=spans)
    text = format_policy(policy)
    assert text.splitlines()[:3] == [
        f"# log {format_vkey(SEAL_KEY)} until 40",
        f"# publish {format_vkey(PUBLISH)} from 9",
        f"# publish {format_vkey(LATER)} from 9 until 70",
    ]
    read = parse_policy(text)
    assert (read.former, read.publish, set(read.spans)) == (policy.former, policy.publish, set(spans))
    assert read.seals == (SEAL_KEY,)
    assert read.span_of(STRANGER) == Span()


@pytest.mark.parametrize(
    "words", ["", " until", " until -1", " until 01", " from 9223372036854775808", " since 4", " from 1 to 2"]
)
def test_sizes_that_are_none_are_refused(words):
    line = f"# publish {format_vkey(PUBLISH)}{words}" if words else "# publish "
    with pytest.raises(EvidenceRefused, match="policy line 1"):
        parse_policy(f"{line}\nquorum none\n")
