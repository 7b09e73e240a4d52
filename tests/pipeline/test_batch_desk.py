"""The batch desk: one key one answer, also after power loss; what cannot be is refused by name and changes nothing."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from gateway.domain.batch_event import NodeUse
from gateway.errors import LedgerDoubt, Refused
from gateway.ledger.records import Audit, Batch, ObjectRef
from tests.fakes.virtual_loop import S, run_virtually
from tests.pipeline.plant_laws import check_laws
from tests.pipeline.plant_life import NODES, Life, Plant, epoch
from tests.pipeline.test_judge_stories import _iso as iso

F1 = (NodeUse(node="FRZ-1"),)


def batches(plant: Plant) -> list[Batch]:
    return [one for one in check_laws(plant) if isinstance(one, Batch)]


def test_the_same_key_and_content_is_answered_alike_also_after_a_restart():
    plant = Plant()

    async def tell() -> list:
        async with Life(plant) as life:
            return [await life.batch("B-1", "start", "k1", nodes=F1, client="C-1") for _ in range(2)]

    (first, new), (again, replayed) = run_virtually(tell())
    assert (new, replayed) == (False, True)
    assert first == again
    after = run_virtually(tell())
    assert after == [(first, True)] * 2
    [record] = batches(plant)
    assert plant.records()[first["ledger_index"]] == record


@pytest.mark.parametrize("frames", range(4))
def test_an_event_that_was_not_answered_is_told_again_and_recorded_once(frames):
    plant = Plant()

    async def tell(cut: int | None) -> None:
        async with Life(plant) as life:
            await life.level()
            life.store.frames_left = cut
            task = asyncio.get_running_loop().create_task(life.batch("B-1", "start", "k1", nodes=F1))
            done, _ = await asyncio.wait([task], timeout=5)
            if not done:
                task.cancel()
            elif not isinstance(task.exception(), LedgerDoubt | None):
                raise AssertionError(task.exception())

    run_virtually(tell(frames))
    run_virtually(tell(None))
    assert [one.effect for one in batches(plant)] == ["applied"]


def test_two_at_once_with_one_key_are_one_event():
    plant = Plant()

    async def tell() -> list:
        async with Life(plant) as life, asyncio.TaskGroup() as tasks:
            made = [tasks.create_task(life.batch("B-1", "start", "k1", nodes=F1)) for _ in range(3)]
            await asyncio.wait(made)
            return [one.result() for one in made]

    answers = run_virtually(tell())
    assert sorted(replayed for _, replayed in answers) == [False, True, True]
    assert len({answer["ledger_index"] for answer, _ in answers}) == 1
    assert len(batches(plant)) == 1


MOBILE = msgspec.structs.replace(NODES["FRZ-2"], id="MOB-1", mobile=True, room=None)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("BAT-001", {"act": "start", "key": "k2", "nodes": (NodeUse(node="FRZ-9"),)}),
        ("BAT-003", {"act": "end", "key": "k1"}),
        ("BAT-004", {"act": "end", "key": "k2", "effective_time": 120}),
        ("BAT-007", {"act": "start", "key": "k2", "nodes": (NodeUse(node="MOB-1"),)}),
    ],
)
def test_what_nobody_can_place_is_refused_and_changes_nothing(code, told):
    running = epoch(1)
    nodes = {**NODES, "MOB-1": MOBILE}
    plant = Plant(msgspec.structs.replace(running, plan=msgspec.structs.replace(running.plan, nodes=nodes)))

    async def tell() -> tuple[str, int]:
        async with Life(plant) as life:
            await life.batch("B-1", "start", "k1", nodes=F1)
            before = life.committer.next_index
            given = dict(told)
            if "effective_time" in given:
                given["effective_time"] = iso(life.now_ns() + given["effective_time"] * S)
            act, key = given.pop("act"), given.pop("key")
            with pytest.raises(Refused) as refused:
                await life.batch("B-1", act, key, **given)
            return refused.value.code, life.committer.next_index - before

    assert run_virtually(tell()) == (code, 0)
    assert len(batches(plant)) == 1


def test_ba_05_an_end_before_its_start_waits_and_is_placed_when_the_start_comes():
    plant = Plant()

    async def tell() -> list:
        async with Life(plant) as life:
            # a batch nobody created: an end has nothing to end yet
            ended = await life.batch("B-1", "end", "k2", effective_time=iso(life.now_ns() - 60 * S))
            started = await life.batch("B-1", "start", "k1", effective_time=iso(life.now_ns() - 600 * S), nodes=F1)
            shown = life.desk.show("B-1")
            return [ended[0]["effect"], started[0]["effect"], started[0]["state"], shown["to"] is not None]

    assert run_virtually(tell()) == ["pending", "applied", "ended", True]
    assert [(one.event, one.effect) for one in batches(plant)] == [
        ("end", "pending"),
        ("start", "applied"),
        ("end", "applied"),
    ]


def test_ac_05_refusals_and_exports_are_audit_records():
    plant = Plant()

    async def tell() -> None:
        async with Life(plant) as life:
            await life.desk.refused("batch.create", "M-1", "10.0.0.8", "AUT-002")
            await life.desk.exported(ObjectRef(kind="batch", id="B-1"), "M-1", "10.0.0.8", b"zip")

    run_virtually(tell())
    refused, exported = (one for one in check_laws(plant) if isinstance(one, Audit))
    assert (refused.operation, refused.outcome, refused.person) == ("batch.create", "refused:AUT-002", "M-1")
    assert (exported.operation, exported.outcome, exported.facts["bundle_bytes"]) == ("bundle.export", "done", 3)
    assert refused.correlation != exported.correlation
