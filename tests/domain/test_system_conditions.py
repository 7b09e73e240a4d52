"""The conditions of the gateway itself as they are judged, and what is forgotten when a beginning is pruned."""

from __future__ import annotations

from gateway.domain.batch import Batches
from gateway.domain.batch_event import BatchEvent, Judged, NodeUse
from gateway.domain.batch_states import BatchAct
from gateway.domain.evaluator import Evaluator
from gateway.domain.reading_view import ReadingView
from gateway.domain.signal_track import Instant
from gateway.domain.system_conditions import DISK, INTEGRITY, system_watches
from tests.fakes.log import NOON_NS

S = 1_000_000_000


def told(track, index, raised, at_s):
    at_ns = NOON_NS + at_s * S
    return ReadingView(
        index=index,
        signal=track,
        te_ns=at_ns,
        value=raised,
        quality="good",
        basis="received",
        monotonic_ns=at_s * S,
        received_ns=at_ns,
    )


def watching():
    evaluator = Evaluator()
    for watch in system_watches():
        evaluator.apply_rules(watch, Instant(0, NOON_NS, 0))
    return evaluator


def test_al_10_damage_is_critical_at_once_and_a_short_disk_ends_a_minute_after_it():
    evaluator = watching()
    assert evaluator.signals() == (INTEGRITY, DISK)
    [damage] = evaluator.apply_reading(told(INTEGRITY, 1, raised=True, at_s=1))
    assert (damage.event, damage.condition, damage.level, damage.class_) == (
        "raised",
        "system:ledger_integrity.critical",
        "critical",
        "system",
    )
    [short] = evaluator.apply_reading(told(DISK, 2, raised=True, at_s=2))
    assert short.condition == "system:disk.critical"
    assert evaluator.apply_reading(told(DISK, 3, raised=False, at_s=10)) == ()
    assert evaluator.due(69 * S, NOON_NS) == ()
    [ended] = evaluator.due(73 * S, NOON_NS)
    assert (ended.event, ended.condition) == ("returned", "system:disk.critical")


def test_events_that_rest_on_what_was_pruned_are_dropped_and_later_ones_kept():
    evaluator = watching()
    evaluator.apply_reading(told(INTEGRITY, 5, raised=True, at_s=1))
    evaluator.apply_reading(told(DISK, 9, raised=True, at_s=2))
    evaluator.drop_outstanding(9)
    assert [event.decided for event in evaluator.outstanding()] == [9]


def test_batches_that_were_pruned_are_forgotten_with_their_keys():
    batches = Batches()
    for number, name in enumerate(("B-1", "B-2")):
        event = BatchEvent(
            batch=name,
            act=BatchAct.START,
            effective_ns=NOON_NS,
            recorded_ns=NOON_NS,
            key=f"k-{number}",
            nodes=(NodeUse(node="FRZ-1"),),
        )
        batches.apply(Judged(event=event, effect="applied"))
    batches.forget(["B-1", "B-9"])
    assert [one.batch for one in batches.batches()] == ["B-2"]
    assert batches.answered("manual", "k-0") is None
    assert batches.answered("manual", "k-1") is not None
