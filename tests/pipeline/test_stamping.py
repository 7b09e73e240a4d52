"""Stamping on virtual time: its cadence, what waits while the authority is away, and what a kill between two steps leaves."""

from __future__ import annotations

import asyncio
import contextlib
from hashlib import sha256

import pytest

from gateway.ledger.authority import Authority
from gateway.ledger.checkpoint import Checkpoint, format_checkpoint
from gateway.ledger.records import Anchor, Batch, Gateway, Key
from gateway.pipeline.stamp import Stamper
from gateway.pipeline.stamping import Stamping, StampSettings
from tests.counterparts import tsa
from tests.fakes.frozen import MemoryFrozen
from tests.fakes.journal import FakeJournal
from tests.fakes.log import ORIGIN, SEALER
from tests.fakes.time_stamper import FakeTimeStamper
from tests.fakes.virtual_time import VirtualTime

EVERY_S = 600
HEAD = {"at_ns": 1, "boot_ns": 1, "clock": 1}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tsa.Authority(tmp_path_factory.mktemp("tsa"), curve=True)


def note_of(size: int) -> bytes:
    return SEALER.seal(format_checkpoint(Checkpoint(ORIGIN, size, sha256(b"%d" % size).digest())))


async def direct(function, *arguments):
    return function(*arguments)


class Bench:
    """Stamping between a fake journal and a fake authority; `restart()` is a kill and a new process on the same disk."""

    def __init__(self, made: tsa.Authority, **journal) -> None:
        self.time = VirtualTime()
        self.made = made
        self.stamper = FakeTimeStamper(made)
        self.notes = MemoryFrozen()
        self.journal = FakeJournal(**journal)
        self.task: asyncio.Task[None] | None = None

    def start(self, from_size: int = 0) -> Bench:
        self.stamping = Stamping(
            StampSettings(every_ns=EVERY_S * 10**9, gateway="gw-01", run=1, from_size=from_size),
            Authority(self.made.ca.read_bytes()),
            self.stamper,
            self.notes,
            self.published,
            self.recorded,
            self.journal,
            Stamper(self.time.clock, dev=False, run=1, clock_number=1),
            self.time.clock,
            lambda size: b"\xf1" * size,
            sleep=self.time.sleep,
            in_thread=direct,
        )
        self.task = asyncio.get_running_loop().create_task(self.stamping.run())
        return self

    async def kill(self) -> None:
        assert self.task is not None
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    async def published(self, _: int) -> tuple[int, bytes]:
        size = len(self.journal.records)
        return size, note_of(size) if size else b""

    async def recorded(self) -> list[Anchor]:
        return self.anchors()

    def anchors(self) -> list[Anchor]:
        return [one for one in self.journal.records if isinstance(one, Anchor)]

    def notices(self) -> list[tuple[str, str]]:
        return [
            (one.code, one.facts.get("level", ""))
            for one in self.journal.records
            if isinstance(one, Gateway) and one.code != "tick"
        ]

    def grow(self) -> None:
        self.journal.append([Gateway(**HEAD, event="notice", gateway="gw-01", run=1, code="tick")])


@contextlib.asynccontextmanager
async def running(made, **journal):
    bench = Bench(made, **journal).start()
    yield bench
    await bench.kill()


async def test_di_14_stamps_on_the_cadence_when_the_ledger_grew(made):
    async with running(made) as bench:
        bench.grow()
        await bench.time.run(EVERY_S - 2)
        assert bench.stamper.queries == []
        await bench.time.run(4)
        [anchor] = bench.anchors()
        assert anchor.size == 1
        await bench.time.run(EVERY_S + 2)
        assert [one.size for one in bench.anchors()] == [1, len(bench.journal.records) - 1]


async def test_nothing_is_asked_while_nothing_was_recorded(made):
    async with running(made) as bench:
        await bench.time.run(2 * EVERY_S)
        assert bench.stamper.queries == []
        assert bench.anchors() == []


async def test_ac_03_the_record_says_what_was_frozen_and_kept(made):
    async with running(made) as bench:
        bench.grow()
        await bench.time.run(EVERY_S + 2)
        [anchor] = bench.anchors()
        note, token = bench.notes.notes[1], bench.notes.tokens[1]
        assert note == note_of(1)
        assert made.accepts(note, token)
        assert anchor.note_sha256 == sha256(note).hexdigest()
        assert anchor.token_sha256 == sha256(token).hexdigest()
        assert anchor.root == sha256(b"1").hexdigest()
        assert (anchor.policy, anchor.url) == (tsa.POLICY, "https://tsa.example/tsr")
        assert anchor.accuracy_ns == 1_500_100_000
        _, chain = Authority(made.ca.read_bytes()).open_with_chain(token, sha256(note).digest())
        assert anchor.facts == {
            "authority_sha256": sha256(made.ca.read_bytes()).hexdigest(),
            "ends_ns": chain.ends_ns,
        }
        [key] = [one for one in bench.journal.records if isinstance(one, Key)]
        assert (key.purpose, key.event, key.from_size) == ("tsa", "introduced", 1)
        assert bench.stamping.standing.anchored == 1
        await bench.time.run(EVERY_S + 2)
        assert sum(isinstance(one, Key) for one in bench.journal.records) == 1


