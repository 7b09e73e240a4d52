"""The index: rebuilt equals followed, ranges equal a naive search, behind it says so."""

from __future__ import annotations

import itertools

import apsw
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.adapters.index import IndexFollower, IndexQuery
from gateway.adapters.segment_store import SegmentStore
from gateway.errors import Unavailable
from gateway.ledger.records import (
    Anchor,
    Batch,
    BatchNode,
    Deviation,
    Signal,
    format_record,
)
from tests.fakes.clock import StillClock
from tests.fakes.log import NOON_NS, ORIGIN, gateway, plan, reading

S = 1_000_000_000
HEAD = {"at_ns": NOON_NS, "boot_ns": 1, "clock": 1}


class Bench:
    """A ledger on disk with its index."""

    def __init__(self, path):
        self.path = path
        self.db = path / "state" / "index.db"
        self.store = SegmentStore(path / "ledger", ORIGIN, StillClock(), check_place=lambda _: None, reserve_bytes=4096)
        self.tree = self.store.open().tree
        self.follower = IndexFollower(self.db, ORIGIN, self.store.reader)
        self.contents: list[bytes] = []

    def commit(self, *records):
        made = plan(self.tree, list(records))
        self.store.commit(made.frames)
        self.tree = made.head
        self.contents += records

    def query(self):
        return IndexQuery(self.db, self.store.layout)

    def close(self):
        self.follower.close()
        self.store.close()


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.close()


def signal(name, source):
    return format_record(
        Signal(
            **HEAD, event="registered", signal=name, config="05b3abf2579a5eb6", title="t", node="BR-201", source=source,
            address="a", profile="p@1", profile_sha256="0" * 64, measure="analog", acquire={}, criticality="critical",
            relevance="cpp", reduction="none",
        )
    )  # fmt: skip


def batch(event, batch_id, effective_ns, nodes=None, **changes):
    more = {"nodes": nodes} if nodes else {}
    return format_record(
        Batch(
            **HEAD,
            event=event,
            batch=batch_id,
            revision=1,
            effect="applied",
            effective_ns=effective_ns,
            **more,
            **changes,
        )
    )


def node(name, from_ns, to_ns=None, room="R-1"):
    more = {} if to_ns is None else {"to_ns": to_ns}
    return BatchNode(node=name, use="process", room=room, from_ns=from_ns, pre_roll_s=60, post_roll_s=60, **more)


def dump(db):
    """All rows of all tables."""
    connection = apsw.Connection(str(db), flags=apsw.SQLITE_OPEN_READONLY)
    tables = ("meta", "frame", "signal", "source", "span", "chunk", "event", "link", "membership", "anchor")
    rows = {table: sorted(map(repr, connection.execute(f"SELECT * FROM {table}"))) for table in tables}
    connection.close()
    return rows


def story(bench):
    bench.commit(gateway("start"), signal("A/t", "line1"), signal("B/t", "plant"))
    count = itertools.count(1)
    for n in range(1, 40):
        more = [reading(n, "A/t"), reading(n, "B/t", source_clock="future", quality="bad", reason=["x"])]
        bench.commit(*more[: next(count) % 2 + 1])
    bench.commit(batch("start", "B-1", NOON_NS, [node("BR-201", NOON_NS)], client="C-014"))
    bench.commit(*[reading(n, "A/t") for n in range(100, 4500)])
    bench.commit(batch("end", "B-1", NOON_NS + 9 * S))
    bench.commit(format_record(Anchor(**HEAD, event="cosigned", size=3, root="00" * 32)))


def test_a_rebuilt_index_equals_one_that_followed(bench):
    bench.follower.open(0)
    made = []
    original = bench.commit

    def commit_and_follow(*records):
        original(*records)
        bench.follower.follow(bench.tree.size)
        made.append(bench.tree.size)

    bench.commit = commit_and_follow
    story(bench)
    followed = dump(bench.db)
    bench.follower.rebuild(bench.tree.size)
    rebuilt = dump(bench.db)
    assert rebuilt == followed
    assert len(made) > 40


