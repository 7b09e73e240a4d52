"""Batch facts of sources: recorded with their effect before they are folded, answered after the commit, never doubled."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from msgspec import UNSET

from gateway.domain.batch import Batches, Rolls
from gateway.domain.batch_plan import HOUR_NS, BatchSettings
from gateway.domain.plan import Node
from gateway.ledger.records import Batch, Quarantine
from gateway.pipeline.batch_book import BatchBook
from gateway.pipeline.batch_records import judged_of
from gateway.pipeline.intake import Intake
from gateway.pipeline.stamp import Stamper
from gateway.pipeline.standing import Standing
from gateway.ports import Fact, Outcome, Parcel
from tests.fakes.clock import StillClock
from tests.pipeline.test_intake import NOON_NS, Notebook, plan

NODES = {
    "R-1": Node(id="R-1", level="room", name="Room"),
    "BR-1": Node(id="BR-1", level="unit", name="Reactor", room="R-1"),
}
MINUTE = 60_000_000_000
ZERO_NS = NOON_NS - 60 * MINUTE


class Line:
    """An intake with a batch book, on a journal that commits when told."""

    def __init__(self, journal: Notebook | None = None, *, auto_create: bool = True) -> None:
        self.journal = journal or Notebook()
        self.clock = StillClock(NOON_NS)
        stamp = Stamper(self.clock, dev=True, run=1, clock_number=0)
        settings = BatchSettings(auto_create=frozenset({"mes"} if auto_create else ()))
        self.book = BatchBook(settings, NODES, Rolls(60, 60), stamp)
        self.intake = Intake(
            plan(), Standing(), self.journal, self.journal, stamp, early={}, batches=self.book
        )  # fmt: skip
        self.answers: list[dict[str, Any]] = []
        self.settled: list[Outcome] = []

    def start(self) -> None:
        for index, record in enumerate(self.journal.records):
            if isinstance(record, Batch):
                self.book.note(index, record)
        self.book.open()

    async def say(self, act: str, minute: int, *, batch: str = "B-1", key: str | None = None, **more: Any) -> None:
        told = {
            "adapter": "mes",
            "batch": batch,
            "act": act,
            "effective_ns": ZERO_NS + minute * MINUTE,
            "basis": "source",
        }
        told |= {"key": key or f"{batch}:{act}:{minute}"} | more
        fact = Fact(
            kind="batch", address="mes/batch", content=json.dumps(told).encode(), detail=told, answer=self.answers.append
        )  # fmt: skip
        await self.intake.offer(
            Parcel(source="line1", incarnation=1, epoch=1, position=1, facts=(fact,), settle=self.settled.append)
        )

    def batches(self) -> list[tuple[str, str, str]]:
        return [(r.batch, r.event, r.effect) for r in self.journal.records if isinstance(r, Batch)]


@pytest.fixture
def line() -> Line:
    made = Line()
    made.start()
    return made


async def test_batch_starts_and_ends_by_its_machine_within_one_commit(line):
    await line.say("start", 0, nodes=[{"node": "BR-1"}], header={"product": "mAb"}, client="C-014")
    await line.say("end", 30)
    assert line.batches() == [("B-1", "start", "applied"), ("B-1", "end", "applied")]
    start = line.journal.records[0]
    assert (start.adapter, start.event_key, start.client, start.header) == (
        "mes", "B-1:start:0", "C-014", {"product": "mAb"},
    )  # fmt: skip
    assert [(n.node, n.room) for n in start.nodes] == [("BR-1", "R-1")]
    assert (start.person, start.revision) == (UNSET, 1)
    assert json.loads(start.evidence.utf8)["act"] == "start"
    (member,) = line.book.batches.batches_at(["R-1"], ZERO_NS, ZERO_NS + 1)
    assert (member.from_ns, member.to_ns) == (ZERO_NS, ZERO_NS + 30 * MINUTE)


async def test_answer_and_acknowledgement_wait_for_the_commit(line):
    await line.say("start", 0, nodes=[{"node": "BR-1"}], key="k1")
    assert (line.answers, line.settled) == ([], [])
    line.journal.commit()
    assert line.settled == [Outcome.COMMITTED]
    assert line.answers == [{"event_key": "k1", "ledger_index": 0, "effect": "applied"}]


async def test_end_before_start_waits_and_is_applied_in_order_of_its_time(line):
    await line.say("end", 30)
    await line.say("start", 0, nodes=[{"node": "BR-1"}])
    assert line.batches() == [("B-1", "end", "pending"), ("B-1", "start", "applied"), ("B-1", "end", "applied")]
    assert line.book.batches.batch("B-1").ended_ns == ZERO_NS + 30 * MINUTE


async def test_same_key_is_recorded_once_also_after_a_restart(line):
    await line.say("start", 0, nodes=[{"node": "BR-1"}], key="k1")
    await line.say("start", 0, nodes=[{"node": "BR-1"}], key="k1")
    again = Line(line.journal)
    again.start()
    await again.say("start", 0, nodes=[{"node": "BR-1"}], key="k1")
    again.journal.commit()
    assert line.batches() == [("B-1", "start", "applied")]
    assert [one["ledger_index"] for one in line.answers + again.answers] == [0, 0, 0]
    assert again.settled == [Outcome.COMMITTED]


async def test_another_account_of_the_same_act_corroborates_and_a_different_one_conflicts(line):
    await line.say("start", 0, nodes=[{"node": "BR-1"}])
    await line.say("start", 0, nodes=[{"node": "BR-1"}], key="other")
    await line.say("start", 5, nodes=[{"node": "BR-1"}])
    assert [effect for _, _, effect in line.batches()] == ["applied", "repeat", "conflict"]


@pytest.mark.parametrize(
    ("more", "code"),
    [({"nodes": [{"node": "BR-9"}]}, "BAT-001"), ({"minute": 62}, "BAT-004"), ({"key": "used"}, "BAT-003")],
)
async def test_what_nobody_can_place_is_quarantined_with_its_code_and_acknowledged(line, more, code):
    await line.say("start", 0, batch="B-0", key="used", nodes=[{"node": "BR-1"}])
    await line.say("start", **({"minute": 0} | more))
    line.journal.commit()
    told = line.journal.records[-1]
    assert isinstance(told, Quarantine)
    assert (told.reason, told.facts["code"], told.facts["batch"]) == ("no_binding", code, "B-1")
    assert line.settled == [Outcome.COMMITTED] * 2
    assert (line.answers[-1]["effect"], line.answers[-1]["ledger_index"]) == ("refused", 1)


async def test_nothing_is_judged_before_the_past_is_known():
    line = Line()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(line.say("start", 0), 0.05)
    assert line.batches() == []


async def test_long_evidence_is_a_side_object(line):
    await line.say("start", 0, nodes=[{"node": "BR-1"}], filler="x" * 60_000)
    (side,) = line.journal.side_objects
    assert line.journal.records[0].evidence.len == len(side)


async def test_waiting_event_becomes_a_conflict_when_its_window_has_passed(line):
    line = Line(auto_create=False)
    line.start()
    await line.say("end", 0)
    assert line.book.expired(NOON_NS + 24 * HOUR_NS - 1, line.journal.index_of) == ()
    expired = line.book.expired(NOON_NS + 24 * HOUR_NS, line.journal.index_of)
    assert [(r.event, r.effect, r.facts["remark"]) for r in expired] == [
        ("end", "conflict", "no counterpart within 24 h")
    ]
    assert line.book.expired(NOON_NS + 25 * HOUR_NS, line.journal.index_of) == ()


async def test_book_taken_in_ahead_is_the_fold_of_what_was_written(line):
    await line.say("end", 30)
    await line.say("start", 0, nodes=[{"node": "BR-1"}])
    await line.say("start", 1, batch="B-2", nodes=[{"node": "BR-1", "use": "storage"}])
    folded = Batches(Rolls(60, 60))
    for index, record in enumerate(line.journal.records):
        folded.apply(judged_of(record))
        line.book.note(index, record)
    assert folded.batches() == line.book.batches.batches()
