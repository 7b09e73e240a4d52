"""Late readings: bounds revised, excursions found late, verdicts no longer supported; nothing is withdrawn."""

from __future__ import annotations

import msgspec

from gateway.domain.data_conditions import signal_conditions
from gateway.domain.limits import SECOND_NS
from gateway.domain.reading_view import ReadingView
from gateway.domain.reevaluation import Told, reevaluate
from gateway.domain.signal_track import Instant, SignalWatch
from tests.domain.excursion_bench import SIGNAL, Bench, high, ns, s

STALE_NS = 20 * SECOND_NS
WATCH = SignalWatch(
    signal=SIGNAL,
    stale_ns=STALE_NS,
    conditions=(high(), *signal_conditions(SIGNAL, expected_ns=10 * SECOND_NS, stale_ns=STALE_NS)),
)
START = Instant(0, ns(-10), ns(-10))


def reading(index: int, at: float, value: float) -> ReadingView:
    return ReadingView(index, SIGNAL, ns(at), value, "good", "source", ns(at), ns(at), "historical")


def told_by(bench: Bench) -> list[Told]:
    return [
        Told(
            condition=e.condition,
            t0_ns=e.t0_ns,
            raised_ns=e.raised_ns,
            t1_ns=e.t1_ns,
            breach_ns=e.breach_ns,
            unknown_ns=e.unknown_ns,
        )
        for e in bench.of("returned")
    ]


def live_of_vector_9() -> tuple[Bench, list[ReadingView]]:
    samples = [(t, 9.0) for t in range(100, 131, 10)] + [(t, 5.0) for t in range(400, 501, 10)]
    bench = Bench(high(), stale_s=20).play(samples)
    return bench, [reading(n + 2, at, value) for n, (at, value) in enumerate(samples)]


def test_di_12_vector_10_backfill_revises_bounds_and_keeps_the_raise():
    bench, live = live_of_vector_9()
    late = [reading(50 + n, t, 9.0 if t < 200 else 5.0) for n, t in enumerate(range(140, 400, 10))]
    (revised,) = reevaluate(WATCH, START, live + late, told_by(bench))
    assert (revised.event, s(revised.t0_ns), s(revised.raised_ns)) == ("revised", 100, 160)
    assert (s(revised.t1_ns), s(revised.cleared_ns), revised.breach_ns, revised.unknown_ns, revised.degree_minutes) == (
        200,
        230,
        100 * SECOND_NS,
        0,
        1.6667,
    )
    assert revised.doubts == ("late",)
    assert revised.decided == 75


def test_di_12_backfill_that_changes_nothing_says_nothing():
    bench, live = live_of_vector_9()
    assert reevaluate(WATCH, START, live, told_by(bench)) == ()


def test_di_12_backfill_shows_an_excursion_that_nobody_saw():
    quiet = [reading(n, t, 5.0) for n, t in enumerate(range(0, 500, 10))]
    late = [reading(60 + n, t, 9.0) for n, t in enumerate(range(105, 200, 10))]
    hot = [r for r in quiet if not ns(100) < r.te_ns < ns(200)] + late
    (event,) = reevaluate(WATCH, START, hot, [])
    assert (event.event, s(event.t0_ns), s(event.raised_ns), s(event.t1_ns)) == ("late", 105, 165, 200)


def test_di_12_verdict_without_breach_is_marked_never_withdrawn():
    bench, live = live_of_vector_9()
    calm = [msgspec.structs.replace(r, value=5.0) for r in live]
    (event,) = reevaluate(WATCH, START, calm, told_by(bench))
    assert (event.event, event.supported, s(event.t0_ns), s(event.raised_ns)) == ("revised", False, 100, 160)


def test_di_12_earlier_onset_keeps_the_name_of_the_excursion():
    bench, live = live_of_vector_9()
    (event,) = reevaluate(WATCH, START, [*live, reading(90, 90, 9.0)], told_by(bench))
    assert (event.event, s(event.t0_ns), s(event.onset_ns)) == ("revised", 100, 90)


def test_di_12_excursion_that_still_lasts_and_foreign_conditions():
    (event,) = reevaluate(
        WATCH,
        START,
        [reading(n, t, 9.0) for n, t in enumerate(range(0, 100, 10))],
        [Told(condition="other", t0_ns=0, raised_ns=1, t1_ns=None, breach_ns=0, unknown_ns=0)],
    )
    assert (event.event, s(event.t0_ns), event.t1_ns) == ("late", 0, None)
    lasting = Told(
        condition=event.condition, t0_ns=ns(0), raised_ns=ns(60), t1_ns=None, breach_ns=90 * SECOND_NS, unknown_ns=0
    )
    readings = [reading(n, t, 9.0) for n, t in enumerate(range(0, 100, 10))]
    assert reevaluate(WATCH, START, readings, [lasting]) == ()
