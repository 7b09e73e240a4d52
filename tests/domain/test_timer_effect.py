"""What a late excursion that still lasts does to the live state when its record is folded."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from gateway.domain.limits import SECOND_NS
from gateway.domain.timer_effect import WrittenEvent
from tests.domain.excursion_bench import SIGNAL, Bench, high, ns, s

LATE = WrittenEvent(
    index=10,
    signal=SIGNAL,
    condition=f"{SIGNAL}:high.action",
    event="late",
    t0_ns=ns(-300),
    decided=9,
    class_="process",
    level="action",
    rule="COLD@1",
    raised_ns=ns(-240),
    breach_ns=200 * SECOND_NS,
)


@pytest.mark.parametrize("order", [1, -1])
def test_al_05_a_late_excursion_that_lasts_is_found_among_other_conditions_and_returns_like_any_other(order):
    other = replace(high("20.0"), id=f"{SIGNAL}:high.alert", level="alert")
    bench = Bench(*[other, high()][::order])
    bench.read(0, 9.0)
    assert bench.evaluator.apply_written(LATE) == ()
    bench.play([(t, 5.0) for t in range(10, 80, 10)])
    (returned,) = bench.of("returned")
    assert (returned.condition, s(returned.t0_ns), s(returned.t1_ns)) == (LATE.condition, -300, 10)


def test_al_05_a_late_excursion_whose_rule_is_gone_ends_where_the_signal_stands():
    bench = Bench()
    bench.read(0, 9.0)
    (ended,) = bench.evaluator.apply_written(LATE)
    assert (ended.event, ended.condition, s(ended.t1_ns)) == ("returned", LATE.condition, 0)


def test_an_excursion_of_a_signal_that_is_gone_changes_nothing():
    bench = Bench(high())
    bench.evaluator.forget()
    bench.evaluator.adopt(LATE)
    assert bench.evaluator.apply_written(LATE) == ()


def test_al_05_a_late_excursion_ends_where_the_live_one_began_and_is_not_told_twice():
    bench = Bench(high()).play((t, 9.0) for t in range(0, 80, 10))
    (live,) = bench.of("raised")
    assert bench.evaluator.apply_written(replace(LATE, t0_ns=live.t0_ns)) == ()
    (ended,) = bench.evaluator.apply_written(LATE)
    assert (ended.event, s(ended.t0_ns), s(ended.t1_ns)) == ("returned", -300, s(live.t0_ns))
