"""The act of disposal: recorded and seen by others before a file goes; refused, or gone on with, where that cannot be (US-04)."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from gateway.domain.batch import Rolls
from gateway.errors import Refused, Unavailable
from gateway.ledger.records import Audit, Gateway
from gateway.pipeline.audit_log import AuditLog
from gateway.pipeline.fold import Fold
from gateway.pipeline.pruning import PruneSettings, Pruning
from gateway.pipeline.stamp import Stamper
from tests.fakes.virtual_loop import LoopClock, run_virtually
from tests.pipeline.plant_life import Life, Plant, epoch, rule
from tests.pipeline.test_prune_plan import GROUND, SEGMENT

ROOT = bytes(range(32))


class World:
    """Journal, ground and disk as far as pruning asks them; ``log`` is what happened, in order."""

    def __init__(self, ground=GROUND):
        self.given = ground
        self.records = []
        self.log = []
        self.first = 0
        self.unseen = ""
        self.open = None

    async def ground(self):
        return self.given

    async def decided(self):
        return self.open

    def explaining(self):
        return ["config"], [b"file"]

    def judged(self):
        return 131_000

    def index_of(self, nth):
        return 200_000 + nth

    def append(self, records, *, side_objects=(), urgent=False):
        assert urgent
        self.log.append("append")
        self.records += records
        self.side_objects = side_objects

    async def committed(self, index):
        self.log.append(f"committed {index}")

    async def covered(self, size):
        self.log.append(f"covered {size}")
        return self.unseen

    def first_index(self):
        return self.first

    def root_at(self, size):
        assert size == 2 * SEGMENT
        return ROOT

    def remove(self, stop, record):
        self.log.append(f"remove {stop} {record}")
        self.first = stop
        return 5_000_000


def ask(world, *, development=True, **given):
    clock = LoopClock(0, "boot-1")
    stamp = Stamper(clock, dev=True, run=1, clock_number=1)

    async def story():
        pruning = Pruning(
            PruneSettings("gw-01", development),
            world,
            world,
            world,
            stamp,
            AuditLog("UTC", stamp, "1.0.0"),
            world.covered,
            asyncio.Lock(),
            lambda: world.log.append("told"),
        )
        return await pruning.prune("P-1", "local", given.get("reason", "list 7"), dry_run=given.get("dry_run", False))

    return run_virtually(story())


def test_us_04_the_record_is_durable_and_seen_before_the_first_file_goes():
    world = World()
    told = ask(world)
    assert told == {"first": 0, "last": 131_071, "count": 131_072, "record": 200_001, "bytes": 5_000_000}
    assert world.log == ["append", "committed 200002", "covered 200002", "remove 131072 200001", "told"]
    config, pruned, audit = world.records
    assert config == "config"
    assert isinstance(pruned, Gateway)
    assert pruned.dev is True
    assert pruned.facts == {
        "approval": "off",
        "batches": ["B-1"],
        "count": 131_072,
        "first": 0,
        "judged": 131_000,
        "last": 131_071,
        "person": "P-1",
        "policy": "site-01 us-drug",
        "root": ROOT.hex(),
        "signatures": 0,
    }
    assert isinstance(audit, Audit)
    assert (audit.operation, audit.reason, audit.object.id) == ("ledger.prune", "list 7", "0..131071")


def test_us_04_what_others_have_not_seen_stays_and_the_next_act_goes_on_from_the_record():
    world = World()
    world.unseen = "no quorum of witnesses has cosigned it yet"
    with pytest.raises(Unavailable, match="recorded as 200,001, nothing removed: no quorum"):
        ask(world)
    assert not any(step.startswith("remove") for step in world.log)
    world.log.clear()
    world.unseen, world.open = "", (2 * SEGMENT, 200_001)
    assert ask(world)["record"] == 200_001
    assert world.log == ["covered 200002", "remove 131072 200001", "told"]


def test_us_04_a_dry_run_says_what_would_go_and_does_nothing():
    world = World()
    told = ask(world, dry_run=True, reason=None)
    assert told["batches"] == ["B-1"]
    assert told["stays"] == "keep until 2031-05-01 (eu-gmp)"
    assert (world.log, world.records) == ([], [])


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"development": False}, "ACC-002"),
        ({"reason": None}, "SIG-006"),
        ({"reason": " a "}, "SIG-006"),
    ],
)
def test_us_04_disposal_needs_two_people_or_development_and_always_a_reason(given, code):
    world = World()
    with pytest.raises(Refused) as refused:
        ask(world, **given)
    assert refused.value.code == code
    assert world.log == []


def test_us_04_without_a_rule_nothing_is_pruned():
    with pytest.raises(Refused, match=r"keep without end \(no rule from recorded_on\); nothing removed") as refused:
        ask(World(replace(GROUND, site={})))
    assert refused.value.code == "RET-001"


def folded(plant, records):
    fold = Fold(plant.running, plant.understand, Rolls(0, 0), lambda _: None)
    for index, record in records:
        fold.take(index, record)
    return fold


def carry_of(plant, record):
    return Gateway(
        at_ns=record.at_ns, boot_ns=record.boot_ns, clock=1, event="carry", gateway="gw-01", run=1,
        config=plant.running.plan.config,
    )  # fmt: skip


def test_us_04_a_breach_over_the_cut_is_not_found_anew_and_what_comes_after_is():
    plant = Plant(epoch(1, rule(on_delay_s=0)))

    async def story():
        async with Life(plant) as life:
            await life.level()
            for value in (5.0, 9.0, 9.0, 9.0, 5.0):
                await life.say("FRZ-1/temp", value)
                await asyncio.sleep(40)
            await life.level()

    run_virtually(story())
    records = list(enumerate(plant.records()))
    breach = [index for index, one in records if getattr(one, "value", None) == 9.0]
    cut = breach[1]
    kept = records[cut:]
    begun = folded(plant, [(cut - 1, carry_of(plant, records[0][1])), *kept])
    assert [one.condition for one in begun.evaluator.outstanding() if one.event == "raised"], (
        "the fold sees half a breach"
    )
    judged = records[-1][0] + 1
    pruned = Gateway(
        at_ns=kept[-1][1].at_ns if hasattr(kept[-1][1], "at_ns") else 0, boot_ns=1, clock=1, event="pruned",
        gateway="gw-01", run=1, facts={"judged": judged, "last": cut - 2, "batches": ["B-0"]},
    )  # fmt: skip
    begun.take(judged, pruned)
    assert begun.evaluator.outstanding() == ()
    assert begun.retired == {"B-0"}
    other = folded(Plant(epoch(2, rule(on_delay_s=0))), [(cut - 1, carry_of(plant, records[0][1])), *kept])
    assert other.evaluator.outstanding() == (), "readings of rules that are gone are judged by none"
