"""The committer: durable before anything else, one order, the same bytes after a full disk, nothing after a doubt."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.errors import LedgerDoubt
from gateway.ledger.records import Content, Gateway, Record, format_record
from gateway.ledger.segment import SEGMENT_ENTRIES
from gateway.pipeline.committer import CommitSettings, Committer
from gateway.ports import Outcome
from tests.fakes.clock import StillClock
from tests.fakes.log import NOON_NS, ORIGIN, SEALER
from tests.fakes.store import Medium, MemoryStore
from tests.fakes.virtual_loop import LoopClock, run_virtually

HEAD = {"at_ns": NOON_NS, "boot_ns": 1, "clock": 1}


def notice(code: str) -> Gateway:
    return Gateway(**HEAD, event="notice", gateway="gw-01", run=1, code=code)


def carry() -> tuple[Record, list[bytes]]:
    return Gateway(**HEAD, event="carry", gateway="gw-01", run=1, carry=Content(utf8="{}")), []


def committer(store: MemoryStore, **settings) -> Committer:
    made = CommitSettings(**{"commit_ns": 0, **settings})
    return Committer(
        store,
        store.open(),
        origin=ORIGIN,
        sealer=SEALER,
        entropy=bytes,
        clock=StillClock(),
        carry=carry,
        settings=made,
    )


@asynccontextmanager
async def running(subject: Committer) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(subject.run())
        yield
        await subject.close()


async def test_di_05_settles_in_order_and_only_after_the_commit():
    store = MemoryStore()
    subject = committer(store)
    told: list[tuple[str, int, Outcome]] = []

    def settle(name: str):
        return lambda outcome: told.append((name, store.tree.size, outcome))

    assert subject.append([notice("a")], settle=settle("a")) == 0
    assert subject.append([notice("b"), notice("c")], settle=settle("b")) == 1
    assert told == []
    async with running(subject):
        await subject.committed(2)
    assert told == [("a", 3, Outcome.COMMITTED), ("b", 3, Outcome.COMMITTED)]


async def test_a_parcel_without_records_settles_after_what_came_before_it():
    subject = committer(MemoryStore())
    told: list[str] = []
    subject.append([notice("a")], settle=lambda _: told.append("a"))
    subject.append([], settle=lambda _: told.append("empty"))
    async with running(subject):
        await subject.committed(0)
        subject.append([], settle=lambda _: told.append("idle"))
    assert told == ["a", "empty", "idle"]


async def test_eu_17_full_disk_holds_back_and_then_commits_the_same_bytes(monkeypatch):
    monkeypatch.setattr("gateway.pipeline.committer.DISK_FULL_RETRY_S", 0.0)
    store = MemoryStore()
    subject = committer(store)
    seen: list[bytes] = []
    commit = store.commit

    def watched(frames, side_objects=()):
        seen.append(b"".join(frame.content for frame in frames))
        commit(frames, side_objects)

    monkeypatch.setattr(store, "commit", watched)
    store.fail_next = "full"
    outcomes: list[Outcome] = []
    subject.append([notice("a")], settle=outcomes.append, side_objects=[b"side"])
    async with running(subject):
        await subject.committed(0)
    assert outcomes == [Outcome.COMMITTED]
    assert len(seen) == 2
    assert seen[0] == seen[1], "no size may be sealed twice with other bytes"
    assert list(store.medium.blobs.values()) == [b"side"]


@pytest.mark.parametrize("how", ["doubt", "doubt_applied"])
async def test_di_05_doubt_discards_everything_and_halts(how):
    store = MemoryStore()
    subject = committer(store)
    store.fail_next = how
    outcomes: list[Outcome] = []
    subject.append([notice("a")], settle=outcomes.append)
    run = asyncio.ensure_future(subject.run())  # noqa: TID251 - a task that is expected to fail
    with pytest.raises(LedgerDoubt):
        await subject.committed(0)
    with pytest.raises(LedgerDoubt):
        await run
    assert outcomes == [Outcome.DISCARDED]
    assert subject.halted is not None
    assert store.medium.halted is not None
    with pytest.raises(LedgerDoubt):
        subject.append([notice("b")])


async def test_follow_gives_every_record_once_from_memory_and_from_the_store(monkeypatch):
    monkeypatch.setattr("gateway.pipeline.committer.PIECE_LEAVES", 3)
    medium = Medium()
    first = committer(MemoryStore(medium))
    for number in range(10):
        first.append([notice(f"c{number}")])
    async with running(first):
        await first.committed(9)
    medium.locked = False
    second = committer(MemoryStore(medium))
    second.append([notice("c10")])
    async with running(second):
        size, codes = 0, []
        while size < 11:
            commit = await second.follow(size)
            assert commit is not None
            assert commit.first == size
            codes += [record.code for record in commit.records]
            assert [format_record(record) for record in commit.records] == list(commit.contents)
            size += len(commit.records)
    assert codes == [f"c{number}" for number in range(11)]
    assert await second.follow(11) is None


@pytest.mark.parametrize("parts", [[SEGMENT_ENTRIES - 1, 3], [SEGMENT_ENTRIES, 1], [SEGMENT_ENTRIES - 2, 2, 2]])
async def test_di_13_each_later_segment_opens_with_a_carry(parts):
    store = MemoryStore()
    subject = committer(store, pool_leaves_max=1 << 30, waiting_leaves_max=1 << 30)
    told: list[int] = []
    for part in parts:
        expected = [subject.index_of(n) for n in range(part)]
        first = subject.append([notice(f"{n}") for n in range(part)])
        assert first == expected[0]
        told += expected
    async with running(subject):
        await subject.committed(subject.next_index - 1)
    kinds = [b'"event":"carry"' in entry for entry in store.entries]
    assert [index for index, is_carry in enumerate(kinds) if is_carry] == [SEGMENT_ENTRIES]
    assert sorted([*told, SEGMENT_ENTRIES]) == list(range(sum(parts) + 1))


async def test_back_pressure_opens_again_after_the_commit():
    subject = committer(MemoryStore(), waiting_leaves_max=2)
    subject.append([notice("a"), notice("b")])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(subject.room(), 0.01)
    async with running(subject):
        await asyncio.wait_for(subject.room(), 5)


async def together(*parts: Coroutine[Any, Any, None]) -> None:
    async with asyncio.TaskGroup() as tasks:
        for part in parts:
            tasks.create_task(part)


@pytest.mark.req("AC-03")
async def test_a_doubt_from_outside_stops_the_committer_and_settles_nothing_more():
    store = MemoryStore()
    subject = committer(store, commit_ns=3_600_000_000_000)
    told: list[Outcome] = []
    subject.append([notice("a")], settle=told.append)
    doubt = LedgerDoubt("rollback: ledger ends at 0, witness hq has seen 7")

    async def doubted() -> None:
        await asyncio.sleep(0)
        await subject.halt(doubt)
        await subject.halt(LedgerDoubt("a second doubt changes nothing"))

    with pytest.raises(ExceptionGroup):
        await together(subject.run(), doubted())
    assert (told, subject.halted, subject.size) == ([Outcome.DISCARDED], doubt, 0)
    assert store.medium.halted == {"cause": doubt.text, "code": "", "size": 0}
    with pytest.raises(LedgerDoubt, match="witness hq has seen 7"):
        subject.append([notice("b")])


async def test_a_frame_on_its_way_to_disk_is_not_acknowledged_after_a_doubt_from_outside():
    class Slow(MemoryStore):
        def commit(self, frames, side_objects=()):
            asyncio.run_coroutine_threadsafe(subject.halt(LedgerDoubt("witness")), loop).result()
            self.doubt = None
            super().commit(frames, side_objects)

    loop, store = asyncio.get_running_loop(), Slow()
    subject = committer(store)
    told: list[Outcome] = []
    subject.append([notice("a")], settle=told.append)
    with pytest.raises(LedgerDoubt, match="witness"):
        await subject.run()
    assert (told, subject.size) == ([Outcome.DISCARDED], 0)


def test_di_05_a_slow_disk_begins_commits_earlier_so_that_a_leaf_is_sealed_within_its_interval():
    interval_ns, sync_ns = 10_000_000, 2_000_000
    ages: list[int] = []

    async def story() -> None:
        store, clock = MemoryStore(), LoopClock()
        subject = Committer(
            store,
            store.open(),
            origin=ORIGIN,
            sealer=SEALER,
            entropy=bytes,
            clock=clock,
            carry=carry,
            settings=CommitSettings(commit_ns=interval_ns),
        )
        commit = store.commit

        def slow(frames, side_objects=()):
            clock.offset_ns += sync_ns
            commit(frames, side_objects)

        store.commit = slow
        async with running(subject):
            for number in range(40):
                opened_ns = clock.now().monotonic_ns
                subject.append([notice(str(number))])
                await subject.committed(number)
                ages.append(clock.now().monotonic_ns - opened_ns)

    run_virtually(story())
    assert ages[0] == interval_ns + sync_ns, "nothing is known of the disk yet"
    assert ages[1:] == [interval_ns - sync_ns] * 39, "twice what a commit takes, for a slower one may come"
