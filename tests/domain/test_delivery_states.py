"""The delivery table against the page, delays against its published figures, pointers."""

from __future__ import annotations

import pytest

from gateway.domain.delivery_states import (
    DELIVERY_TABLE,
    EXHAUSTED_NS,
    DeliveryAct,
    DeliveryEvent,
    DeliveryState,
    attempt_delay_ns,
    judge_status,
    next_wait_ns,
    resolve_pointer,
    step_delivery,
)

S = 1_000_000_000
PAGE = """
prepared    transported confirmed transported waiting     dead        held        dead        confirmed
waiting     transported confirmed transported waiting     dead        held        dead        confirmed
held        transported confirmed transported held        held        held        held        confirmed
dead        transported confirmed transported dead        dead        held        dead        confirmed
transported transported confirmed transported transported transported transported transported confirmed
confirmed   confirmed   confirmed confirmed   confirmed   confirmed   confirmed   confirmed   confirmed
"""
REPLAY = {
    "prepared": DeliveryAct.ATTEMPT,
    "waiting": DeliveryAct.ATTEMPT,
    "held": DeliveryAct.HOOK_08,
    "dead": DeliveryAct.ATTEMPT,
    "transported": DeliveryAct.ATTEMPT,
    "confirmed": DeliveryAct.HOOK_06,
}


def test_us_07_table_is_the_page_and_total() -> None:
    rows = {line.split()[0]: line.split()[1:] for line in PAGE.split("\n") if line}
    answers = [event for event in DeliveryEvent if event is not DeliveryEvent.REPLAY]
    assert set(DELIVERY_TABLE) == set(DeliveryState)
    for state in DeliveryState:
        assert set(DELIVERY_TABLE[state]) == set(DeliveryEvent)
        assert [step_delivery(state, event).state for event in answers] == rows[state]
        replay = step_delivery(state, DeliveryEvent.REPLAY)
        assert (replay.state, replay.act) == (state, REPLAY[state])


def test_qm_03_delays_are_those_published() -> None:
    event = "gw-01:dev:000042:1"
    assert attempt_delay_ns(event, 1) == 0
    assert attempt_delay_ns(event, 2) / (5 * S) == pytest.approx(0.95502, abs=5e-6)
    assert attempt_delay_ns(event, 3) / (30 * S) == pytest.approx(1.02991, abs=5e-6)
    nominal = [0, 5, 30, 120, 300, 900, 1800, *[3600] * 74]
    assert sum(nominal) == 74 * 3600 + 52 * 60 + 35
    for attempt, base in enumerate(nominal, 1):
        assert 0.9 * base * S <= attempt_delay_ns(event, attempt) <= 1.1 * base * S


def test_qm_03_about_81_attempts_and_never_past_75_hours() -> None:
    waited, attempts = 0, 0
    while waited < EXHAUSTED_NS:
        attempts += 1
        waited += next_wait_ns("gw-01:dev:000042:1", attempts, waited, None)
    assert waited == EXHAUSTED_NS
    assert 79 <= attempts <= 83


def test_qm_02_retry_after_only_lengthens_and_at_most_to_an_hour() -> None:
    wait = next_wait_ns("x", 1, 0, None)
    assert next_wait_ns("x", 1, 0, 1.0) == wait
    assert next_wait_ns("x", 1, 0, 60.0) == 60 * S
    assert next_wait_ns("x", 1, 0, 1e9) == 3600 * S


@pytest.mark.parametrize(
    ("status", "event"),
    [
        (None, "retry"), (408, "retry"), (425, "retry"), (429, "retry"), (500, "retry"), (503, "retry"), (599, "retry"),
        (200, "accepted"), (202, "accepted"), (301, "refused"), (400, "refused"), (401, "refused"), (422, "refused"),
        (409, "conflict"), (410, "gone"), (100, "refused"),
    ],
)  # fmt: skip
def test_answers_are_judged_by_status_alone(status: int | None, event: str) -> None:
    assert judge_status(status, None) == event
    assert judge_status(202, "QE-1") == "confirmed"


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("/record_id", "QE-1"), ("/a/b~1c/1", 7), ("/a/m~0n", None), ("/nothing", None), ("/record_id/x", None),
        ("/a/b~1c/9", None), ("/a/b~1c/x", None), ("", {"record_id": "QE-1", "a": {"b/c": [5, 7]}}),
    ],
)  # fmt: skip
def test_pointers_name_a_value_or_nothing(pointer: str, value: object) -> None:
    assert resolve_pointer({"record_id": "QE-1", "a": {"b/c": [5, 7]}}, pointer) == value
