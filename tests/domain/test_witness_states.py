"""What a witness's answer means: the table is total, a conversation ends, doubt halts and contradiction does not."""

from __future__ import annotations

import itertools

import pytest

from gateway.domain.witness_states import (
    NEXT_STEP,
    TABLE,
    WitnessAct,
    WitnessAnswer,
    WitnessStep,
    judge,
    read_answer,
)

A, E, S = WitnessAct, WitnessAnswer, WitnessStep


def test_the_table_is_total():
    assert {(step, answer) for step, row in TABLE.items() for answer in row} == set(itertools.product(S, E))
    assert set(NEXT_STEP) == set(S)


def test_a_conversation_ends_after_two_more_proofs():
    step, proofs = S.ASKED, 0
    while TABLE[step][E.OTHER_SIZE] is A.PROVE:
        step, proofs = NEXT_STEP[step], proofs + 1
    assert (proofs, TABLE[step][E.OTHER_SIZE]) == (2, A.NOTICE)


@pytest.mark.parametrize("step", S)
@pytest.mark.req("AC-03")
def test_a_larger_size_halts_at_every_step_and_silence_never(step):
    assert TABLE[step][E.LARGER] is A.HALT
    assert TABLE[step][E.SILENT] is A.LATER
    assert TABLE[step][E.COSIGNED] is A.KEEP
    assert TABLE[step][E.DISAGREES] is TABLE[step][E.SAME_SIZE] is A.JUDGE
    assert TABLE[step][E.REFUSED] is TABLE[step][E.UNSIGNED] is TABLE[step][E.NO_SIZE] is A.NOTICE


@pytest.mark.parametrize(
    ("status", "cosigned", "named", "answer"),
    [
        (None, False, None, E.SILENT),
        (200, True, None, E.COSIGNED),
        (200, False, None, E.UNSIGNED),
        (409, False, 11, E.LARGER),
        (409, False, 10, E.OTHER_SIZE),
        (409, False, 0, E.OTHER_SIZE),
        (409, False, 4, E.SAME_SIZE),
        (409, False, None, E.NO_SIZE),
        (422, False, None, E.DISAGREES),
        (400, False, None, E.REFUSED),
        (403, False, None, E.REFUSED),
        (404, False, None, E.REFUSED),
        (500, False, 11, E.REFUSED),
        (503, True, None, E.REFUSED),
    ],
)
def test_every_answer_is_read(status, cosigned, named, answer):
    assert read_answer(status, cosigned=cosigned, named_size=named, our_size=10, old=4) is answer


@pytest.mark.req("AC-03")
def test_only_the_witness_s_own_cosignature_over_our_tree_there_saves_from_a_halt():
    ours, other = b"o" * 32, b"x" * 32
    assert judge(4, ours, (4, ours)) is A.NOTICE, "it contradicts itself"
    assert judge(4, ours, (4, other)) is A.HALT, "it saw another tree than ours"
    assert judge(4, ours, (3, ours)) is A.HALT, "we cannot show what it saw at that size"
    assert judge(4, ours, None) is A.HALT
    assert judge(0, ours, None) is A.NOTICE, "nobody can disagree about the empty tree"
