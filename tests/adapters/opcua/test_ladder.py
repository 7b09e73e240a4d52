"""Ladder, sequence numbers, verdicts: tables, total over what can happen."""

from __future__ import annotations

import pytest
from asyncua import ua
from asyncua.ua import uaerrors
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.opcua import ladder
from gateway.adapters.opcua.errors import REMEDIES, VERDICTS, Trouble, Verdict, judge, judge_status, status_name
from gateway.adapters.opcua.ladder import Memory, Next, Server, Step
from gateway.adapters.opcua.sequence import LAST, REPUBLISH_MAX, Place, following, missing, place


def test_di_19_the_table_is_total() -> None:
    assert set(ladder.TABLE) == {(step, verdict) for step in Step for verdict in (None, *Verdict)}
    assert all(ladder.TABLE[step, None] is Next.PUMP for step in Step)


@pytest.mark.parametrize(
    ("step", "verdict", "follows"),
    [
        (Step.REACTIVATE, Verdict.SESSION, Next.TRANSFER),
        (Step.REACTIVATE, Verdict.LINK, Next.AGAIN),
        (Step.REACTIVATE, Verdict.SECURITY, Next.AGAIN),
        (Step.TRANSFER, Verdict.UNSUPPORTED, Next.SUBSCRIBE),
        (Step.TRANSFER, Verdict.IDENTITY, Next.SUBSCRIBE),
        (Step.TRANSFER, Verdict.LINK, Next.AGAIN),
        (Step.SUBSCRIBE, Verdict.BUSY, Next.AGAIN),
    ],
)
def test_di_19_what_follows_a_rung(step: Step, verdict: Verdict, follows: Next) -> None:
    assert ladder.following(step, verdict) is follows


@pytest.mark.parametrize(
    ("memory", "server", "rung", "cause"),
    [
        (Memory(session=True, subscriptions=True), Server(namespaces_same=True, start_same=True), Step.REACTIVATE, ""),
        (Memory(session=False, subscriptions=True), Server(namespaces_same=True, start_same=True), Step.TRANSFER, ""),
        (
            Memory(session=True, subscriptions=True),
            Server(namespaces_same=False, start_same=True),
            Step.SUBSCRIBE,
            "subscription_lost",
        ),
        (
            Memory(session=True, subscriptions=True),
            Server(namespaces_same=True, start_same=False),
            Step.SUBSCRIBE,
            "server_restart",
        ),
        (
            Memory(session=True, subscriptions=False),
            Server(namespaces_same=True, start_same=True),
            Step.SUBSCRIBE,
            "subscription_lost",
        ),
    ],
)
def test_di_19_the_rung_for_the_subscriptions(memory: Memory, server: Server, rung: Step, cause: str) -> None:
    found = ladder.after_session(ladder.first_step(memory), memory, server)
    assert found[0] is rung
    if cause:
        assert found[1] == cause


def test_di_19_waits_double_to_30_s_within_20_percent() -> None:
    middle = [ladder.delay_s(n, Verdict.LINK, 0.5) for n in range(8)]
    assert middle == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert ladder.delay_s(0, Verdict.LINK, 0.0) == pytest.approx(0.4)
    assert ladder.delay_s(99, Verdict.LINK, 0.999) < 36
    assert ladder.delay_s(0, Verdict.IDENTITY, 0.9) == 60
    assert ladder.delay_s(0, Verdict.BUSY, 0.5) == 30


def test_di_02_trap_no_sequence_check_wraps_to_one() -> None:
    assert following(LAST) == 1
    assert following(5) == 6
    assert place(1, LAST) is Place.BEHIND
    assert place(LAST, 1) is Place.AHEAD
    assert missing(LAST - 1, 2) == (None, [LAST - 1, LAST, 1])


@given(st.integers(1, LAST), st.integers(1, 3 * REPUBLISH_MAX))
def test_di_02_each_missing_number_is_asked_for_or_given_up_once(expected: int, distance: int) -> None:
    number = following(expected, distance)
    given_up, asked = missing(expected, number)
    assert place(expected, number) is Place.AHEAD
    assert place(number, expected) is Place.BEHIND
    assert len(asked) == min(distance, REPUBLISH_MAX)
    assert following(asked[-1]) == number
    if given_up is not None:
        assert given_up[0] == expected
        assert following(given_up[1]) == asked[0]


def test_each_foreign_error_has_a_verdict() -> None:
    """`libraries.md` 1, rule 3: every class the library can raise is mapped."""
    classes = [kind for kind in vars(uaerrors).values() if isinstance(kind, type) and issubclass(kind, ua.UaError)]
    assert len(classes) > 200
    for kind in classes:
        if kind is ua.UaStatusCodeError:
            error: Exception = kind(0x80000000)
        elif kind is uaerrors.UaStatusCodeErrors:
            error = kind([0x80000000])
        else:
            error = kind()
        trouble = judge(error)
        assert trouble is not None
        assert trouble.verdict in Verdict
    for error in (OSError("x"), ConnectionResetError(), TimeoutError(), EOFError()):
        found = judge(error)
        assert found is not None
        assert found.verdict is Verdict.LINK
    assert judge(KeyError("ours")) is None
    assert set(REMEDIES) == set(Verdict)


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("BadSessionIdInvalid", Verdict.SESSION),
        ("BadNoSubscription", Verdict.SUBSCRIPTION),
        ("BadSubscriptionIdInvalid", Verdict.SUBSCRIPTION),
        ("BadMessageNotAvailable", Verdict.MESSAGE),
        ("BadTooManySessions", Verdict.BUSY),
        ("BadTooManyOperations", Verdict.TOO_LARGE),
        ("BadCertificateUntrusted", Verdict.SECURITY),
        ("BadIdentityTokenRejected", Verdict.IDENTITY),
        ("BadHistoryOperationUnsupported", Verdict.UNSUPPORTED),
        ("BadNodeIdUnknown", Verdict.NODE),
        ("BadUnexpectedError", Verdict.LINK),
    ],
)
def test_verdicts_of_the_codes_that_matter(name: str, verdict: Verdict) -> None:
    code = getattr(ua.StatusCodes, name)
    assert judge_status(code) is verdict
    assert judge_status(code | 0x480) is verdict
    assert status_name(code) == name
    trouble = judge(ua.UaStatusCodeError(code))
    assert isinstance(trouble, Trouble)
    assert trouble.status == code
    assert trouble.remedy
    assert VERDICTS
