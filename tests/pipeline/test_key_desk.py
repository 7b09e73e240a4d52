"""The key desk: rotation with overlap, retirement, revocation by size, and what it refuses; the carry keeps it all."""

from __future__ import annotations

import asyncio

import pytest

from gateway.domain.times import format_time
from gateway.errors import LedgerDoubt, Refused, Unavailable
from gateway.ledger.checkpoint import Checkpoint, format_checkpoint
from gateway.ledger.keys import KeyRing
from gateway.ledger.note import parse_note
from gateway.ledger.policy import Policy, Span
from gateway.ledger.records import Audit, Key, format_record, parse_record
from gateway.pipeline.audit_log import AuditLog
from gateway.pipeline.key_book import KeyBook
from gateway.pipeline.key_desk import DAY_S, OVERLAP_S_MIN, KeyDesk
from gateway.pipeline.key_standing import KeyStanding
from gateway.pipeline.opening import carry, genesis
from gateway.pipeline.stamp import Stamper
from gateway.pipeline.standing import Standing
from tests.fakes.clock import NOON_NS, StillClock
from tests.fakes.journal import FakeJournal
from tests.fakes.keys import FakePlace
from tests.fakes.log import ORIGIN

WEEK_NS = OVERLAP_S_MIN * 1_000_000_000


class Box:
    """A gateway as far as its keys are concerned."""

    def __init__(self, *, publish: bool = True, development: bool = True) -> None:
        self.clock = StillClock()
        self.stamp = Stamper(self.clock, dev=development, run=1, clock_number=1)
        self.places = {"seal": FakePlace("seal", ORIGIN)}
        if publish:
            self.places["publish"] = FakePlace("publish", ORIGIN)
        self.standing = KeyStanding()
        first = self.places["seal"].create()
        clock = parse_record(b'{"v":1,"kind":"clock","at_ns":1,"boot_ns":1,"clock":1,"trigger":"start","run":1,'
            b'"boot_id":"b","raw_ns":1,"state":"synced","source":"none","zone":"UTC","utc_offset_s":0,"tzdata":"2026a"}')  # fmt: skip
        born = genesis(clock, self.stamp, gateway="gw-01", build=None, origin=ORIGIN, key=first.key, sign=first.sign)
        self.standing.apply(born[-1])
        self.book = KeyBook(ORIGIN, self.standing, [first])
        self.journal = FakeJournal(born)
        self.adopted = 0
        self.desk = KeyDesk(
            self.book,
            self.places,
            self.journal,
            self.stamp,
            self.clock,
            AuditLog("UTC", self.stamp, "1"),
            self.adopt,
            development=development,
        )

    async def adopt(self) -> None:
        self.adopted += 1

    async def rotate(self, purpose: str = "seal", overlap_s: int = OVERLAP_S_MIN, **changes):
        given = {"person": "P-1", "terminal": "t", "reason": "a yearly change", "dry_run": False} | changes
        return await self.desk.rotate(purpose, overlap_s, **given)

    async def revoke(self, purpose: str = "seal", key_id: str | None = None, to_size: int = 2, **changes):
        given = {"person": "P-1", "terminal": "t", "reason": "a stolen disk", "dry_run": False} | changes
        return await self.desk.revoke(purpose, key_id, to_size, **given)

    def note(self, size: int) -> bytes:
        """What is published at a size."""
        return self.book.publish(self.book.seal(format_checkpoint(Checkpoint(ORIGIN, size, bytes(32)))))

    def signers(self, size: int) -> list[bytes]:
        return [line.key_id for line in parse_note(self.note(size)).lines]

    def ring(self, policy: Policy | None = None) -> KeyRing:
        """What a verifier believes that has read every record."""
        ring = KeyRing(policy)
        for record in self.journal.records:
            if isinstance(record, Key):
                assert ring.learn(ORIGIN, parse_record(format_record(record))) == ""
        return ring

    def ids(self, purpose: str) -> list[bytes]:
        return [one.key.key_id for one in self.places[purpose].found]


