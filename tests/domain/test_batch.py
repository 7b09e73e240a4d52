"""Batches: every pair of the table, pairing of events out of order, memberships, corrections, refusals."""

from __future__ import annotations

import itertools

import pytest
from msgspec.structs import replace

from gateway.domain.batch import Batches, Rolls
from gateway.domain.batch_event import BatchEvent, Boundary, Judged, NodeUse
from gateway.domain.batch_plan import BatchSettings, expired_batch_events, plan_batch_event
from gateway.domain.batch_states import GOES_TO, TABLE, BatchAct, BatchState, Reply
from gateway.domain.limits import SECOND_NS
from gateway.domain.membership import exclusive_overlaps, places_of
from gateway.domain.plan import Node
from gateway.errors import Refused

MINUTE = 60 * SECOND_NS
NODES = {
    "USP": Node(id="USP", level="area", name="Upstream"),
    "R-204": Node(id="R-204", level="room", name="Cell culture", parent="USP"),
    "BR-201": Node(id="BR-201", level="unit", name="Bioreactor", parent="USP", room="R-204", exclusive=True),
    "BR-202": Node(id="BR-202", level="unit", name="Bioreactor", parent="USP", room="R-204"),
    "JACKET": Node(id="JACKET", level="equipment_module", name="Jacket", parent="BR-201"),
    "CART-07": Node(id="CART-07", level="unit", name="Cart", parent="USP", mobile=True),
    "LOOSE": Node(id="LOOSE", level="unit", name="Loose", parent="GONE"),
}
ACT, STATE = BatchAct, BatchState
DAY = 24 * 60
CREATED_BY_PLANT = BatchSettings(auto_create=frozenset({"packml"}))


