from __future__ import annotations

import random

import pytest

from gateway.domain.source_clock import HOUR_NS, SKEWS, ClockClass, SourceClock, looks_like_zone

SECOND = 1_000_000_000
NOW = 1_795_332_300 * SECOND
MAX = 5 * SECOND


def _run(skews_s, step_s=10, **keys):
    clock = SourceClock(MAX)
    found = []
    for index, skew in enumerate(skews_s):
        received = NOW + index * step_s * SECOND
        found.append(clock.observe(received + round(skew * SECOND), received, index, **keys))
    return found


@pytest.mark.parametrize(
    ("skew_s", "expected"),
    [
        (0, "trusted"),
        (-0.3, "trusted"),
        (5, "trusted"),
        (-5, "trusted"),
        (5.001, "future"),
        (60, "future"),
        (-60, "drifting"),
        (-300, "drifting"),
        (3600, "offset"),
        (7200, "offset"),
        (-7199, "offset"),
        (20700, "offset"),
        (-900, "offset"),
        (86_400 * 365, "future"),
        (-86_400 * 365, "drifting"),
    ],
)
def test_di_07_class_by_skew(skew_s, expected):
    last = _run([skew_s] * SKEWS)[-1]
    assert last.clock_class == expected
    assert last.basis == ("source" if expected == "trusted" else "received")


def test_di_07_source_time_counts_only_while_trusted():
    (trusted,) = _run([-0.25])
    assert (trusted.basis, trusted.effective_ns) == ("source", NOW - SECOND // 4)
    (late,) = _run([-60])
    assert (late.basis, late.effective_ns) == ("received", NOW)


@pytest.mark.parametrize("source_ns", [None, 0, -11_644_473_600 * SECOND, 946_684_800 * SECOND])
def test_di_07_unset_clock(source_ns):
    found = SourceClock(MAX).observe(source_ns, NOW, 1)
    assert (found.clock_class, found.basis, found.effective_ns) == (ClockClass.UNSET, "received", NOW)


def test_di_07_one_stamp_far_ahead_does_not_move_effective_time():
    found = _run([0] * 10 + [86_400 * 300] + [0])
    assert [one.clock_class for one in found[-3:]] == ["trusted", "future", "trusted"]
    assert found[-2].basis == "received"


def test_di_07_the_median_forgives_a_late_packet():
    found = _run([0] * 20 + [-30] * 5 + [0])
    assert {one.clock_class for one in found} == {ClockClass.TRUSTED}


def test_di_07_the_median_is_of_the_last_31():
    clock = SourceClock(MAX)
    rng = random.Random(7)
    seen = []
    for index in range(200):
        skew = rng.randint(-(10**9), 10**9)
        seen.append(skew)
        clock.observe(NOW + index * SECOND + skew, NOW + index * SECOND, index)
        window = sorted(seen[-SKEWS:])
        assert clock.skew_ns == window[len(window) // 2]


def test_di_07_frozen_same_stamp_moving_value():
    clock = SourceClock(MAX)
    stamp = NOW
    found = [clock.observe(stamp, NOW + k * SECOND, 20.0 + k) for k in range(10)]
    assert found[3].clock_class == "trusted"
    assert found[9].clock_class == "frozen"
    assert clock.observe(NOW + 10 * SECOND, NOW + 10 * SECOND, 1).clock_class == "trusted"


def test_di_07_equal_stamps_with_an_equal_value_are_legal():
    clock = SourceClock(MAX)
    found = [clock.observe(NOW, NOW + k * SECOND, 20.0) for k in range(6)]
    assert {one.clock_class for one in found} == {ClockClass.TRUSTED}


def test_di_07_a_stamp_going_back_is_kept_and_flagged():
    clock = SourceClock(MAX)
    clock.observe(NOW, NOW, 1)
    found = clock.observe(NOW - SECOND, NOW + SECOND, 2)
    assert (found.flags, found.effective_ns) == (("source_step_back",), NOW - SECOND)


def test_di_07_initial_and_historical_stay_out_of_the_median():
    clock = SourceClock(MAX)
    first = clock.observe(NOW - HOUR_NS * 5, NOW, 1, initial=True)
    assert (first.basis, first.effective_ns) == ("received", NOW)
    old = clock.observe(NOW - HOUR_NS * 5, NOW, 1, historical=True)
    assert (old.basis, old.effective_ns, old.flags) == ("source", NOW - HOUR_NS * 5, ())
    assert clock.skew_ns is None


def test_di_07_history_of_an_untrusted_clock_takes_received_time():
    clock = SourceClock(MAX)
    for k in range(SKEWS):
        clock.observe(NOW + k * SECOND - 7200 * SECOND, NOW + k * SECOND, k)
    assert clock.observe(NOW - 9000 * SECOND, NOW, 1, historical=True).basis == "received"


def test_di_07_drift_above_200_ppm_within_an_hour():
    fast = _run([k * 10 * 300e-6 for k in range(400)])
    assert fast[-1].clock_class == "drifting"
    slow = _run([k * 10 * 100e-6 for k in range(400)])
    assert slow[-1].clock_class == "trusted"


def test_quarter_hours_and_nothing_else_look_like_a_zone():
    assert looks_like_zone(-3600 * SECOND, MAX)
    assert looks_like_zone(14 * 3600 * SECOND, MAX)
    assert not looks_like_zone(15 * 3600 * SECOND, MAX)
    assert not looks_like_zone(3000 * SECOND, MAX)
    assert not looks_like_zone(SECOND, MAX)
    assert not looks_like_zone(1000 * SECOND, HOUR_NS)