def test_following_is_idempotent_and_goes_on_after_a_restart(bench):
    story(bench)
    bench.follower.open(0)
    bench.follower.follow(60)
    half = bench.follower.next_index
    assert 0 < half <= 60
    bench.follower.close()
    assert bench.follower.open(bench.tree.size)
    assert bench.follower.next_index == half
    bench.follower.follow(bench.tree.size)
    bench.follower.follow(bench.tree.size)
    followed = dump(bench.db)
    bench.follower.rebuild(bench.tree.size)
    assert dump(bench.db)["chunk"] == followed["chunk"]
    assert dump(bench.db)["frame"] == followed["frame"]


def test_an_index_of_another_log_or_another_history_begins_anew(bench, tmp_path):
    story(bench)
    bench.follower.open(0)
    bench.follower.follow(bench.tree.size)
    bench.follower.close()
    assert not IndexFollower(bench.db, "acme.example/basel/gw-02", bench.store.reader).open(bench.tree.size)
    bench.follower.open(bench.tree.size)
    bench.follower.follow(bench.tree.size)
    bench.follower.close()
    other = Bench(tmp_path / "other")
    other.commit(*[reading(n) for n in range(1, 6000)])
    stranger = IndexFollower(bench.db, ORIGIN, other.store.reader)
    assert not stranger.open(other.tree.size)
    assert stranger.next_index == 0
    stranger.close()
    other.close()


def test_a_broken_database_file_begins_anew(bench):
    story(bench)
    bench.db.parent.mkdir(parents=True)
    bench.db.write_bytes(b"no database" * 1000)
    assert not bench.follower.open(bench.tree.size)
    bench.follower.follow(bench.tree.size)
    assert bench.follower.next_index == bench.tree.size


def test_behind_it_says_where_it_is_and_never_gives_a_part(bench):
    story(bench)
    bench.follower.open(0)
    bench.follower.follow(60)
    query = bench.query()
    with pytest.raises(Unavailable, match=rf"^index at {bench.follower.next_index} of {bench.tree.size:,};"):
        query.readings("A/t", 0, 2**62, bench.tree.size)
    with pytest.raises(Unavailable, match="index at"):
        query.events(bench.tree.size)
    query.close()


def test_events_links_batches_and_lasts_are_found(bench):
    story(bench)
    bench.commit(
        format_record(
            Deviation(
                **HEAD, event="raised", deviation="DEV-1", revision=1, scope="site", state="open", excursions=["EXC-1"],
                severity="minor", severity_basis=[], batches=["B-1"], sinks=["main"],
            )
        )
    )  # fmt: skip
    bench.follower.open(0)
    bench.follower.follow(bench.tree.size)
    size = bench.tree.size
    query = bench.query()
    assert [(found.event, found.object) for found in query.events(size, kind="batch")] == [
        ("start", "B-1"),
        ("end", "B-1"),
    ]
    first = query.events(size, object_id="B-1")[0].entry
    assert query.batches(size) == [("B-1", first)]
    assert len(query.linked("batch", "B-1", size)) == 3
    assert query.linked("excursion", "EXC-1", size) == [size - 1]
    assert query.linked("client", "C-014", size) == [first]
    assert query.linked("client", "C-015", size) == []
    last = query.last_of_signal("A/t")
    assert (last.n, last.source_ns) == (4499, NOON_NS + 4499 * S)
    assert query.last_of_source("line1").position == 4499
    assert query.last_of_source("plant").position == 39
    assert query.signals() == ["A/t", "B/t"]
    for index, content in enumerate(bench.contents):
        assert query.record(index, size) == content
    assert query.record(size, size) is None
    query.close()


