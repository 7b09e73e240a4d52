"""The evaluator beyond the vectors: times, doubts, decimals, rule changes, conditions of a source."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from gateway.domain.data_conditions import signal_conditions, source_conditions
from gateway.domain.evaluator import Evaluator
from gateway.domain.limits import SECOND_NS, Condition
from gateway.domain.reading_view import ReadingView
from gateway.domain.signal_track import NEVER_NS, Instant, SignalWatch
from tests.domain.excursion_bench import SIGNAL, Bench, high, ns, s, written

DATA = signal_conditions(SIGNAL, expected_ns=10 * SECOND_NS, stale_ns=20 * SECOND_NS)


def test_al_02_timer_over_a_boot_counts_by_the_wall_clock():
    bench = Bench(high())
    bench.read(0, 9.0)
    bench.evaluator.apply_boot(50)
    assert [s(e.raised_ns) for e in bench.evaluator.due(5, ns(62))] == [60]


def test_al_02_received_time_over_a_boot_is_measured_on_the_wall_clock_and_doubted():
    bench = Bench(high())
    bench.read(0, 9.0, basis="received", boot=0)
    bench.evaluator.apply_boot(50)
    bench.read(60, 9.0, basis="received", boot=-999_000)
    (raised,) = bench.of("raised")
    assert (s(raised.raised_ns), raised.doubts) == (60, ("clock",))


def test_al_02_basis_change_in_mid_excursion_is_monotonic_and_doubted():
    bench = Bench(high())
    bench.read(0, 9.0, basis="received", boot=0)
    bench.read(-20, 9.0, basis="source", boot=30)
    bench.read(10, 9.0, basis="source", boot=60)
    (raised,) = bench.of("raised")
    assert (raised.breach_ns, raised.doubts) == (60 * SECOND_NS, ("time_basis",))


def test_al_02_rule_change_on_received_time_is_placed_by_the_monotonic_clock():
    bench = Bench(high("12"))
    bench.read(0, 9.0, basis="received", boot=0)
    bench.rules(100, high("8"))
    assert s(bench.state().t0_ns) == 100


def test_di_12_equal_times_count_both_and_hold_nothing():
    bench = Bench(high(on=0))
    bench.play([(0, 9.0), (10, 12.0), (10, 9.0), (20, 5.0), (60, 5.0)])
    (returned,) = bench.of("returned")
    assert (returned.extreme, returned.breach_ns, returned.degree_minutes) == (12.0, 20 * SECOND_NS, round(20 / 60, 4))


def test_di_12_late_readings_wait_for_the_job_and_change_nothing_live():
    bench = Bench(high())
    bench.play([(0, 5.0), (100, 5.0)])
    before = bench.evaluator.track(SIGNAL).canonical().states
    bench.play([(50, 9.0), (40, 9.0)], provenance="historical")
    track = bench.evaluator.track(SIGNAL)
    assert (s(track.late.first_ns), s(track.late.last_ns), track.late.count) == (40, 50, 2)
    assert track.canonical().states == before
    bench.evaluator.settle_late(SIGNAL, track.late.last - 1)
    assert track.late is not None
    bench.evaluator.settle_late(SIGNAL, track.late.last)
    assert track.late is None
    bench.evaluator.settle_late("not/watched", 9)


def test_di_03_retained_is_not_a_reading():
    bench = Bench(high(on=0))
    bench.read(0, 5.0)
    assert bench.read(10, 9.0, provenance="retained") == ()
    assert s(bench.evaluator.track(SIGNAL).last.te_ns) == 0


def test_al_02_doubts_of_the_readings_are_named():
    bench = Bench(high(on=0))
    bench.read(0, 9.0, doubts=("calibration",))
    bench.read(10, 5.0, doubts=("quality_uncertain",))
    bench.read(60, 5.0)
    assert bench.of("raised")[0].doubts == ("calibration",)
    assert bench.of("returned")[0].doubts == ("calibration", "quality_uncertain")


@pytest.mark.parametrize(
    ("limit", "value", "breaks"),
    [
        ("8.0", 8.04, True),
        ("8.0", 8, False),
        ("8.1", 8.1, False),
        ("8.1", Decimal("8.1"), False),
        ("8.1", Decimal("8.1000000000000000001"), True),
        ("8", 9007199254740993, True),
        ("9007199254740993.5", 9007199254740993, False),
        ("0.1234567890123456789", 0.12345678901234568, True),
        ("0.1234567890123456789", 0.12345678901234567, False),
        ("1e400", 1e308, False),
    ],
)
def test_di_12_limits_compare_unrounded_decimals(limit, value, breaks):
    bench = Bench(high(limit, hysteresis="0", on=0))
    bench.play([(0, 0.0), (5, 0.0), (10, value)])
    assert bool(bench.of("raised")) is breaks


def test_al_18_limit_change_acts_forward_and_says_so():
    bench = Bench(high("8", on=0))
    bench.play([(0, 9.0), (10, 9.0)])
    stricter = Condition(
        **{f: getattr(high("12", on=0), f) for f in Condition.__struct_fields__ if f != "rule"}, rule="COLD@2"
    )
    bench.rules(20, stricter)
    bench.read(60, 9.0)
    assert [e.event for e in bench.events] == ["raised", "rule_changed", "returned"]
    (returned,) = bench.of("returned")
    assert (s(returned.t0_ns), s(returned.t1_ns), returned.ended_by, returned.rule) == (0, 20, "limit_change", "COLD@2")


def test_al_18_condition_that_is_gone_ends_at_once():
    bench = Bench(high("8", on=0))
    bench.read(0, 9.0)
    bench.rules(20)
    (returned,) = bench.of("returned")
    assert (s(returned.t1_ns), s(returned.cleared_ns), returned.ended_by) == (20, 20, "limit_change")

    back = Bench(high("8", on=0))
    back.play([(0, 9.0), (10, 5.0)])
    back.rules(20)
    assert [(s(e.t1_ns), e.ended_by) for e in back.of("returned")] == [(10, None)]

    pending = Bench(high("8"), *DATA, stale_s=20)
    pending.play([(0, 9.0), (30, 9.0)])
    pending.rules(40)
    assert [(e.event, s(e.t1_ns)) for e in pending.events] == [("short_breach", 40)]


def test_al_18_pending_keeps_its_onset_and_a_shorter_delay_speaks_now():
    bench = Bench(high(on=600))
    bench.play([(0, 9.0), (100, 9.0)])
    bench.rules(200, high(on=60))
    bench.rules(200, high(on=60))
    (raised,) = bench.of("raised")
    assert (s(raised.t0_ns), s(raised.raised_ns), raised.breach_ns) == (0, 200, 200 * SECOND_NS)


def test_al_18_unknown_value_is_not_compared_at_a_change():
    bench = Bench(high("12"), *DATA[2:], stale_s=20)
    bench.play([(0, 9.0)])
    bench.rules(50, high("8", on=0), *DATA)
    assert bench.events == []
    bench.rules(60, high("7", on=0), *signal_conditions(SIGNAL, expected_ns=SECOND_NS, stale_ns=2 * SECOND_NS))
    assert [(e.condition, s(e.t0_ns), s(e.raised_ns)) for e in bench.of("raised")] == [
        (f"{SIGNAL}:no_data.alert", 20, 50)
    ]


def test_al_10_comm_lost_is_the_same_machine():
    evaluator = Evaluator()
    name = "line1:comm_lost"
    conditions = source_conditions("line1")
    evaluator.apply_rules(SignalWatch(signal=name, stale_ns=NEVER_NS, conditions=conditions), Instant(0, ns(0), ns(0)))

    def link(index, at, lost):
        return evaluator.apply_reading(
            ReadingView(
                index=index,
                signal=name,
                te_ns=ns(at),
                value=lost,
                quality="good",
                basis="received",
                monotonic_ns=ns(at),
                received_ns=ns(at),
            ),
        )

    link(1, 0, lost=False)
    link(2, 5, lost=True)
    (alert,) = evaluator.due(ns(20), ns(20))
    assert (alert.condition, alert.class_, s(alert.raised_ns)) == ("line1:comm_lost.alert", "data", 15)
    evaluator.apply_written(written(alert, 3))
    link(4, 60, lost=None)
    link(5, 100, lost=False)
    (returned,) = evaluator.due(ns(170), ns(170))
    assert (returned.event, s(returned.t1_ns), returned.breach_ns) == ("returned", 100, 95 * SECOND_NS)
    assert evaluator.signals() == (name,)


def test_al_03_waiting_short_breaches_are_told_after_a_minute_of_calm():
    bench = Bench(high())
    bench.play([(0, 9.0), (10, 5.0), (20, 9.0), (30, 5.0), (40, 9.5), (50, 5.0), (60, 5.0), (70, 5.0), (80, 5.0)])
    assert [(e.count, s(e.t0_ns), s(e.t1_ns), e.extreme, e.decided) for e in bench.of("short_breach")] == [
        (1, 0, 10, 9.0, 3),
        (2, 20, 50, 9.5, 9),
    ]


def test_al_02_crossings_are_told_once_a_minute_with_their_count():
    bench = Bench(high(on=0, off=300))
    bench.play([(t, 9.0 if t % 20 == 0 else 5.0) for t in range(0, 101, 10)])
    assert [(s(bench.evaluator.track(SIGNAL).last.te_ns), e.crossings) for e in bench.of("crossing")] == [
        (100, 2),
        (100, 5),
    ]


def test_al_01_unwatched_signal_and_foreign_records_change_nothing():
    bench = Bench(high())
    before = bench.evaluator.state().tracks
    bench.read(5, 9.0)
    event = bench.evaluator.due(ns(90), ns(90))[0]
    stranger = replace(written(event, 7), signal="not/watched")
    assert bench.evaluator.apply_written(stranger) == ()
    assert bench.evaluator.apply_written(replace(written(event, 7), condition="gone", event="returned")) == ()
    assert bench.evaluator.apply_reading(ReadingView(8, "not/watched", 0, 1.0, "good", "source", 0, 0)) == ()
    assert before[SIGNAL].states == {}


def test_us_05_a_state_signal_with_text_is_known_while_fresh():
    bench = Bench(*DATA, stale_s=20)
    bench.play((t, None) for t in range(0, 200, 10))
    assert bench.events == []
    assert bench.evaluator.track(SIGNAL).quiet


def test_al_02_the_next_due_time_is_known():
    bench = Bench(high(), *DATA[:1], stale_s=20)
    bench.read(0, 9.0)
    track = bench.evaluator.track(SIGNAL)
    assert track.next_due_d() == track.last_d + 40 * SECOND_NS
    bench.silence(50)
    assert track.next_due_d() == track.last_d + 60 * SECOND_NS
    bench.silence(70)
    assert track.next_due_d() is None


def test_al_18_a_new_condition_meets_an_unknown_value():
    bench = Bench(stale_s=20)
    bench.rules(10, high("8", on=0))
    assert bench.state().quiet


def test_al_11_interval_of_missing_data_never_ends_before_it_began():
    bench = Bench(*DATA[:1], stale_s=20)
    bench.read(0, 5.0)
    bench.silence(60)
    bench.play([(15, 5.0), (35, 5.0), (55, 5.0), (75, 5.0), (95, 5.0)])
    (returned,) = bench.of("returned")
    assert (s(returned.t0_ns), s(returned.t1_ns), returned.breach_ns) == (20, 20, 0)


@pytest.mark.parametrize(
    ("text", "breaks"), [("9007199254740993", True), ("7", False), ("open", False), ("NaN", False)]
)
def test_di_12_an_integer_beyond_binary_is_recorded_as_text_and_compared(text, breaks):
    bench = Bench(high("9007199254740992", on=0))
    bench.read(0, text)
    assert bool(bench.of("raised")) is breaks
    snapshot = bench.evaluator.snapshot()
    again = Evaluator()
    again.restore(snapshot, (bench.evaluator.track(SIGNAL).watch,))
    assert again.snapshot() == snapshot


def test_us_05_text_of_a_state_signal_is_known_and_kept_out_of_the_state():
    bench = Bench(*DATA, stale_s=20)
    bench.read(0, "open")
    bench.read(10, ["a"])
    assert (bench.evaluator.track(SIGNAL).last.value, bench.evaluator.track(SIGNAL).quiet) == (None, True)


def test_al_02_timer_record_that_comes_twice_changes_nothing_more():
    bench = Bench(high())
    bench.read(0, 9.0)
    (raised,) = bench.silence(62)
    before = bench.evaluator.state().tracks
    bench.write(raised)
    assert bench.evaluator.state().tracks == before
    assert bench.events == [raised]


def test_al_18_a_new_condition_meets_the_value_in_force():
    bench = Bench(stale_s=20)
    bench.read(0, 9.0)
    bench.rules(10, high("8", on=0))
    assert [(s(e.t0_ns), s(e.raised_ns)) for e in bench.of("raised")] == [(10, 10)]


def test_al_18_raise_whose_rule_went_out_of_force_meanwhile_is_ended_and_marked():
    bench = Bench(high())
    bench.read(0, 9.0)
    (proposed,) = bench.evaluator.due(ns(62), ns(62))
    bench.rules(50)
    bench.write(proposed)
    assert [(e.event, e.supported, e.rule, s(e.t0_ns)) for e in bench.events] == [
        ("short_breach", None, "COLD@1", 0),
        ("returned", None, "COLD@1", 0),
        ("revised", False, "COLD@1", 0),
    ]