async def test_us_01_a_new_seal_key_seals_beside_the_old_one_until_the_overlap_is_over():
    box = Box()
    told = await box.rotate()
    old, new = box.places["seal"].found
    assert (told["key"].startswith(str(new.key)), told["replaces"]) == (True, str(old.key))
    assert told["retires"] == format_time(NOON_NS + WEEK_NS)
    assert box.signers(told["from_size"]) == box.ids("seal")
    assert box.ring().counting("seal", told["from_size"]) == [old.key, new.key]
    assert box.adopted == 1
    audit = next(one for one in box.journal.records if isinstance(one, Audit))
    assert (audit.operation, audit.outcome, audit.facts, audit.object.id) == (
        "key.rotate", "done", {"approved": False}, str(new.key),
    )  # fmt: skip
    await box.desk.retire_due()
    assert box.signers(told["from_size"]) == box.ids("seal")
    box.clock.advance(WEEK_NS)
    await box.desk.retire_due()
    assert box.signers(1_000) == box.ids("seal")[1:]
    retired = box.journal.records[-1]
    assert (retired.event, retired.to_size) == ("retired", len(box.journal.records) - 1)
    assert box.ring().counting("seal", 1_000) == [new.key]
    assert box.ring(Policy(logs=(old.key,))).counting("seal", 1_000) == [new.key], "the first policy is enough"
    await box.desk.retire_due()
    assert box.journal.records[-1] is retired
    assert [one.endorsed != [] for one in box.journal.records if isinstance(one, Key)] == [True] * 3


async def test_ac_03_a_publish_key_enters_is_replaced_and_ends_by_its_own_word():
    box = Box()
    first = await box.rotate("publish")
    assert "replaces" not in first
    size = first["from_size"]
    publish = box.places["publish"].found[0]
    assert box.signers(size - 1) == box.ids("seal"), "below its size nobody demands it, and nobody signs"
    assert box.signers(size) == [*box.ids("seal"), publish.key.key_id]
    second = await box.rotate("publish", 30 * DAY_S)
    heir = box.places["publish"].found[1]
    assert box.signers(second["from_size"]) == [*box.ids("seal"), *box.ids("publish")]
    box.clock.advance(30 * DAY_S * 1_000_000_000)
    await box.desk.retire_due()
    end = box.journal.records[-1].to_size
    demanding = Policy(logs=(box.places["seal"].found[0].key,), publish=(publish.key,))
    for size in (second["from_size"], end, end + 1):
        assert set(box.ring(demanding).counting("publish", size)) <= {publish.key, heir.key}
        counting = [key.key_id for key in box.ring(demanding).counting("publish", size)]
        assert set(counting) <= set(box.signers(size)), "what is demanded of a size is there"
    assert box.ring(demanding).counting("publish", end + 1_000) == [heir.key]
    assert box.standing.policy_keys().spans == (
        (publish.key, Span(first["from_size"], end)), (heir.key, Span(second["from_size"])),
    )  # fmt: skip


async def test_a_key_that_lies_in_the_place_already_is_taken():
    box = Box()
    prepared = box.places["seal"].create()
    box.places["seal"].open = False
    assert (await box.rotate())["key"].startswith(str(prepared.key))


async def test_us_01_a_revoked_key_counts_for_no_larger_tree():
    box = Box()
    with pytest.raises(Refused, match="is the only key that can seal"):
        await box.revoke()
    await box.rotate()
    old, new = box.places["seal"].found
    with pytest.raises(Refused, match="name one seal key of"):
        await box.revoke()
    told = await box.revoke(key_id=old.key.key_id.hex(), dry_run=True)
    assert told == {"purpose": "seal", "key": str(old.key), "to_size": 2, "dry_run": True}
    told = await box.revoke(key_id=old.key.key_id.hex())
    assert told["ledger_index"] == len(box.journal.records) - 2
    assert box.ring().counting("seal", 3) == []
    assert box.ring().counting("seal", 1_000) == [new.key]
    assert box.signers(1_000) == [new.key.key_id]
    assert box.standing.policy_keys() == Policy(logs=(new.key,), former=(old.key,), spans=((old.key, Span(0, 2)),))
    with pytest.raises(Refused, match="is the only key that can seal"):
        await box.revoke()
    for size in (2, 3, -1, 10**9):
        with pytest.raises(Refused, match="cannot end at size"):
            await box.revoke(key_id=old.key.key_id.hex(), to_size=size)
    await box.rotate("publish")
    box.places["publish"].found[0].mode = "away"
    await box.revoke("publish", to_size=1)
    assert box.standing.in_force("publish") == []
    assert [one.key for one in box.journal.records[-2].endorsed] == [str(new.key)], "a token that is lost says nothing"


@pytest.mark.parametrize("change", [{"overlap_s": OVERLAP_S_MIN - 1}, {"overlap_s": 366 * DAY_S}])
async def test_an_overlap_is_a_week_at_least_and_a_year_at_most(change):
    with pytest.raises(Refused, match="is not between 7 and 365") as refused:
        await Box().rotate(**change)
    assert "revoked instead" in refused.value.remedy


