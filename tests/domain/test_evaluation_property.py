"""Any sampling that contains the change points gives what a naive interval model gives; any cut of the fold the same state."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.data_conditions import signal_conditions
from gateway.domain.evaluator import Evaluator
from gateway.domain.limits import SECOND_NS
from gateway.domain.reading_view import ReadingView
from gateway.domain.signal_track import Instant, SignalWatch
from tests.domain.excursion_bench import SIGNAL, Bench, high, ns, s, written
from tests.domain.interval_model import Expected, expect

PIECES = st.lists(st.tuples(st.integers(0, 10), st.integers(1, 40)), min_size=1, max_size=25)


@settings(max_examples=400, deadline=None)
@given(
    pieces=PIECES,
    hysteresis=st.integers(0, 3),
    on=st.integers(0, 60),
    off=st.integers(0, 60),
    extra=st.sets(st.integers(0, 999), max_size=30),
    basis=st.sampled_from(["source", "received"]),
)
def test_al_02_any_sampling_equals_the_interval_model(pieces, hysteresis, on, off, extra, basis):
    values = [v for value, length in pieces for v in [value] * length] + [pieces[-1][0]]
    samples = {t for t in extra if t < len(values)} | {len(values) - 1}
    t = 0
    for _, length in pieces:
        samples.add(t)
        t += length
    bench = Bench(high("5", hysteresis=str(hysteresis), on=on, off=off))
    for at in sorted(samples):
        bench.read(at, values[at], basis=basis)

    excursions, shorts = expect(values, 5, 5 - hysteresis, on, off)
    got = [
        Expected(
            int(s(e.t0_ns)),
            int(s(e.raised_ns)),
            int(s(e.t1_ns)),
            int(s(e.cleared_ns)),
            e.breach_ns // SECOND_NS,
            round(e.degree_minutes * 60),
            e.crossings,
        )
        for e in bench.of("returned")
    ]
    assert got == [e for e in excursions if e.cleared is not None]
    assert [int(s(e.raised_ns)) for e in bench.of("raised")] == [e.raised for e in excursions]
    open_now = [e for e in excursions if e.cleared is None]
    if open_now:
        state = bench.state()
        assert (int(s(state.t0_ns)), state.breach_ns // SECOND_NS, state.crossings) == (
            open_now[0].t0,
            open_now[0].beyond,
            open_now[0].crossings,
        )
    assert bench.shorts()[:2] == (len(shorts), sum(b - a for a, b in shorts))


ENTRIES = st.lists(
    st.one_of(
        st.tuples(
            st.just("reading"),
            st.integers(-3, 40),
            st.sampled_from([5.0, 7.8, 9.0, 9.5]),
            st.sampled_from(["good", "bad"]),
        ),
        st.tuples(st.just("silence"), st.integers(1, 400)),
        st.tuples(st.just("gap"), st.integers(0, 20)),
        st.tuples(st.just("rules"), st.sampled_from(["8.0", "9.2", "4.0"])),
        st.tuples(
            st.just("boot"),
        ),
    ),
    min_size=5,
    max_size=60,
)


def watch(limit: str) -> SignalWatch:
    conditions = (high(limit), *signal_conditions(SIGNAL, expected_ns=10 * SECOND_NS, stale_ns=20 * SECOND_NS))
    return SignalWatch(signal=SIGNAL, stale_ns=20 * SECOND_NS, conditions=conditions)


class Ledger:
    """Plays a live run: what is planned is written some entries later, as group commits do."""

    def __init__(self, delay: int) -> None:
        self.live = Evaluator()
        self.entries: list = []
        self.waiting: list = []
        self.delay = delay

    def append(self, entry) -> None:
        self.entries.append(entry)
        self.waiting += [(len(self.entries) + self.delay, e) for e in fold(self.live, len(self.entries) - 1, entry)]
        while self.waiting and self.waiting[0][0] <= len(self.entries):
            _, event = self.waiting.pop(0)
            self.append(("written", event))

    def silence(self, at: float) -> None:
        self.waiting += [(len(self.entries) + self.delay, e) for e in self.live.due(ns(at), ns(at))]
        self.waiting.sort(key=lambda w: w[0])


def fold(evaluator: Evaluator, index: int, entry):
    what, *rest = entry
    if what == "reading":
        return evaluator.apply_reading(
            ReadingView(
                index=index,
                signal=SIGNAL,
                te_ns=ns(rest[0]),
                value=rest[1],
                quality=rest[2],
                basis=rest[3],
                monotonic_ns=ns(rest[0]),
                received_ns=ns(rest[0]),
            ),
        )
    if what == "gap":
        return evaluator.apply_gap((SIGNAL,), Instant(index, ns(rest[0]), ns(rest[0])))
    if what == "rules":
        return evaluator.apply_rules(watch(rest[1]), Instant(index, ns(rest[0]), ns(rest[0])))
    if what == "boot":
        evaluator.apply_boot(index)
        return ()
    return evaluator.apply_written(written(rest[0], index))


@settings(max_examples=200, deadline=None)
@given(script=ENTRIES, cut=st.floats(0, 1), delay=st.integers(0, 4), basis=st.sampled_from(["source", "received"]))
def test_us_05_state_after_snapshot_and_tail_is_state_after_full_fold(script, cut, delay, basis):
    ledger, now, limit = Ledger(delay), 0.0, "8.0"
    ledger.append(("rules", 0.0, limit))
    states = []
    for what, *rest in script:
        if what == "reading":
            now += rest[0]
            ledger.append(("reading", now, rest[1], rest[2], basis))
        elif what == "silence":
            now += rest[0]
            ledger.silence(now)
        elif what == "gap":
            ledger.append(("gap", now + rest[0]))
        elif what == "rules":
            limit = rest[0]
            ledger.append(("rules", now, limit))
        else:
            ledger.append(("boot",))
    full = Evaluator()
    place = int(cut * (len(ledger.entries) - 1))
    for index, entry in enumerate(ledger.entries):
        fold(full, index, entry)
        if index == place:
            states.append((full.snapshot(), entry_limit(ledger.entries[: index + 1])))
    assert full.snapshot() == ledger.live.snapshot()

    snapshot, limit = states[0]
    resumed = Evaluator()
    resumed.restore(snapshot, (watch(limit),))
    assert resumed.snapshot() == snapshot
    for index, entry in list(enumerate(ledger.entries))[place + 1 :]:
        fold(resumed, index, entry)
    assert resumed.snapshot() == full.snapshot()

    keys = [entry[1].key for entry in ledger.entries if entry[0] == "written"]
    assert len(keys) == len(set(keys)), "nothing is written twice"


def entry_limit(entries) -> str:
    return [entry[2] for entry in entries if entry[0] == "rules"][-1]