@pytest.mark.parametrize(
    "record",
    [
        Batch(**HEAD, event="end", batch="B-1", revision=2),
        Batch(**HEAD, event="sealed", batch="B-1", revision=3),
        Key(**HEAD, event="introduced", purpose="seal", key="k", from_size=0, endorsed=[]),
        Gateway(**HEAD, event="pruned", gateway="gw-01", run=1),
    ],
)
async def test_the_end_of_a_batch_and_a_key_event_are_stamped_soon(made, record):
    async with running(made) as bench:
        bench.journal.append([record])
        await bench.time.run(3)
        [anchor] = bench.anchors()
        assert anchor.size == 1


async def test_ends_in_a_row_share_a_stamp(made):
    async with running(made) as bench:
        for revision in range(2, 30):
            bench.journal.append([Batch(**HEAD, event="end", batch=f"B-{revision}", revision=revision)])
            await bench.time.run(1)
        assert 2 <= len(bench.anchors()) <= 4
        await bench.time.run(20)
        last = max(index for index, one in enumerate(bench.journal.records) if isinstance(one, Batch))
        assert bench.anchors()[-1].size > last
        asked = len(bench.stamper.queries)
        await bench.time.run(60)
        assert len(bench.stamper.queries) == asked


async def test_a_ledger_that_was_never_stamped_is_stamped_at_once(made):
    bench = Bench(made)
    bench.grow()
    await bench.time.settle()
    bench.start(from_size=1)
    await bench.time.run(2)
    assert [one.size for one in bench.anchors()] == [1]
    await bench.kill()


async def test_ordinary_batch_events_wait_for_the_cadence(made):
    async with running(made) as bench:
        bench.journal.append([Batch(**HEAD, event="start", batch="B-1", revision=1)])
        await bench.time.run(30)
        assert bench.stamper.queries == []


@pytest.mark.parametrize("mode", ["down", "applied_then_down", "junk", "refuse", "other_imprint", "other_nonce"])
async def test_ac_03_what_is_no_stamp_of_ours_is_never_recorded_and_the_newest_waits(made, mode):
    async with running(made) as bench:
        bench.stamper.mode = mode
        for _ in range(EVERY_S // 60 + 5):
            bench.grow()
            await bench.time.run(60)
        assert bench.anchors() == []
        assert bench.notes.notes == bench.notes.tokens == {}
        assert 4 <= len(bench.stamper.queries) <= 8
        assert bench.stamping.standing.failures == len(bench.stamper.queries)
        assert bench.stamping.standing.problem
        assert len(bench.notes.aside) == (0 if mode.endswith("down") else len(bench.stamper.queries))
        bench.stamper.mode = "ok"
        await bench.time.run(62)
        [anchor] = bench.anchors()
        assert anchor.size == EVERY_S // 60 + 5
        assert bench.stamping.standing.problem == ""


async def test_di_14_a_stale_stamp_is_told_at_each_edge(made):
    async with running(made) as bench:
        bench.stamper.mode = "down"
        bench.grow()
        await bench.time.run(3 * EVERY_S - 5)
        assert bench.notices() == []
        await bench.time.run(10)
        assert bench.notices() == [("timestamp_stale", "alert")]
        assert bench.stamping.standing.level == "alert"
        bench.time.clock.advance(24 * 3600 * 10**9)
        await bench.time.run(2)
        assert bench.notices()[1:] == [("timestamp_stale", "action")]
        bench.stamper.mode = "ok"
        await bench.time.run(62)
        assert bench.notices()[2:] == [("timestamp_back", "")]


async def test_a_kill_between_answer_and_record_loses_no_stamp(made):
    async with running(made, commits_left=1) as bench:
        bench.grow()
        await bench.time.run(EVERY_S + 2)
        assert bench.anchors() == []
        assert list(bench.notes.tokens) == [1]
        await bench.kill()
        bench.journal = FakeJournal(bench.journal.records)
        bench.start()
        await bench.time.run(2)
        [anchor] = bench.anchors()
        assert (anchor.size, anchor.token_sha256) == (1, sha256(bench.notes.tokens[1]).hexdigest())
        assert len(bench.stamper.queries) == 1


async def test_a_kill_before_the_answer_leaves_a_note_that_is_taken_out(made):
    bench = Bench(made)
    bench.notes.freeze(1, note_of(1))
    bench.grow()
    bench.start()
    await bench.time.run(2)
    assert bench.notes.notes == {}
    bench.notes.freeze(1, note_of(1))
    bench.notes.save_token(1, b"cut")
    await bench.kill()
    bench.start()
    await bench.time.run(2)
    assert bench.notes.aside == [(1, b"cut")]
    assert bench.anchors() == []
    await bench.kill()


@pytest.mark.parametrize("how", ["full", "applied"])
async def test_a_full_disk_is_one_more_reason_to_try_again(made, how):
    async with running(made) as bench:
        bench.grow()
        bench.notes.fail_next = how
        await bench.time.run(EVERY_S + 2)
        assert bench.anchors() == []
        assert "no space left" in bench.stamping.standing.problem
        await bench.time.run(62)
        assert [one.size for one in bench.anchors()] == [1]


async def test_a_new_run_goes_on_from_the_newest_stamp(made):
    async with running(made) as bench:
        bench.grow()
        await bench.time.run(EVERY_S + 2)
        await bench.kill()
        bench.time.clock.wall_ns = bench.anchors()[0].gen_ns + 100 * 10**9
        bench.start()
        await bench.time.settle()
        assert bench.stamping.standing.anchored == 1
        assert bench.stamping.age_ns == 100 * 10**9
        await bench.time.run(EVERY_S - 103)
        assert len(bench.stamper.queries) == 1
        await bench.time.run(5)
        assert len(bench.anchors()) == 2
        assert sum(isinstance(one, Key) for one in bench.journal.records) == 1
