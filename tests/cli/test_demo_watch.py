"""The demo's eyes: it reads a ledger that grows without its lock, waits for records, and says why when none comes."""

from __future__ import annotations

import asyncio
import io
import json

import pytest
from rich.console import Console

from gateway.adapters.segment_store import SegmentStore
from gateway.cli.demo_story.acts import ACTS, DOOR, TEMPERATURE, Held
from gateway.cli.demo_story.screen import JsonScreen, clock, status_line
from gateway.cli.demo_story.watch import NotSeen, Watch
from gateway.ledger.records import Reading
from tests.fakes.clock import StillClock
from tests.fakes.log import ORIGIN, SEALER, plan, reading


@pytest.fixture
def store(tmp_path):
    made = SegmentStore(
        tmp_path / "ledger", ORIGIN, StillClock(), vkeys=[SEALER.vkey], check_place=lambda _: None, reserve_bytes=4096
    )
    made.tree = made.open().tree
    yield made
    made.close()


def commit(store, *records: bytes) -> None:
    made = plan(store.tree, records)
    store.commit(made.frames)
    store.tree = made.head


def is_number(n: int):
    return lambda record: isinstance(record, Reading) and record.n == n


async def test_records_are_found_as_they_are_committed(store, tmp_path):
    watch = Watch(tmp_path / "ledger")
    commit(store, reading(1, TEMPERATURE), reading(2, TEMPERATURE))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(watch.run())
        assert (await watch.find("the second", is_number(2), seconds=5)).index == 1
        waiting = tasks.create_task(watch.find("the third", is_number(3), seconds=5))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        commit(store, reading(3, TEMPERATURE))
        assert (await waiting).index == 2
        assert watch.newest[TEMPERATURE].n == 3
        assert [entry.index for entry in watch.select(lambda _: True, after=1)] == [1, 2]
        with pytest.raises(NotSeen, match=r"the first again: not in the ledger after 0 s \(3 records\)"):
            await watch.find("the first again", is_number(1), after=1, seconds=0.1)
        running.cancel()


async def test_who_waits_is_told_when_nothing_more_will_come(tmp_path):
    watch = Watch(tmp_path / "ledger")

    async def end_soon() -> None:
        await asyncio.sleep(0.05)
        await watch.give_up("the gateway ended with -6")

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(end_soon())
        with pytest.raises(NotSeen, match="a record: the gateway ended with -6"):
            await watch.find("a record", is_number(1), seconds=30)


def test_the_report_is_a_json_object_an_act(capsys):
    screen = JsonScreen()
    screen.say("silent")
    screen.acts(ACTS)
    screen.held(ACTS[1], 10.04, Held(214, "batch B-DEMO running"))
    screen.failed(ACTS[2], 50.0, "not open")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["act"], line["at_s"], line["ledger_index"], line["ok"]) for line in lines] == [
        ("batch", 10.0, 214, True),
        ("door", 50.0, None, False),
    ]


async def test_the_living_line_says_value_quality_and_size(store, tmp_path):
    watch = Watch(tmp_path / "ledger")
    commit(store, reading(1, TEMPERATURE, value=-20.5), reading(1, DOOR, value=None, quality="bad"))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(watch.run())
        await watch.find("both", lambda record: record.signal == DOOR, seconds=5)
        running.cancel()
    out = io.StringIO()
    Console(file=out, width=160).print(status_line(75.2, watch, "returned at 1:40"))
    text = out.getvalue()
    assert "1:15" in text
    assert f"{TEMPERATURE} -20.5" in text
    assert f"{DOOR} - bad" in text
    assert "ledger 2" in text
    assert "next: returned at 1:40" in text


def test_demo_time_is_shown_as_minutes_and_seconds():
    assert [clock(at) for at in (0, 9.9, 60, 140)] == ["0:00", "0:09", "1:00", "2:20"]
