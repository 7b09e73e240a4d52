"""The acts of the demo: their order, how far --until goes, and that each assertion can fail."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import UNSET

from gateway.cli.demo_story.acts import (
    ACTION_CONDITION,
    ACTS,
    ALERT_CONDITION,
    BATCH,
    DOOR,
    ENDED,
    NotHeld,
    acts_until,
    as_number,
    check_deviation,
    check_raised,
    check_returned,
    is_batch_event,
    is_deviation_of,
    is_door_open,
    is_excursion,
    is_receipt,
    is_transport,
)
from gateway.cli.demo_story.story import SCENES
from gateway.ledger.records import Batch, Delivery, Deviation, Excursion, ObjectRef, Reading

HEAD = {"at_ns": 50, "boot_ns": 5, "clock": 1}
RAISED = Excursion(
    **HEAD,
    event="raised",
    excursion="EXC-1",
    condition=ACTION_CONDITION,
    class_="process",
    level="action",
    config="c",
    t0_ns=40,
    raised_ns=42,
    detected_ns=45,
    extreme=-14.8,
    breach_ns=2,
    unknown_ns=0,
    crossings=1,
    decided=9,
)
OPENED = Deviation(
    **HEAD,
    event="opened",
    deviation="DEV-gw01-000001",
    revision=1,
    scope="site",
    state="open",
    excursions=["EXC-1"],
    severity="major",
    severity_basis=["SEV-1"],
    batches=[BATCH],
    sinks=["qms"],
)
RECEIPT = Delivery(
    **HEAD,
    event="receipt",
    delivery="gw-01:dev:000001:1",
    object=ObjectRef(kind="deviation", id="DEV-gw01-000001", version=1),
    sink="qms",
    external_id="QE-00001",
)


def changed(record, **fields):
    return msgspec.structs.replace(record, **fields)


def names(until: str | None, *, cut: bool = False) -> list[str]:
    return [act.name for act in acts_until(until, cut=cut)]


def test_each_act_has_its_scene_and_they_are_in_order_of_time():
    assert [act.name for act in (*ACTS, ENDED)] == list(SCENES)
    assert [act.at_s for act in ACTS] == sorted(act.at_s for act in ACTS)


def test_until_ends_the_story_where_it_says():
    assert names("alert") == ["ready", "batch", "door", "alert"]
    assert names("delivered")[-1] == "delivered"
    assert names("returned")[-1] == "returned"
    assert names("sealed") == names(None), "sealed includes the bundle's proof and the refused copy"
    assert "cut" not in names(None)
    assert names(None, cut=True).index("cut") == names(None).index("returned")


def test_records_are_told_apart():
    start = Batch(**HEAD, event="start", batch=BATCH, revision=1, effect="applied")
    assert is_batch_event(start, "start")
    assert not is_batch_event(start, "end")
    assert not is_batch_event(changed(start, effect="pending"), "start")
    assert not is_batch_event(changed(start, batch="B-2"), "start")
    assert is_excursion(RAISED, ACTION_CONDITION, "raised")
    assert not is_excursion(RAISED, ALERT_CONDITION, "raised")
    assert not is_excursion(RAISED, ACTION_CONDITION, "returned")
    assert is_deviation_of(OPENED, "EXC-1", "opened")
    assert not is_deviation_of(OPENED, "EXC-2", "opened")
    assert not is_deviation_of(changed(OPENED, scope="C-014"), "EXC-1", "opened")


def test_the_door_is_open_only_by_the_switchs_word():
    reading = Reading(
        received_ns=1, boot_ns=1, clock=1, signal=DOOR, config="c", n=1, value="open", quality="good",
        clock_state="synced", provenance="live", incarnation=1, epoch=1, position=1,
    )  # fmt: skip
    assert is_door_open(reading)
    assert not is_door_open(changed(reading, value="closed"))
    assert not is_door_open(changed(reading, signal="R-1-ENV/door"))


def test_a_transport_is_no_receipt():
    assert is_receipt(RECEIPT, OPENED)
    assert is_transport(RECEIPT, OPENED)
    transported = changed(RECEIPT, event="transported", external_id=UNSET)
    assert is_transport(transported, OPENED)
    assert not is_receipt(transported, OPENED)
    assert not is_receipt(changed(RECEIPT, external_id=UNSET), OPENED)
    other = ObjectRef(kind="deviation", id="DEV-gw01-000001", version=2)
    assert not is_receipt(changed(RECEIPT, object=other), OPENED)
    assert not is_transport(changed(RECEIPT, object=ObjectRef(kind="deviation", id="DEV-gw01-000002")), OPENED)


@pytest.mark.parametrize(
    "wrong", [{"extreme": -15.0}, {"extreme": None}, {"t0_ns": 20}, {"raised_ns": 39}, {"raised_ns": UNSET}]
)
def test_a_raised_excursion_is_held_against_limit_and_door(wrong):
    check_raised(RAISED, -15.0, 30)
    with pytest.raises(NotHeld, match="EXC-1"):
        check_raised(changed(RAISED, **wrong), -15.0, 30)


@pytest.mark.parametrize(
    "wrong", [{"excursion": "EXC-2"}, {"t0_ns": 41}, {"t1_ns": UNSET}, {"t1_ns": 40}, {"extreme": -14.9}]
)
def test_a_return_is_held_against_what_was_raised(wrong):
    returned = changed(RAISED, event="returned", t1_ns=90, extreme=-9.3)
    check_returned(RAISED, returned)
    with pytest.raises(NotHeld):
        check_returned(RAISED, changed(returned, **wrong))


@pytest.mark.parametrize("wrong", [{"batches": []}, {"batches": ["B-2"]}, {"severity": "minor"}, {"excursions": []}])
def test_a_deviation_is_held_against_its_excursion(wrong):
    check_deviation(OPENED, RAISED, (9, 10))
    with pytest.raises(NotHeld, match="DEV-gw01-000001"):
        check_deviation(changed(OPENED, **wrong), RAISED, (9, 10))
    with pytest.raises(NotHeld):
        check_deviation(OPENED, RAISED, (10, 9))


def test_numbers_are_numbers_only():
    assert as_number(-9) == -9.0
    assert as_number(True) is None
    assert as_number("-9") is None
    assert as_number(UNSET) is None
