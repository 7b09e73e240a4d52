"""The demo's plant without any network: the chamber's warmth keeps the story's times, whatever the step."""

from __future__ import annotations

import pytest

from gateway.cli.demo_story.pace import PERIOD_S_MIN, Pace
from gateway.cli.demo_story.thermal import NOISE_C, SET_POINT_C, Chamber

OPENED_S, CLOSED_S = 20.0, 100.0


def story(step_s: float) -> list[tuple[float, float]]:
    """(demo second, temperature) of the whole story, the door open from 20 s to 100 s."""
    chamber, line = Chamber(1), []
    for number in range(1, int(140 / step_s) + 1):
        at = number * step_s
        chamber.door_open = OPENED_S < at <= CLOSED_S
        chamber.step(step_s)
        line.append((at, chamber.temperature_c))
    return line


def first_above(line: list[tuple[float, float]], limit: float) -> float:
    return next(at for at, value in line if value > limit)


@pytest.mark.parametrize("step_s", [0.1, 0.5, 1.0])
def test_limits_are_passed_at_the_times_of_the_story(step_s):
    line = story(step_s)
    assert first_above(line, -20.0) == pytest.approx(35, abs=1)
    assert first_above(line, -15.0) == pytest.approx(50, abs=1)


def test_peak_and_return_are_those_of_the_story():
    line = story(0.1)
    assert max(value for _, value in line) == pytest.approx(-9.3, abs=0.1)
    back = [at for at, value in line if at > CLOSED_S and value <= -20.5]
    assert back[0] < 120, "both excursions have returned before the batch ends at 2:00"


def test_a_closed_door_keeps_the_set_point_and_noise_stays_small():
    chamber = Chamber(7)
    for _ in range(100):
        chamber.step(0.1)
        assert abs(chamber.read() - SET_POINT_C) <= NOISE_C + 0.005


def test_the_same_seed_reads_the_same():
    first, second, other = Chamber(3), Chamber(3), Chamber(4)
    values = [[c.read() for _ in range(20)] for c in (first, second, other)]
    assert values[0] == values[1]
    assert values[0] != values[2]


@pytest.mark.parametrize(("speed", "period_s"), [(1, 0.1), (2, 0.05), (20, PERIOD_S_MIN)])
def test_speed_divides_the_step_down_to_a_bound(speed, period_s):
    assert Pace(speed).period_s == pytest.approx(period_s)
    assert Pace(speed).real_s(10) == pytest.approx(10 / speed)
