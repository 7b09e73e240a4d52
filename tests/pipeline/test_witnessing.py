"""Witnessing: cosignatures in the order of the policy, anchors, the queue while offline, stale notices, and what halts."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import DiskFull, EvidenceRefused, LedgerDoubt
from gateway.ledger.checkpoint import parse_checkpoint
from gateway.ledger.crypto import verify_line
from gateway.ledger.note import add_lines, parse_note
from gateway.ledger.records import Batch, Gateway
from gateway.ledger.witness import cosigners_of
from gateway.ports import WitnessMemory
from tests.fakes.grown_log import GrownLog
from tests.fakes.log import NOON_NS, SEALER
from tests.fakes.witness import FakeWitness
from tests.pipeline.witness_bench import Bench, Keep, S, bench


async def test_the_published_checkpoint_carries_cosignatures_in_the_order_of_the_policy():
    subject = bench(3)
    async with subject.life():
        await subject.publish()
    names = [line.name for line in parse_note(subject.checkpoint).lines]
    assert names == [SEALER.key.name, "witness.example/0", "witness.example/1", "witness.example/2"]
    assert cosigners_of(subject.checkpoint, subject.policy, verify_line) == {one.key for one in subject.witnesses}
    assert [one.asked for one in subject.witnesses] == [[0], [0], [0]]


async def test_growth_is_proved_from_the_size_cosigned_last():
    subject = bench()
    async with subject.life():
        await subject.publish()
        await subject.publish(4)
        await subject.publish(1)
    assert subject.witnesses[0].asked == [0, 3, 7]
    assert subject.subject.heads.witnessed == 8


async def test_a_lost_answer_is_learned_from_the_size_that_the_witness_names():
    subject = bench()
    subject.witnesses[0].fail_next.append("lost")
    async with subject.life():
        await subject.publish()
        assert subject.subject.heads.witnessed == 0
        await subject.publish(2)
    assert subject.witnesses[0].asked == [0, 0, 3]
    assert subject.subject.heads.witnessed == 5
    assert subject.halted == []


@pytest.mark.parametrize(("count", "needed"), [(1, 1), (2, 2), (3, 2), (5, 3)])
async def test_an_anchor_needs_a_majority(count, needed):
    subject = bench(count)
    for one in subject.witnesses[needed - 1 :]:
        one.down = True
    async with subject.life():
        await subject.publish()
        assert (subject.anchors, subject.subject.best_note(3)) == ([], None)
        subject.witnesses[-1].down = False
        await subject.publish(1)
    assert [one.size for one in subject.anchors] == [4]
    anchor = subject.anchors[0]
    assert anchor.note.encode() == subject.checkpoint
    assert anchor.root == subject.log.checkpoint().root.hex()
    assert len(cosigners_of(anchor.note.encode(), subject.policy, verify_line)) == needed
    assert subject.subject.best_note(4) == (4, subject.checkpoint)
    assert subject.subject.best_note(5) is None


async def test_the_newest_anchor_is_told_by_the_index_it_will_have():
    subject = bench()
    told: list[int] = []
    subject.subject.on_anchor = told.append
    async with subject.life():
        await subject.publish()
        await asyncio.sleep(0.02)
    assert [subject.journal.records[index].kind for index in told] == ["anchor"]


async def test_cosignatures_of_different_heads_make_no_quorum():
    subject = bench(3)
    subject.witnesses[1].fail_next = ["503"]
    subject.witnesses[2].fail_next = ["503", "503"]
    async with subject.life():
        await subject.publish()
        subject.witnesses[0].down = True
        await subject.publish(1)
        assert (subject.subject.heads.witnessed, subject.anchors) == (0, [])
        await subject.publish(1)
    assert subject.subject.heads.witnessed == 5


async def test_anchors_come_once_a_minute_and_at_once_at_the_end_of_a_batch():
    subject = bench()
    async with subject.life():
        await subject.publish()
        await subject.publish(1)
        subject.clock.advance(59 * S)
        await subject.publish(1)
        assert [one.size for one in subject.anchors] == [3]
        subject.clock.advance(1 * S)
        await subject.publish(1)
        assert [one.size for one in subject.anchors] == [3, 6]
        head = {"at_ns": NOON_NS, "boot_ns": 1, "clock": 1}
        subject.journal.append([Batch(**head, event="end", batch="B-1", revision=2)])
        await asyncio.sleep(0.02)
        await subject.publish(1)
        await subject.publish(1)
    assert [one.size for one in subject.anchors] == [3, 6, 7]


async def test_offline_the_newest_alone_waits_and_nothing_is_held_up(monkeypatch):
    monkeypatch.setattr("gateway.pipeline.witnessing.RETRY_S", 0.01)
    subject = bench()
    async with subject.life():
        await subject.publish()
        subject.witnesses[0].down = True
        for _ in range(12):
            await subject.publish(1)
        assert parse_checkpoint(parse_note(subject.checkpoint).text).size == 15, "publishing goes on"
        assert cosigners_of(subject.checkpoint, subject.policy, verify_line) == set()
        subject.witnesses[0].down = False
        subject.witnesses[0].asked.clear()
        subject.witnesses[0].sizes.clear()
        await asyncio.sleep(0.1)
    assert (subject.witnesses[0].asked, subject.witnesses[0].sizes) == ([3], [15]), "one question, about the newest"
    assert subject.subject.heads.witnessed == 15


async def test_al_10_no_quorum_is_said_after_60_s_and_15_min_and_when_it_is_back():
    subject = bench()
    async with subject.life():
        await subject.publish()
        subject.witnesses[0].down = True
        await subject.publish(2)
        subject.clock.advance(59 * S)
        subject.subject.look()
        assert subject.notices == []
        subject.clock.advance(1 * S)
        subject.subject.look()
        subject.clock.advance(60 * S)
        await subject.publish(2)
        subject.subject.look()
        await asyncio.sleep(0.01)
        assert (subject.notices, subject.subject.level) == (["witness_stale"], "alert")
        subject.clock.advance(780 * S)
        subject.subject.look()
        await asyncio.sleep(0.01)
        subject.witnesses[0].down = False
        await subject.publish(2)
        subject.subject.look()
        await asyncio.sleep(0.01)
    told = [(one.code, one.facts) for one in subject.journal.records if isinstance(one, Gateway)]
    assert told == [
        ("witness_stale", {"level": "alert", "published": 5, "seconds": 60, "witnessed": 3}),
        ("witness_stale", {"level": "action", "published": 7, "seconds": 900, "witnessed": 3}),
        ("witness_quorum", {"from_size": 3, "to_size": 9}),
    ]


@pytest.mark.parametrize(
    ("how", "text", "counts"),
    [
        ("403", "witness w0 refused: 403 as asked for", {"403": 4}),
        ("foreign", "witness w0 answered 200 without a cosignature", {"200": 3}),
    ],
)
async def test_a_refusal_is_recorded_once_until_the_witness_cosigns_again(how, text, counts):
    subject = bench()
    subject.witnesses[0].fail_next = [how] * 3
    async with subject.life():
        for _ in range(5):
            await subject.publish(1)
        subject.witnesses[0].fail_next = [how]
        await subject.publish(1)
    assert subject.notices == ["witness_refused", "witness_refused"]
    notice = next(one for one in subject.journal.records if isinstance(one, Gateway))
    assert notice.facts["answer"].startswith(text)
    assert subject.memory.notes["w0"].refusals == counts


async def test_ac_03_a_witness_that_has_seen_more_halts_the_run():
    subject = bench(1, 3, 4)
    subject.witnesses[0].kept[SEALER.key.name] = GrownLog(3, 4, 5).note
    async with subject.life():
        await subject.publish()
    assert [one.text for one in subject.halted] == ["rollback: ledger ends at 7, witness w0 has seen 12"]
    assert subject.anchors == []


@pytest.mark.parametrize("seen", [(3, 4), (3, 2)])
async def test_ac_03_a_witness_that_has_seen_another_tree_halts_the_run(seen):
    subject = bench(1, 3, 4)
    subject.witnesses[0].kept[SEALER.key.name] = GrownLog(*seen, first=100).note
    async with subject.life():
        await subject.publish()
    assert len(subject.halted) == 1
    assert subject.halted[0].text.startswith("fork: witness w0 holds another history at size ")
    assert cosigners_of(subject.checkpoint, subject.policy, verify_line) == set()


async def test_a_witness_that_denies_its_own_cosignature_is_a_notice_and_no_halt():
    subject = bench()
    async with subject.life():
        await subject.publish()
        subject.witnesses[0].fail_next = ["422"]
        await subject.publish(1)
        await subject.publish(1)
    assert subject.halted == []
    assert subject.notices == ["witness_disagrees"]
    assert subject.subject.heads.witnessed == 5


async def test_ac_03_at_start_nothing_is_appended_when_a_witness_has_seen_more():
    subject = bench(2, 3, 4)
    subject.witnesses[0].down = True
    subject.witnesses[1].kept[SEALER.key.name] = GrownLog(3, 4, 5).note
    with pytest.raises(LedgerDoubt, match="rollback: ledger ends at 7, witness w1 has seen 12"):
        await subject.subject.check_start(7, subject.log.note)
    assert subject.log.store.medium.halted == {"cause": "rollback: ledger ends at 7, witness w1 has seen 12", "size": 7}
    assert subject.journal.records == []


async def test_ac_03_at_start_what_a_witness_cosigned_before_is_known_without_a_network():
    before = bench(1, 3, 4)
    async with before.life():
        await before.publish()
    cut = Bench(GrownLog(3), before.witnesses, before.memory)
    cut.witnesses[0].down = True
    with pytest.raises(LedgerDoubt, match="ledger ends at 3, witness w0 has seen 7"):
        await cut.subject.check_start(3, cut.log.note)
    fork = Bench(GrownLog(3, 4, 5, first=100), before.witnesses, before.memory)
    with pytest.raises(LedgerDoubt, match=r"fork: size 7 has root \w{8}, witness w0 cosigned "):
        await fork.subject.check_start(12, fork.log.note)
    whole = Bench(GrownLog(3, 4, 5), before.witnesses, before.memory)
    await whole.subject.check_start(12, whole.log.note)


@pytest.mark.parametrize("spoil", ["no note", "foreign key", "foreign seal"])
async def test_a_memory_that_is_not_of_this_log_and_this_witness_is_passed_over(spoil):
    before = bench(1, 3, 4)
    async with before.life():
        await before.publish()
    note = parse_note(before.memory.notes["w0"].note.encode())
    seals = [line for line in note.lines if line.name == SEALER.key.name]
    lines = [line for line in note.lines if line.name != SEALER.key.name]
    kept = {
        "no note": b"x",
        "foreign key": add_lines(note.text + b"\n", seals),
        "foreign seal": add_lines(note.text + b"\n", lines),
    }
    memory = Keep()
    memory.keep("w0", WitnessMemory(note=kept[spoil].decode()))
    cut = Bench(GrownLog(3), [FakeWitness(0)], memory)
    await cut.subject.check_start(3, cut.log.note)
    assert cut.subject.heads.witnessed == 3


async def test_what_the_start_had_to_say_is_recorded_after_the_start_itself():
    subject = bench()
    await subject.subject.check_start(3, subject.log.note)
    assert subject.journal.next_index == 0, "nothing before the records of the start"
    async with subject.life():
        await asyncio.sleep(0.02)
    assert [one.size for one in subject.anchors] == [3]


async def test_silence_at_start_stops_nobody():
    subject = bench()
    subject.witnesses[0].down = True
    await subject.subject.check_start(3, subject.log.note)
    assert subject.subject.standing["w0"].memory.said == "witness w0 does not answer: ConnectionRefusedError"


async def test_an_export_waits_for_a_quorum_over_its_head_and_not_for_ever():
    subject = bench()
    async with subject.life():
        await subject.publish()
        subject.log.grow(2)
        assert await subject.subject.covering(5, 2.0) == (5, subject.checkpoint)
        subject.witnesses[0].down = True
        subject.log.grow(2)
        assert await subject.subject.covering(7, 0.05) is None


async def test_a_disk_that_keeps_no_memory_holds_nobody_up():
    subject = bench()

    def full(_name: str, _memory: WitnessMemory) -> None:
        raise OSError(28, "No space left on device")

    subject.memory.keep = full
    async with subject.life():
        await subject.publish()
    assert subject.subject.heads.witnessed == 3


async def test_a_tile_that_gives_no_proof_is_a_notice_and_stale_follows(monkeypatch):
    monkeypatch.setattr("gateway.pipeline.witnessing.LOOK_S", 0.01)
    subject = bench()
    async with subject.life():
        await subject.publish()
        nodes = subject.log.store.nodes

        def damaged(size: int):
            raise EvidenceRefused(f"tiles of size {size} do not have the root of the checkpoint")

        subject.log.store.nodes = damaged
        await subject.publish(1)
        subject.clock.advance(60 * S)
        await asyncio.sleep(0.05)
        subject.log.store.nodes = nodes
        await subject.publish(1)
        await asyncio.sleep(0.05)
    assert subject.notices == ["witness_refused", "witness_stale", "witness_quorum"]
    assert subject.halted == []


@pytest.mark.parametrize("error", [DiskFull("no space left for checkpoint"), LedgerDoubt("checkpoint: write failed")])
async def test_a_disk_that_does_not_take_the_cosigned_note(error):
    subject = bench()
    publish = subject.log.store.publish

    def refuse(note: bytes, size: int) -> None:
        if len(parse_note(note).lines) > 1:
            raise error
        publish(note, size)

    subject.log.store.publish = refuse
    async with subject.life():
        await subject.publish()
    full = isinstance(error, DiskFull)
    assert subject.halted == ([] if full else [error])
    assert [one.size for one in subject.anchors] == ([3] if full else [])


async def test_ac_03_a_proof_of_our_own_that_does_not_hold_halts():
    subject = bench()
    async with subject.life():
        await subject.publish()
        subject.log.grow(2)
        subject.log.store.leaves[4] = bytes(32)
        await subject.publish()
    assert [one.text.split(":")[0] for one in subject.halted] == ["our own proof from 3 to 5 does not hold"]
    assert subject.witnesses[0].asked == [0], "nothing of it leaves the box"
