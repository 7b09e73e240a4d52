"""Waits of a delivery up to its exhaustion; JSON pointers."""

from __future__ import annotations

import pytest

from gateway.pipeline.outbox_wait import EXHAUSTED_NS, next_wait_ns, resolve_pointer

S = 1_000_000_000


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
    ("pointer", "value"),
    [
        ("/record_id", "QE-1"), ("/a/b~1c/1", 7), ("/a/m~0n", None), ("/nothing", None), ("/record_id/x", None),
        ("/a/b~1c/9", None), ("/a/b~1c/x", None), ("", {"record_id": "QE-1", "a": {"b/c": [5, 7]}}),
    ],
)  # fmt: skip
def test_pointers_name_a_value_or_nothing(pointer: str, value: object) -> None:
    assert resolve_pointer({"record_id": "QE-1", "a": {"b/c": [5, 7]}}, pointer) == value
