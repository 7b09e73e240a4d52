"""Nightly scrub: at two by the plant's clock, made up for when missed, each night's turn once; findings stand in the ledger."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import LedgerDoubt, Unavailable
from gateway.ledger.records import Gateway
from gateway.pipeline.scrubbing import DAY_NS, HOUR_NS, RETRY_S, SETTLED_S, Scrubbing, ScrubSettings, next_night
from gateway.pipeline.stamp import Stamper
from gateway.ports import ScrubFinding, ScrubReport
from tests.fakes.clock import NOON_NS
from tests.fakes.virtual_loop import LoopClock, S, run_virtually

REMEDY = "restore this file from backup or mirror"
DAMAGED = ScrubFinding(file="00000000000000000000.seg", text="FAILED at record 41: content hash differs", remedy=REMEDY)


class FakeScrubber:
    """Finds what it is told to find; keeps what it was asked."""

    def __init__(self, findings=(), errors=()):
        self.findings, self.errors = findings, list(errors)
        self.asked: list[tuple[int, int, float]] = []

    async def scrub_night(self, night, since_ns):
        self.asked.append((night, since_ns, asyncio.get_running_loop().time()))
        if self.errors:
            raise self.errors.pop(0)
        return ScrubReport(
            segments=[0, 65_536], files=2, blobs=1, notes=3, size=131_100, bytes_read=5_000, findings=self.findings
        )


class Kept:
    """The journal as far as this writes into it."""

    def __init__(self):
        self.records = []

    def append(self, records, *, urgent=False):
        self.records += [(record, urgent) for record in records]
        return 0


def run(scrubber, seconds, last=None, offset_ns=0):
    journal = Kept()

    async def story():
        clock = LoopClock(0, "boot-1")
        settings = ScrubSettings("gw-01", lambda _at: offset_ns)

        async def newest():
            return last

        stamp = Stamper(clock, dev=True, run=1, clock_number=1)
        scrubbing = Scrubbing(settings, scrubber, journal, stamp, newest)
        task = asyncio.get_running_loop().create_task(scrubbing.run())
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.wait([task])
        return scrubbing

    return run_virtually(story()), journal.records


@pytest.mark.parametrize("offset_h", [0, 2, -5, 13])
def test_the_night_is_that_of_the_plant(offset_h):
    offset_ns = offset_h * HOUR_NS
    due = next_night(NOON_NS, lambda _at: offset_ns)
    assert (due + offset_ns) % DAY_NS == 2 * HOUR_NS
    assert NOON_NS < due <= NOON_NS + DAY_NS
    assert next_night(due, lambda _at: offset_ns) == due + DAY_NS


def test_di_14_each_night_has_its_own_turn_and_looks_back_to_the_last_one():
    scrubber = FakeScrubber()
    scrubbing, records = run(scrubber, 3 * 86_400)
    assert [night for night, _, _ in scrubber.asked] == [0, 1, 2]
    first, second, _ = scrubber.asked
    assert first[1] <= NOON_NS - DAY_NS + SETTLED_S * S, "the first night reads the whole last day"
    assert second[1] == NOON_NS + int(first[2] * S) - HOUR_NS
    assert [record.event for record, _ in records] == ["scrub"] * 3
    record, urgent = records[0]
    assert isinstance(record, Gateway)
    assert record.facts == {
        "blobs": 1,
        "bytes": 5_000,
        "files": 2,
        "findings": 0,
        "night": 0,
        "notes": 3,
        "segments": [0, 65_536],
        "size": 131_100,
    }
    assert not urgent
    assert scrubbing.report()["files"] == 6


def test_di_14_a_missed_night_is_made_up_for_once_the_run_has_settled():
    scrubber = FakeScrubber()
    run(scrubber, SETTLED_S + 10, last=(NOON_NS - 5 * DAY_NS, 7))
    assert [(night, since) for night, since, _ in scrubber.asked] == [(8, NOON_NS - 5 * DAY_NS - HOUR_NS)]
    fresh = FakeScrubber()
    run(fresh, SETTLED_S + 10, last=(NOON_NS - HOUR_NS, 7))
    assert fresh.asked == []


def test_di_14_a_finding_is_a_record_at_once_and_stands_on_the_page():
    scrubbing, records = run(FakeScrubber([DAMAGED]), 86_400)
    record, urgent = records[0]
    assert urgent
    assert record.facts["findings"] == 1
    assert record.facts["finding"] == [DAMAGED.text]
    assert record.facts["finding_file"] == [DAMAGED.file]
    assert scrubbing.report()["damaged"] == [DAMAGED.text]


def test_a_scrub_that_could_not_be_done_is_tried_again_and_takes_the_same_turn():
    scrubber = FakeScrubber(errors=[Unavailable("scrub_child ended with -9: ")])
    _, records = run(scrubber, 86_400)
    assert [night for night, _, _ in scrubber.asked] == [0, 0]
    assert scrubber.asked[1][2] - scrubber.asked[0][2] >= RETRY_S
    assert len(records) == 1


def test_damage_that_sealing_finds_is_recorded_without_a_night():
    journal = Kept()

    async def story():
        clock = LoopClock(0, "boot-1")

        async def newest():
            return None

        scrubbing = Scrubbing(
            ScrubSettings("gw-01", lambda _at: 0),
            FakeScrubber(),
            journal,
            Stamper(clock, dev=True, run=1, clock_number=1),
            newest,
        )
        scrubbing.damaged(LedgerDoubt("damaged: 00000000000000000000.seg offset 5: CRC differs", remedy=REMEDY))

    run_virtually(story())
    [(record, urgent)] = journal.records
    assert urgent
    assert record.facts["finding_file"] == ["00000000000000000000.seg"]
    assert "night" not in record.facts
