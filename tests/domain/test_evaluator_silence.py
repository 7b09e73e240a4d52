"""The evaluator when nothing good arrives: unknown time, missing and bad data, timers and what overtakes them."""

from __future__ import annotations

from decimal import Decimal

from gateway.domain.data_conditions import signal_conditions
from gateway.domain.limits import SECOND_NS
from gateway.domain.signal_track import Instant
from tests.domain.excursion_bench import SIGNAL, Bench, high, ns, s

DATA = signal_conditions(SIGNAL, expected_ns=10 * SECOND_NS, stale_ns=20 * SECOND_NS)


def told(bench: Bench) -> list[tuple]:
    return [(e.condition.rpartition(":")[2], e.event, s(e.t0_ns)) for e in bench.events]


def test_al_11_silence_raises_no_data_and_never_in_range():
    bench = Bench(*DATA, stale_s=20)
    bench.read(0, 5.0)
    assert bench.silence(41) == (), "two seconds of grace for a reading that is on its way"
    assert [e.raised_ns for e in bench.silence(42)] == [ns(40)]
    assert bench.silence(60) == (), "proposed once"
    bench.silence(302)
    bench.play([(310, 5.0), (330, 5.0), (350, 5.0), (370, 5.0)])
    assert told(bench) == [
        ("no_data.alert", "raised", 20),
        ("no_data.action", "raised", 20),
        ("no_data.alert", "returned", 20),
        ("no_data.action", "returned", 20),
    ]
    assert [(s(e.t1_ns), s(e.cleared_ns), e.breach_ns) for e in bench.of("returned")] == [
        (310, 370, 290 * SECOND_NS)
    ] * 2


def test_al_11_no_data_does_not_end_while_data_is_missing_again():
    bench = Bench(*DATA[:1], stale_s=20)
    bench.read(0, 5.0)
    bench.silence(100)
    bench.read(110, 5.0)
    assert bench.silence(400) == ()
    bench.play((t, 5.0) for t in range(400, 480, 20))
    (returned,) = bench.of("returned")
    assert (s(returned.t0_ns), s(returned.t1_ns), returned.crossings) == (20, 400, 2)


def test_al_11_no_data_without_any_reading_counts_from_the_start_of_the_watch():
    bench = Bench(*DATA[:1], stale_s=20)
    assert [s(e.t0_ns) for e in bench.silence(60)] == [20]


def test_al_11_bad_quality_is_unknown_at_once_and_a_condition_of_its_own():
    bench = Bench(high(), *DATA, stale_s=20)
    bench.play([(0, 9.0), (10, 9.0), (20, 9.9)], quality="good")
    bench.play([(t, 99.0) for t in range(30, 400, 10)], quality="bad")
    (raised,) = [e for e in bench.of("raised") if e.class_ == "process"]
    assert (s(raised.t0_ns), s(raised.raised_ns), raised.breach_ns, raised.unknown_ns, raised.extreme) == (
        0,
        60,
        30 * SECOND_NS,
        30 * SECOND_NS,
        9.9,
    )
    assert raised.doubts == ("bad_quality",)
    assert [(e.condition, s(e.raised_ns)) for e in bench.of("raised") if e.class_ == "data"] == [
        (f"{SIGNAL}:bad_quality.alert", 50),
        (f"{SIGNAL}:bad_quality.action", 330),
    ]


def test_al_11_a_gap_is_unknown_at_once():
    bench = Bench(high())
    bench.play([(0, 9.0), (10, 9.0)])
    assert bench.evaluator.apply_gap((SIGNAL, "not/watched"), Instant(99, ns(20), ns(20))) == ()
    bench.read(100, 9.0)
    (raised,) = bench.of("raised")
    assert (raised.breach_ns, raised.unknown_ns, raised.doubts) == (20 * SECOND_NS, 40 * SECOND_NS, ("gap",))


def test_al_02_off_delay_waits_for_the_next_value():
    bench = Bench(high(on=0), stale_s=20)
    bench.play([(0, 9.0), (10, 5.0)])
    assert bench.silence(1000) == ()
    bench.read(100, 5.0)
    (returned,) = bench.of("returned")
    assert (s(returned.t1_ns), s(returned.cleared_ns), returned.unknown_ns) == (10, 100, 0)


def test_al_02_unknown_time_after_the_return_counts_if_the_limit_breaks_again():
    bench = Bench(high(on=0), stale_s=20)
    bench.play([(0, 9.0), (10, 5.0), (100, 9.0), (110, 5.0), (130, 5.0), (150, 5.0)])
    (returned,) = bench.of("returned")
    assert (returned.unknown_ns, returned.crossings, s(returned.t1_ns)) == (70 * SECOND_NS, 2, 110)


def test_al_02_timer_raises_and_clears_with_its_own_records():
    bench = Bench(high())
    bench.read(0, 9.0)
    (raised,) = bench.silence(62)
    assert (raised.event, raised.cause, s(raised.raised_ns), raised.breach_ns) == (
        "raised",
        "timer",
        60,
        60 * SECOND_NS,
    )
    bench.read(100, 5.0)
    (returned,) = bench.silence(132)
    assert (s(returned.t1_ns), s(returned.cleared_ns)) == (100, 130)
    assert bench.evaluator.track(SIGNAL).quiet
    assert bench.evaluator.outstanding() == ()


def test_us_05_reading_that_confirms_a_proposed_timer_writes_nothing_twice():
    bench = Bench(high())
    bench.read(0, 9.0)
    (proposed,) = bench.evaluator.due(ns(62), ns(62))
    assert bench.read(70, 9.0) == ()
    assert [e.key for e in bench.evaluator.outstanding()] == [proposed.key]
    bench.write(proposed)
    assert bench.evaluator.outstanding() == ()
    assert bench.events == []


def test_al_02_reading_on_its_way_overtakes_a_timer_and_people_are_told():
    bench = Bench(high())
    bench.read(0, 9.0)
    (proposed,) = bench.evaluator.due(ns(62), ns(62))
    bench.read(50, 5.0)
    bench.write(proposed)
    assert [(e.event, e.supported, s(e.t1_ns)) for e in bench.events[1:]] == [
        ("returned", None, 50),
        ("revised", False, 50),
    ]


def test_al_02_break_on_its_way_overtakes_a_clearing_timer_and_is_the_next_onset():
    bench = Bench(high(on=0))
    bench.play([(0, 9.0), (10, 5.0)])
    (proposed,) = bench.evaluator.due(ns(60), ns(60))
    bench.read(35, 9.5)
    bench.write(proposed)
    assert (s(bench.state().t0_ns), bench.state().extreme) == (35, 9.5)
    bench.write(proposed)
    assert s(bench.state().t0_ns) == 35, "a record of an excursion that is over changes nothing"
    again = Bench(high(on=0))
    again.play([(0, 9.0), (10, 5.0)])
    (proposed,) = again.evaluator.due(ns(60), ns(60))
    again.read(35, Decimal("9.5"))
    again.write(proposed)
    assert again.state().extreme == Decimal("9.5")
