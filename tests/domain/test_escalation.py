"""Escalation steps in their order, over a restart too."""

from __future__ import annotations

import pytest

from gateway.domain.escalation import MINUTE_NS, ROSTER, STEPS_MIN, next_step, steps_due


def test_al_05_steps_survive_a_restart_and_overdue_ones_fire_at_once():
    """Critical: raised at 0, process dead from minute 4 to 7."""
    log, told = [], 0
    for minute in (0, 1, 2, 3, 7, 8, 9, 10, 11):
        for step in steps_due("critical", 0, told, minute * MINUTE_NS):
            log.append((step, minute))
            told = step
    assert log == [(1, 2), (2, 7), (3, 10)]


def test_al_05_several_overdue_steps_keep_their_order():
    assert steps_due("action", 0, 0, 60 * MINUTE_NS) == (1, 2, 3)
    assert steps_due("alert", 0, 1, 119 * MINUTE_NS) == ()


@pytest.mark.parametrize("level", list(STEPS_MIN))
def test_al_05_next_step_until_nobody_is_left(level):
    steps = STEPS_MIN[level]
    assert [next_step(level, 0, told) for told in range(len(steps))] == [
        (n + 1, minutes * MINUTE_NS) for n, minutes in enumerate(steps)
    ]
    assert next_step(level, 0, len(steps)) is None
    assert len(steps) < len(ROSTER)