class Site:
    """Plans each event and folds what was planned, as the line of data does."""

    def __init__(self, settings: BatchSettings | None = None) -> None:
        self.batches = Batches(Rolls(1800, 900))
        self.settings = settings or BatchSettings()
        self.written: list[Judged] = []
        self.count = itertools.count()

    def say(self, act, minute, *, batch="B-1", nodes=(), key=None, **more):
        uses = tuple(NodeUse(node=n) if isinstance(n, str) else n for n in nodes)
        event = BatchEvent(
            batch=batch,
            act=ACT(act),
            effective_ns=int(minute * MINUTE),
            key=key or f"k{next(self.count)}",
            nodes=uses,
            **({"adapter": "opcua", "recorded_ns": DAY * MINUTE} | more),
        )
        judged = plan_batch_event(self.batches, event, NODES, self.settings)
        for one in judged:
            self.batches.apply(one)
        self.written += judged
        return [(j.event.act.value, j.effect) for j in judged]

    def at(self, *places, first=0, last=10_000):
        return [
            (m.batch, m.from_ns // MINUTE, None if m.to_ns is None else m.to_ns // MINUTE)
            for m in self.batches.batches_at(places, first * MINUTE, last * MINUTE)
        ]

    def state(self, batch="B-1"):
        return self.batches.batch(batch).state


PAGE = {
    "unknown": "→planned →running¹ P P P P P P P C C",
    "planned": "=² →running + + P P P P →aborted →cancelled +",
    "running": "=² =² + + + →held = →ended →aborted C +",
    "held": "=² =² + + + = →running →ended →aborted C +",
    "ended": "=² =² +³ +³ +³ +³ +³ =² C C +",
    "aborted": "=² =² +³ +³ +³ +³ +³ C =² C +",
    "cancelled": "=² C C C C C C C C = +",
}
REACH = {
    "unknown": (),
    "planned": (("create", 0),),
    "running": (("create", 0), ("start", 1)),
    "held": (("create", 0), ("start", 1), ("hold", 2)),
    "ended": (("create", 0), ("start", 1), ("end", 9)),
    "aborted": (("create", 0), ("start", 1), ("abort", 9)),
    "cancelled": (("create", 0), ("cancel", 1)),
}


@pytest.mark.parametrize(("state", "act"), list(itertools.product(STATE, ACT)))
def test_us_07_every_pair_of_batch_state_and_event_from_the_plant(state, act):
    cell = PAGE[state].split()[list(ACT).index(act)]
    reply = TABLE[state][act]
    site = Site()
    for before in REACH[state]:
        site.say(*before)
    assert site.state() is state
    said = site.say(act, 5)
    if cell.startswith("→"):
        assert reply.value.startswith("->" + cell.strip("→¹"))
        assert said == [(act.value, "pending" if "¹" in cell else "applied")]
        assert site.state() is (state if "¹" in cell else GOES_TO[reply])
    else:
        effect = {"+": "applied", "=": "repeat", "P": "pending", "C": "conflict", "+³": "applied", "=²": None}[cell]
        assert effect is None or said == [(act.value, effect)]
        assert site.state() is state
    if cell == "=²":
        assert reply is Reply.SAME_OR_CONFLICT
        assert said == [(act.value, "conflict")], "other effective time"
        first = next(b for b in REACH[state] if b[0] == act)
        assert site.say(*first)[0] == (act.value, "repeat")
    if cell == "+³":
        assert site.say(act, 10)[0] == (act.value, "conflict"), "outside the batch"
    if cell == "P":
        with pytest.raises(Refused, match="BAT-002"):
            site.say(act, 6, person="P-1")


def test_ba_02_end_before_start_works_and_writes_each_once():
    site = Site()
    assert site.say("end", 60) == [("end", "pending")]
    assert site.say("hold", 30) == [("hold", "pending")]
    assert site.say("resume", 40) == [("resume", "pending")]
    assert site.say("start", 10, nodes=["BR-201"]) == [("start", "pending")]
    assert site.say("create", 0, client="C-014", header={"product": "P-88"}) == [
        ("create", "applied"),
        ("start", "applied"),
        ("hold", "applied"),
        ("resume", "applied"),
        ("end", "applied"),
    ]
    assert site.at("BR-201") == [("B-1", 10, 60)]
    context = site.batches.batch("B-1")
    assert (context.state, context.pending, context.client) == (STATE.ENDED, [], "C-014")
    rebuilt = Batches(Rolls(1800, 900))
    for judged in site.written:
        rebuilt.apply(judged)
    assert rebuilt.batches() == site.batches.batches()


def test_ba_02_what_waits_too_long_is_a_conflict_for_people():
    site = Site()
    site.say("end", 60)
    assert expired_batch_events(site.batches, DAY * MINUTE, site.settings) == ()
    (expired,) = expired_batch_events(site.batches, 2 * DAY * MINUTE, site.settings)
    site.batches.apply(expired)
    assert (expired.effect, site.batches.batch("B-1").pending) == ("conflict", [])
    assert len(site.batches.batch("B-1").conflicts) == 1


def test_ba_02_waiting_event_that_cannot_be_placed_becomes_a_conflict():
    site = Site()
    site.say("end", 5)
    site.say("create", 0)
    assert site.say("start", 10) == [("start", "applied"), ("end", "conflict")]


def test_ba_02_auto_create_starts_and_the_header_may_follow():
    site = Site(CREATED_BY_PLANT)
    assert site.say("start", 1, nodes=["BR-201"], adapter="packml") == [("start", "applied")]
    assert site.say("create", 2, client="C-014", header={"lot": "L-7"}) == [("create", "applied")]
    assert site.batches.batch("B-1").header == {"lot": "L-7"}
    assert site.batches.batches_at(["BR-201"], 0, MINUTE * 2)[0].client == "C-014"
    person = Site()
    assert person.say("start", 1, person="P-1", header={"lot": "L"}) == [("start", "applied")]


def test_ba_02_same_key_same_answer_other_content_refused():
    site = Site()
    site.say("create", 0, key="a1")
    assert site.say("create", 0, key="a1") == [("create", "repeat")]
    with pytest.raises(Refused, match=r"BAT-003.*'a1'"):
        site.say("start", 1, key="a1")
    with pytest.raises(Refused, match="BAT-003"):
        site.say("create", 0, key="a1", batch="B-2")


@pytest.mark.parametrize(
    ("act", "minute", "more", "text"),
    [
        ("start", 1, {"nodes": ["BR-2O1"]}, "BAT-001: equipment 'BR-2O1' is not known; did you mean 'BR-201'?"),
        ("start", 1, {"nodes": ["X"]}, "BAT-001: equipment 'X' is not known; name a node of plant.yaml"),
        ("resume", 1, {"person": "P-1"}, "BAT-002: cannot resume: batch B-1 is not known; propose an amendment"),
        ("start", DAY + 60, {}, "BAT-004: effective time is 3,600 s ahead; check clock or entry"),
        ("start", 1, {"nodes": ["CART-07"]}, "BAT-007: CART-07 is mobile; name its room"),
    ],
)
def test_ba_02_refusals_name_what_is_wrong_and_what_next(act, minute, more, text):
    with pytest.raises(Refused) as refused:
        Site().say(act, minute, **more)
    assert str(refused.value) == text


def test_ba_02_people_are_refused_what_the_plant_may_report():
    site = Site()
    site.say("create", 470)
    site.say("start", 480)
    with pytest.raises(Refused, match="BAT-005: end 07:00:00Z is not after start 08:00:00Z"):
        site.say("end", 420, person="P-1")
    with pytest.raises(Refused, match="BAT-006: batch id 'B-1' was used before"):
        site.say("create", 500, person="P-1", header={"lot": "other"})
    site.say("end", 540)
    with pytest.raises(Refused, match="BAT-002: cannot resume: batch B-1 is ended 09:00:00Z"):
        site.say("resume", 600, person="P-1")


def test_us_19_two_batches_in_one_room_are_both_there():
    site = Site(CREATED_BY_PLANT)
    plant = {"adapter": "packml"}
    site.say("start", 10, batch="B-1", nodes=["BR-201"], client="C-014", **plant)
    site.say("start", 20, batch="B-2", nodes=["BR-202", NodeUse(node="CART-07", room="R-204")], client="C-021", **plant)
    site.say("end", 30, batch="B-1", **plant)
    assert site.at("R-204") == [("B-1", 10, 30), ("B-2", 20, None), ("B-2", 20, None)]
    assert site.at("R-204", first=30, last=40) == [("B-2", 20, None)] * 2, "[from, to): the end is outside"
    assert site.at("R-204", first=5, last=10) == []
    assert site.at("R-204", first=10, last=10) == [("B-1", 10, 30)], "an instant is a stretch too"
    assert site.at("BR-201", first=0, last=60) == [("B-1", 10, 30)]
    assert site.batches.batches_at(["BR-202"], 0, None)[0].overlap_ns(0, 25 * MINUTE) == 5 * MINUTE
    assert site.batches.batches_at(["BR-201"], 0, None)[0].overlap_ns(0, 100 * MINUTE) == 20 * MINUTE


def test_ba_03_use_release_and_phase_have_their_intervals():
    site = Site(CREATED_BY_PLANT)
    site.say("start", 10, nodes=["BR-201"], adapter="packml")
    site.say("use", 20, nodes=["BR-202"])
    site.say("phase", 12, phase="UP1/OP1/PH1#1")
    site.say("phase", 25, phase="UP1/OP1/PH2#1")
    site.say("release", 30, nodes=["BR-202"])
    site.say("end", 50)
    assert site.at("BR-202") == [("B-1", 20, 30)]
    assert site.say("use", 40, nodes=["BR-202"]) == [("use", "applied")]
    assert site.say("release", 45, nodes=["BR-201"]) == [("release", "applied")]
    assert site.at("BR-201", "BR-202") == [("B-1", 10, 45), ("B-1", 20, 30), ("B-1", 40, 50)]
    context = site.batches.batch("B-1")
    assert [context.phase_at(m * MINUTE) for m in (11, 12, 30)] == [None, "UP1/OP1/PH1#1", "UP1/OP1/PH2#1"]
    assert (context.open, context.memberships[0].pre_roll_s, context.memberships[0].post_roll_s) == (False, 1800, 900)


def test_ba_03_moved_start_keeps_both_memberships_visible():
    site = Site(CREATED_BY_PLANT)
    site.say("start", 10, nodes=["BR-201", "BR-202"], adapter="packml")
    assert site.batches.batch("B-1").open
    site.say("end", 50)
    moved = Boundary(node="BR-201", old_from_ns=10 * MINUTE, from_ns=0, to_ns=60 * MINUTE)
    never = Boundary(node="BR-202", old_from_ns=10 * MINUTE, from_ns=0, withdrawn=True)
    site.say("amend", 55, boundaries=(moved, never))
    assert site.at("BR-201", "BR-202") == [("B-1", 0, 60)]
    context = site.batches.batch("B-1")
    assert [(m.revision, m.withdrawn) for m in context.memberships] == [(1, True), (2, False), (1, True)]
    assert (context.started_ns, context.ended_ns) == (0, 60 * MINUTE)
    site.say("amend", 56, boundaries=(replace(moved, from_ns=5 * MINUTE),))
    assert site.at("BR-201") == [("B-1", 0, 60)], "an interval that is gone cannot be moved"


def test_ba_02_overlap_on_an_exclusive_node_is_found():
    site = Site(CREATED_BY_PLANT)
    for batch, first, last in (("B-1", 0, 30), ("B-2", 20, 40), ("B-3", 40, 50)):
        site.say("start", first, batch=batch, nodes=["BR-201", "BR-202"], adapter="packml")
        site.say("end", last, batch=batch)
    members = [m for b in site.batches.batches() for m in b.memberships]
    assert [(a.batch, b.batch) for a, b in exclusive_overlaps(members, NODES)] == [("B-1", "B-2")]


def test_ba_01_signal_of_a_module_serves_the_batches_of_its_unit():
    assert places_of("JACKET", NODES) == ("JACKET", "BR-201")
    assert places_of("R-204", NODES) == ("R-204",)
    assert places_of("LOOSE", NODES) == ("LOOSE",)
    assert places_of("GONE", NODES) == ("GONE",)
