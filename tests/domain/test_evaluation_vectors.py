"""The numbered vectors of the excursion page: exact instants and sums."""

from __future__ import annotations

from itertools import chain, cycle, islice

import pytest

from gateway.domain.limits import SECOND_NS
from tests.domain.excursion_bench import Bench, high, ns, s


def every(first: int, last: int, value, step: int = 10):
    """Readings at first, first + step … up to and including last; value is a number or a function of time."""
    return [(t, value(t) if callable(value) else value) for t in range(first, last + 1, step)]


def square(until: int, end: int = 400):
    return [*every(0, 90, 5.0), *every(100, until - 10, 9.0), *every(until, end, 5.0)]


def saw(t: int) -> float:
    phase = t % 200
    return round(5 + 0.05 * phase if phase <= 100 else 10 - 0.05 * (phase - 100), 6)


def noise() -> list[tuple[int, float]]:
    x, out = 1, []
    for k in range(360):
        x = (1103515245 * x + 12345) % 2**31
        out.append((10 * k, (7600 + (x // 65536) % 801) / 1000))
    return [*out, (3600, 7.0), (3800, 7.0)]


def excursions(bench: Bench) -> list[tuple]:
    """(t0, raise, t1, clear, breach s, degree-minutes) of each excursion that returned."""
    return [
        (
            s(e.t0_ns),
            s(e.raised_ns),
            s(e.t1_ns),
            s(e.cleared_ns),
            e.breach_ns / SECOND_NS,
            pytest.approx(e.degree_minutes, abs=5e-5),
        )
        for e in bench.of("returned")
    ]


def test_al_02_vector_01_square_wave_exact_instants():
    bench = Bench(high()).play(square(200))
    assert excursions(bench) == [(100, 160, 200, 230, 100, 1.6667)]
    assert [s(e.raised_ns) for e in bench.of("raised")] == [160]


def test_al_02_vector_02_breach_exactly_as_long_as_the_delay_is_raised():
    assert excursions(Bench(high()).play(square(160))) == [(100, 160, 160, 190, 60, 1.0)]


def test_al_03_vector_03_shorter_breach_is_counted_not_raised():
    bench = Bench(high()).play(square(150))
    assert not bench.of("raised")
    assert [(s(e.t0_ns), e.duration_ns / SECOND_NS, e.count) for e in bench.of("short_breach")] == [(100, 50, 1)]


def test_al_02_vector_04_saw_two_excursions():
    bench = Bench(high()).play(every(0, 400, saw))
    assert excursions(bench) == [(70, 130, 150, 180, 70, 1.3333), (270, 330, 350, 380, 70, 1.3333)]
    assert [(e.extreme, s(e.extreme_ns)) for e in bench.of("returned")] == [(10.0, 100), (10.0, 300)]


def test_al_02_vector_05_long_off_delay_joins_them():
    bench = Bench(high(off=130)).play([*every(0, 400, saw), *every(410, 500, 5.0)])
    assert excursions(bench) == [(70, 130, 350, 480, 140, 2.6667)]
    assert bench.of("returned")[0].crossings == 2
    assert [s(e.t0_ns) for e in bench.of("crossing")] == [70]


def test_al_03_vector_06_alternation_without_hysteresis():
    bench = Bench(high(hysteresis="0")).play(zip(range(0, 601, 10), cycle((7.9, 8.1)), strict=False))
    assert not bench.of("raised")
    assert bench.shorts() == (30, 300, 300)
    assert len(bench.of("short_breach")) <= 11, "at most one record a minute"


def test_al_02_vector_07_hysteresis_makes_it_one_excursion():
    samples = [*islice(zip(range(0, 601, 10), cycle((7.9, 8.1)), strict=False), 61), *every(610, 700, 7.0)]
    assert excursions(Bench(high()).play(samples)) == [(10, 70, 610, 640, 300, 0.5)]


def test_al_02_vector_08_noise_without_hysteresis():
    assert [v for _, v in noise()[:5]] == [7.617, 7.751, 8.101, 8.294, 8.213]
    bench = Bench(high(hysteresis="0", on=30, off=0)).play(noise())
    returned = bench.of("returned")
    assert len(returned) == 16
    assert sum(e.breach_ns for e in returned) == 560 * SECOND_NS
    assert bench.shorts()[:2] == (79, 1100)
    assert excursions(bench)[0][:4] == (20, 50, 50, 50)


def test_al_02_vector_08_noise_with_hysteresis():
    bench = Bench(high(hysteresis="0.2", on=60, off=30)).play(noise())
    returned = bench.of("returned")
    assert len(returned) == 10
    assert sum(e.breach_ns for e in returned) == 1210 * SECOND_NS
    assert bench.shorts()[:2] == (25, 530)
    assert excursions(bench)[0][:4] == (150, 210, 490, 520)
    assert returned[0].crossings == 9


def test_al_11_vector_09_silence_is_unknown_not_in_range():
    bench = Bench(high(), stale_s=20).play([(100, 9.0), (110, 9.0), (120, 9.0), (130, 9.0), *every(400, 500, 5.0)])
    assert excursions(bench) == [(100, 160, 400, 430, 50, 0.8333)]
    (raised,), (returned,) = bench.of("raised"), bench.of("returned")
    assert raised.doubts == ("no_data",)
    assert returned.unknown_ns == 250 * SECOND_NS


def test_al_02_vector_11_a_clock_step_changes_no_duration():
    bench = Bench(high())
    for at, value in square(200):
        bench.read(at if at < 130 else at + 3600, value, basis="received", boot=at)
    (returned,) = bench.of("returned")
    assert s(returned.t0_ns) == 100
    assert (returned.duration_ns, returned.breach_ns) == (100 * SECOND_NS, 100 * SECOND_NS)
    assert returned.raised_ns == ns(160 + 3600)
    assert returned.cleared_ns - returned.t1_ns == 30 * SECOND_NS
    assert returned.degree_minutes == 1.6667
    assert returned.doubts == ("clock",)


def test_al_07_vector_12_same_value_other_result_in_another_phase():
    bench = Bench(high("12")).play(every(0, 300, 9.0))
    bench.rules(300, high("8"), ended_by="phase_change")
    bench.play(every(310, 400, 9.0))
    assert [(s(e.t0_ns), s(e.raised_ns)) for e in bench.of("raised")] == [(300, 360)]


def test_al_02_low_side_mirrors_high_side():
    flipped = high("-8.0").__class__(
        **{f: getattr(high(), f) for f in high().__struct_fields__ if f not in {"side", "limit"}}, side="low", limit=-8
    )
    bench = Bench(flipped).play([(t, -v) for t, v in chain(square(200))])
    assert excursions(bench) == [(100, 160, 200, 230, 100, 1.6667)]
    assert bench.of("returned")[0].extreme == -9.0
