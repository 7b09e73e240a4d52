"""The lookup of projections: index and tail together answer as a walk over every entry would."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.adapters.index.follower import IndexFollower
from gateway.adapters.index.query import IndexQuery
from gateway.adapters.segment_store.store import SegmentStore
from gateway.app.lookup import LedgerLookup
from gateway.ledger.merkle import Tree
from gateway.ledger.records import Batch, Deviation, format_record
from tests.fakes.clock import StillClock
from tests.fakes.log import NOON_NS, ORIGIN, plan, reading

S = 1_000_000_000
HEAD = {"at_ns": NOON_NS, "boot_ns": 1, "clock": 1}


class Ledger:
    def __init__(self, folder):
        self.store = SegmentStore(folder / "ledger", ORIGIN, StillClock(), check_place=lambda _: None, reserve_bytes=64)
        self.tree: Tree = self.store.open().tree
        self.follower = IndexFollower(folder / "index.db", ORIGIN, self.store.reader)
        self.follower.open(0)
        self.query = IndexQuery(folder / "index.db", self.store.layout)
        self.lookup = LedgerLookup(lambda: self.query, self.store)
        self.all: list[tuple[str, int]] = []

    def commit(self, times):
        made = []
        for signal, second, own in times:
            more = {} if own else {"source_clock": "unset"}
            received = NOON_NS + (len(self.all) + len(made)) * S
            made.append(reading(1, signal, source_ns=NOON_NS + second * S, received_ns=received, **more))
        for content in made:
            one = msgspec.json.decode(content)
            trusted = "source_clock" not in one
            self.all.append((one["signal"], one["source_ns"] if trusted else one["received_ns"]))
        self.append(made)

    def append(self, contents):
        done = plan(self.tree, contents)
        self.store.commit(done.frames)
        self.tree = done.head

    def close(self):
        self.query.close()
        self.follower.close()
        self.store.close()


TIMES = st.lists(st.tuples(st.sampled_from(["A/a", "B/b"]), st.integers(0, 9), st.booleans()), min_size=1, max_size=9)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(st.tuples(TIMES, st.booleans()), min_size=1, max_size=5), data=st.data())
def test_di_15_index_and_tail_answer_like_a_walk(tmp_path_factory, parts, data):
    ledger = Ledger(tmp_path_factory.mktemp("lookup"))
    try:
        for times, follow in parts:
            ledger.commit(times)
            if follow:
                ledger.follower.follow(ledger.tree.size)
            before = data.draw(st.integers(0, ledger.tree.size))
            for signal in ("A/a", "B/b", "C/c"):
                earlier = [time for name, time in ledger.all[:before] if name == signal]
                assert ledger.lookup.newest_ns(signal, before) == max(earlier, default=None)
                for time in {*earlier, NOON_NS}:
                    assert ledger.lookup.count_at(signal, time, before) == earlier.count(time)
    finally:
        ledger.close()


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(tmp_path)
    yield made
    made.close()


def test_the_newest_time_is_found_in_the_newest_chunk(ledger):
    """40,000 readings in ten runs: one run is read, not the history."""
    ledger.commit([("A/a", n, True) for n in range(40_000)])
    ledger.follower.follow(ledger.tree.size)
    asked = []
    record = ledger.query._fetch.record
    ledger.query._fetch.record = lambda index: asked.append(index) or record(index)
    assert ledger.lookup.newest_ns("A/a", 40_000) == NOON_NS + 39_999 * S
    assert len(asked) <= 4_096


@pytest.mark.parametrize("indexed", [True, False])
def test_pr_03_a_batch_is_named_by_its_own_first_record(ledger, indexed):
    """A deviation that names the batch may stand before it is asked for; a batch that comes later is found later."""
    assert ledger.lookup.batch_ref("B-1") == -1
    deviation = Deviation(
        **HEAD,
        event="opened",
        deviation="DEV-1",
        revision=1,
        scope="site",
        state="open",
        excursions=[],
        severity="major",
        severity_basis=[],
        batches=["B-1"],
        sinks=[],
    )
    told = Batch(**HEAD, event="start", batch="B-1", revision=1, effect="applied")
    ledger.append([format_record(deviation), format_record(told)])
    if indexed:
        ledger.follower.follow(ledger.tree.size)
    assert ledger.lookup.batch_ref("B-1") == 1
