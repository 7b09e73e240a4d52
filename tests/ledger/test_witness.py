"""C2SP tlog-witness: the body's grammar, every answer, both conflicts, cosignature lines of others and of the worked example."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import EvidenceRefused
from gateway.ledger.checkpoint import Checkpoint, format_checkpoint, parse_checkpoint
from gateway.ledger.crypto import cosigner, seal_key, sealer, verify_line
from gateway.ledger.merkle import EMPTY_ROOT
from gateway.ledger.note import Line, format_line, parse_note, parse_vkey, sign_note
from gateway.ledger.policy import Policy, Witness, format_policy, make_policy, parse_policy
from gateway.ledger.witness import (
    FORK,
    ROLLBACK,
    cosigned_second,
    cosigners_of,
    decide,
    format_question,
    format_size,
    parse_question,
    parse_size,
    read_cosignatures,
)
from tests.fakes.grown_log import GrownLog
from tests.fakes.log import ORIGIN, SEALER
from tests.fakes.witness import FakeWitness
from tests.ledger.vector_files import WITNESS_KEY, WITNESS_SEED, vector

KEYS = {ORIGIN: [SEALER.key]}


def ask(body: bytes, kept: bytes | None = None):
    return decide(body, lambda _: kept, lambda origin: KEYS.get(origin, ()), verify_line)


def log() -> GrownLog:
    return GrownLog(3, 4, 5)


def test_example_of_the_specification_is_read():
    body = (
        "old 20852014\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\njrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n\n"
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
        "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/"
        "Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    ).encode()
    asked = parse_question(body)
    assert (asked.old, len(asked.proof)) == (20852014, 2)
    assert format_question(*asked) == body
    assert parse_checkpoint(parse_note(asked.note).text).size == 20852163


@given(st.integers(0, 2**63 - 1), st.lists(st.binary(min_size=32, max_size=32), max_size=63))
def test_a_question_round_trips(old, proof):
    assert parse_question(format_question(old, proof, b"x\n1\ny\n\nz\n")) == (old, tuple(proof), b"x\n1\ny\n\nz\n")


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"old\n\n",
        b"old -1\n\n",
        b"old 01\n\n",
        b"old 9223372036854775808\n\n",
        b"old 1 \n\n",
        b"Old 1\n\n",
        b"old 1\nAAAA\n\n",
        b"old 1\n" + b"A" * 43 + b"\n\n",
        b"old 1\n" + b"A" * 43 + b"=\r\n\n",
        b"old 1\n" + (b"A" * 43 + b"=\n") * 64 + b"\n",
        b"old 1\n",
    ],
)
def test_any_other_spelling_is_400_and_never_opened(head):
    grown = log()
    with pytest.raises(EvidenceRefused):
        parse_question(head + (grown.note if head.endswith(b"\n\n") else b""))
    assert ask(head + (grown.note if head.endswith(b"\n\n") else b"")).status == 400


@pytest.mark.parametrize("spoil", [b"\x00", b"extension\n"])
def test_a_note_that_is_no_checkpoint_is_400(spoil):
    text = parse_note(log().note).text
    assert ask(format_question(0, [], SEALER.seal(text + b"line\n"))).status == 400
    assert ask(format_question(0, [], text + spoil)).status == 400


def test_an_unknown_log_is_404_before_its_seal_is_looked_at():
    other = seal_key("other.example/log", bytes(32))
    text = format_checkpoint(Checkpoint("other.example/log", 1, b"r" * 32))
    verdict = ask(format_question(0, [], sign_note(text, [(other, sealer(bytes(32)))])))
    assert (verdict.status, verdict.conflict, verdict.keep) == (404, "", None)


def test_no_seal_of_the_log_is_403_and_so_is_a_seal_that_fails():
    grown = log()
    text = parse_note(grown.note).text
    foreign = seal_key(ORIGIN, bytes(32))
    assert ask(format_question(0, [], sign_note(text, [(foreign, sealer(bytes(32)))]))).status == 403
    spoiled = sign_note(text, [(SEALER.key, lambda _: bytes(64))])
    verdict = ask(format_question(0, [], spoiled))
    assert (verdict.status, verdict.conflict) == (403, "")


def test_old_beyond_the_checkpoint_is_400():
    assert ask(format_question(13, [], log().note)).status == 400


def test_a_first_checkpoint_is_kept_with_known_seals_alone():
    grown = log()
    stranger = Line("x.example/y", b"abcd", b"z" * 64)
    verdict = ask(format_question(0, [], grown.note + format_line(stranger)))
    assert (verdict.status, verdict.keep, verdict.conflict) == (200, grown.note, "")
    assert verdict.seen == grown.checkpoint()


def test_a_proof_from_the_empty_tree_is_422_without_a_conflict():
    verdict = ask(format_question(0, [b"h" * 32], log().note))
    assert (verdict.status, verdict.conflict, verdict.keep) == (422, "", None)


def test_growth_is_kept_only_with_its_proof():
    grown = log()
    good = ask(format_question(7, grown.proof(7), grown.note), grown.notes[7])
    assert (good.status, good.keep) == (200, grown.note)
    bad = ask(format_question(7, grown.proof(3), grown.note), grown.notes[7])
    assert (bad.status, bad.conflict, bad.keep) == (422, FORK, None)


def test_a_size_that_is_not_the_kept_one_is_409_with_the_kept_one():
    grown = log()
    verdict = ask(format_question(3, grown.proof(3), grown.note), grown.notes[7])
    assert (verdict.status, verdict.body, verdict.conflict) == (409, b"7\n", "")


def test_the_same_checkpoint_again_is_cosigned_again():
    grown = log()
    assert ask(format_question(12, [], grown.note), grown.note).status == 200


def test_ac_03_a_smaller_size_is_a_rollback():
    grown = log()
    for old in (0, 3, 7):
        verdict = ask(format_question(old, grown.proof(old, 7), grown.notes[7]), grown.note)
        assert (verdict.status, verdict.body, verdict.conflict) == (409, b"12\n", ROLLBACK)


def test_ac_03_another_root_is_a_fork_at_the_same_size_and_beyond():
    grown, fork = log(), GrownLog(3, 4, 5, first=100)
    for old in (0, 12):
        verdict = ask(format_question(old, [], fork.note), grown.note)
        assert (verdict.status, verdict.body, verdict.conflict) == (409, b"12\n", FORK)
    fork.grow(5)
    verdict = ask(format_question(12, fork.proof(12), fork.note), grown.note)
    assert (verdict.status, verdict.conflict, verdict.keep) == (422, FORK, None)


def test_the_empty_tree_may_be_kept_first():
    empty = SEALER.seal(format_checkpoint(Checkpoint(ORIGIN, 0, EMPTY_ROOT)))
    assert ask(format_question(0, [], empty)).status == 200
    wrong = SEALER.seal(format_checkpoint(Checkpoint(ORIGIN, 0, b"r" * 32)))
    assert (ask(format_question(0, [], wrong)).status, ask(format_question(0, [], wrong)).conflict) == (409, FORK)
    assert ask(format_question(0, [], log().note), empty).status == 200


@given(st.integers(1, 40), st.integers(0, 40), st.integers(0, 41))
def test_only_growth_from_the_kept_size_is_ever_kept(kept, more, old):
    grown = GrownLog(kept, *([more] if more else []))
    verdict = ask(format_question(old, grown.proof(kept), grown.note), grown.notes[kept])
    assert (verdict.status == 200) == (old == kept)


def test_sizes_of_a_409_are_read_in_one_spelling():
    assert parse_size(format_size(0)) == 0
    assert parse_size(format_size(2**63 - 1)) == 2**63 - 1
    assert [
        parse_size(body) for body in (b"", b"7", b"07\n", b"-7\n", b"7\n\n", b" 7\n", b"9223372036854775808\n")
    ] == [None] * 7


def test_cosignatures_count_only_with_the_configured_key():
    text = parse_note(log().note).text
    line = Line(WITNESS_KEY.name, WITNESS_KEY.key_id, cosigner(WITNESS_SEED, 1792889410)(text))
    other = FakeWitness(1)
    foreign = Line(other.key.name, other.key.key_id, cosigner(bytes([0x81]) * 32, 5)(text))
    body = format_line(foreign) + format_line(line)
    assert read_cosignatures(body, text, WITNESS_KEY, verify_line) == (line,)
    assert read_cosignatures(format_line(foreign), text, WITNESS_KEY, verify_line) == ()
    assert cosigned_second(WITNESS_KEY, line) == 1792889410
    forged = line._replace(signature=line.signature[:-1] + b"\0")
    assert read_cosignatures(format_line(forged), text, WITNESS_KEY, verify_line) == ()
    for body in (b"", b"\n", b"no line\n", format_line(line)[:-1]):
        assert read_cosignatures(body, text, WITNESS_KEY, verify_line) == ()


def test_us_01_cosignature_of_a_foreign_witness_over_a_foreign_log_is_read():
    foreign = next(one for one in json.loads(vector("foreign.json"))["notes"] if "cosignature_time" in one)
    key, text = parse_vkey(foreign["vkey"]), foreign["text"].encode()
    lines = read_cosignatures(foreign["line"].encode() + b"\n", text, key, verify_line)
    assert len(lines) == 1
    assert cosigned_second(key, lines[0]) == foreign["cosignature_time"]


def test_us_01_policy_and_note_of_the_worked_example_have_their_quorum():
    policy, note = parse_policy(vector("policy").decode()), vector("checkpoint")
    assert cosigners_of(note, policy, verify_line) == {WITNESS_KEY}
    assert policy.satisfied_by(cosigners_of(note, policy, verify_line))
    sealed = b"".join(line for line in note.splitlines(keepends=True) if b"witness.example" not in line)
    assert cosigners_of(sealed, policy, verify_line) == set()
    assert format_policy(make_policy(policy.logs, (), policy.witnesses)) == vector("policy").decode()


def test_a_majority_of_the_witnesses_is_the_quorum():
    witnesses = [Witness(f"w{n}", FakeWitness(n).key) for n in range(5)]
    for count in range(6):
        policy = make_policy([SEALER.key], [], witnesses[:count])
        keys = [one.key for one in witnesses[:count]]
        needed = count // 2 + 1 if count else 0
        assert policy.required == needed
        assert policy.satisfied_by(keys[:needed])
        assert not (needed and policy.satisfied_by(keys[: needed - 1]))
    assert Policy((SEALER.key,)).satisfied_by(())