def test_ba_03_membership_is_seen_as_it_was_at_each_size(bench):
    sizes = []
    for record in (
        batch("start", "B-1", NOON_NS, [node("BR-201", NOON_NS)]),
        batch("use", "B-1", NOON_NS, [node("FRZ-01", NOON_NS + 5 * S, room="R-2")]),
        batch("end", "B-1", NOON_NS + 100 * S),
        batch("amend", "B-1", NOON_NS, [node("BR-201", NOON_NS - 600 * S, NOON_NS + 100 * S)]),
    ):
        bench.commit(record)
        sizes.append(bench.tree.size)
    bench.follower.open(0)
    bench.follower.follow(bench.tree.size)
    query = bench.query()
    seen = [
        [(m.node, m.from_ns - NOON_NS, m.to_ns and m.to_ns - NOON_NS) for m in query.memberships(s, batch="B-1")]
        for s in sizes
    ]
    assert seen == [
        [("BR-201", 0, None)],
        [("BR-201", 0, None), ("FRZ-01", 5 * S, None)],
        [("BR-201", 0, 100 * S), ("FRZ-01", 5 * S, 100 * S)],
        [("BR-201", -600 * S, 100 * S), ("FRZ-01", 5 * S, 100 * S)],
    ]
    size = sizes[-1]
    assert [m.batch for m in query.memberships(size, node="BR-201", from_ns=NOON_NS - 600 * S, to_ns=NOON_NS)] == [
        "B-1"
    ]
    assert query.memberships(size, node="BR-201", from_ns=NOON_NS + 100 * S) == []
    assert [m.node for m in query.memberships(size, room="R-2")] == ["FRZ-01"]
    query.close()


@st.composite
def histories(draw):
    """Readings of three signals: times that go back, historical values, clocks that are not trusted, readings without one."""
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from("abc"),
                st.integers(-5_000, 5_000),
                st.one_of(st.none(), st.integers(-90_000, 5_000)),
                st.booleans(),
            ),
            min_size=1,
            max_size=60,
        )
    )
    low = draw(st.integers(-90_000, 5_000))
    return rows, low, low + draw(st.integers(0, 60_000)), draw(st.booleans()), draw(st.integers(1, 7))


def _in_stretch(rows, made, wanted, low, high):
    """The readings of a signal whose effective time lies in the stretch."""
    return [
        (index, made[index])
        for index, (name, at, source, trusted) in enumerate(rows)
        if name == wanted and low <= (at if source is None or not trusted else source) < high
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories())
def test_a_range_equals_a_naive_search(tmp_path_factory, history):
    rows, low, high, received, pool = history
    bench = Bench(tmp_path_factory.mktemp("range"))
    bench.follower.open(0)
    made = []
    for n, (name, at, source, trusted) in enumerate(rows, start=1):
        more = {} if trusted else {"source_clock": "future"}
        record = msgspec.json.decode(reading(n, name, received_ns=NOON_NS + at * S, **more))
        if source is None:
            record.pop("source_ns")
        else:
            record["source_ns"] = NOON_NS + source * S
        made.append(msgspec.json.encode(record))
    for start in range(0, len(made), pool):
        bench.commit(*made[start : start + pool])
        bench.follower.follow(bench.tree.size)
    query = bench.query()
    for name in "abc":
        expected = [
            (index, made[index])
            for index, (signal_name, at, source, trusted) in enumerate(rows)
            if signal_name == name and low <= (at if received or source is None or not trusted else source) < high
        ]
        got = query.readings(name, NOON_NS + low * S, NOON_NS + high * S, len(made), received=received)
        assert [(found.entry, found.content) for found in got] == expected
        effective = expected if not received else _in_stretch(rows, made, name, low, high)
        span = query.spans([name], NOON_NS + low * S, NOON_NS + high * S, len(made))
        assert span == ({name: (effective[0][0], effective[-1][0])} if effective else {})
        assert query.between(span, len(made)) == [
            index
            for index, row in enumerate(rows)
            if effective and row[0] == name and effective[0][0] <= index <= effective[-1][0]
        ]
    hulls = {name: (at, len(made) - 2) for at, name in enumerate("abcd")}
    assert query.between(hulls, len(made)) == [
        index for index, row in enumerate(rows) if hulls[row[0]][0] <= index <= hulls[row[0]][1]
    ]
    assert query.between({}, len(made)) == []
    query.close()
    bench.close()