async def test_us_05_without_a_reason_or_a_place_nothing_is_changed():
    box = Box(publish=False)
    for reason in (None, " ", "abc"):
        with pytest.raises(Refused, match="a reason is needed"):
            await box.rotate(reason=reason)
    with pytest.raises(Refused, match=r"keys\.publish is not configured"):
        await box.rotate("publish")
    assert len(box.places["seal"].found) == 1
    assert await box.rotate(dry_run=True) == {
        "purpose": "seal", "where": "keys.seal (memory)", "dry_run": True,
        "replaces": str(box.places["seal"].found[0].key), "overlap_s": OVERLAP_S_MIN,
    }  # fmt: skip
    await box.rotate()
    with pytest.raises(Refused, match="two seal keys are in force already"):
        await box.rotate()


async def test_us_05_until_people_sign_keys_change_in_a_development_ledger_alone():
    box = Box(development=False)
    for act in (box.rotate, box.revoke):
        with pytest.raises(Refused, match="needs an approver") as refused:
            await act()
        assert refused.value.code == "ACC-002"
    assert len(box.places["seal"].found) == 1


async def test_records_that_come_while_a_key_signs_are_no_matter():
    box = Box()
    inner = box.book.enter
    asked: list[int] = []

    def slow(*words):
        asked.append(words[3])
        if len(asked) < 3:
            box.journal.records += [box.journal.records[0]] * 200
        return inner(*words)

    box.book.enter = slow
    told = await box.rotate()
    assert told["from_size"] == asked[-1] >= told["ledger_index"]
    assert len(asked) == 3

    def never(*words):
        box.journal.records += [box.journal.records[0]] * 70_000
        return inner(*words)

    box.book.enter = never
    with pytest.raises(Unavailable, match="records came faster"):
        await box.rotate("publish")


async def test_the_desk_looks_by_itself():
    box = Box()
    await box.rotate()
    box.clock.advance(WEEK_NS)
    task = asyncio.get_running_loop().create_task(box.desk.run())
    while len(box.standing.in_force("seal")) > 1:
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task])


async def test_a_key_whose_successor_was_revoked_is_not_retired():
    box = Box()
    await box.rotate()
    await box.revoke(key_id=box.places["seal"].found[1].key.key_id.hex())
    box.clock.advance(WEEK_NS)
    await box.desk.retire_due()
    assert [one.key for one in box.standing.in_force("seal")] == [box.places["seal"].found[0].key]


async def test_the_carry_of_a_segment_keeps_every_key():
    box = Box()
    await box.rotate()
    await box.rotate("publish")
    await box.revoke(key_id=box.places["seal"].found[0].key.key_id.hex())
    before = Standing(keys=box.standing)
    record, _ = carry(before, box.stamp, "gw-01")
    after = Standing()
    after.apply(65_536, parse_record(format_record(record)))
    assert after.keys.all() == box.standing.all()
    assert list(record.facts) == sorted(record.facts)
    assert Standing().keys.facts() == {}


def test_what_is_no_key_of_checkpoints_is_read_over():
    standing, box = KeyStanding(), Box()
    introduced = box.journal.records[-1]
    assert isinstance(introduced, Key)
    for other in (box.journal.records[0], Key(**{**_fields(introduced), "purpose": "tsa", "key": "AAAA"})):
        standing.apply(other)
    standing.apply(Key(**{**_fields(introduced), "event": "retired", "to_size": 3}))
    assert standing.all() == []


def test_keys_of_the_policy_serve_where_no_record_told_of_them():
    standing, box = KeyStanding(), Box()
    key, late = box.places["seal"].found[0].key, box.places["publish"].create().key
    policy = Policy(logs=(key,), publish=(late,), spans=((late, Span(9)),))
    standing.adopt(policy)
    assert standing.policy_keys() == policy
    assert [(one.purpose, one.from_size) for one in standing.all()] == [("seal", 0), ("publish", 9)]


def test_a_seal_key_that_fails_is_a_doubt():
    box = Box()
    box.places["seal"].found[0].mode = "broken"
    box.book.settle()
    with pytest.raises(LedgerDoubt, match="does not hold"):
        box.book.seal(b"text\n")

    class Odd:
        key = box.places["seal"].found[0].key

        def sign(self, text):
            raise ValueError("no")

    box.book.add(Odd())
    box.book.settle()
    with pytest.raises(LedgerDoubt, match="seal key failed: no"):
        box.book.seal(b"text\n")
    assert box.book.vkey.startswith(str(box.book.key))


def test_what_is_absent_is_named():
    box = Box()
    assert box.book.absent("seal") == []
    bare = KeyBook(ORIGIN, box.standing, [])
    assert [one.key for one in bare.absent("seal")] == [box.places["seal"].found[0].key]


def _fields(record):
    return {name: getattr(record, name) for name in record.__struct_fields__ if name != "kind"}
