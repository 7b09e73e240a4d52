"""What may go, as tables: whole segments from the oldest on, past every rule, and nothing that is not done (US-04)."""

from __future__ import annotations

from datetime import date

import pytest
from msgspec.structs import replace

from gateway.domain.retention import RECORDED_ON, Kept, Rule, Term
from gateway.pipeline.prune_plan import BATCHES_MAX, Epoch, Ground, Holding, SegmentSpan, plan_prune
from tests.fakes.log import NOON_NS

SEGMENT = 65_536
PAST, LASTS = Kept(date(2030, 1, 1), "us-drug"), Kept(date(2031, 5, 1), "eu-gmp")
SITE = {"site-01": Rule((Term(RECORDED_ON, 1),))}


def span(nth, *batches, newest_ns=NOON_NS):
    return SegmentSpan(first=nth * SEGMENT, newest_ns=newest_ns, batches=frozenset(batches))


GROUND = Ground(
    segments=[span(0, "B-1"), span(1), span(2, "B-2")],
    batches={"B-1": PAST, "B-2": LASTS},
    retired=(),
    site=SITE,
    holdings=(),
    epochs=[Epoch(3, running=True)],
    today=date(2030, 6, 1),
)


def test_us_04_whole_segments_go_up_to_the_first_that_something_keeps():
    plan = plan_prune(GROUND)
    assert (plan.first, plan.stop, plan.batches) == (0, 2 * SEGMENT, ("B-1",))
    assert plan.why == "keep until 2031-05-01 (eu-gmp)"
    assert plan.policy == "site-01 us-drug"
    assert plan.explains
    later = plan_prune(replace(GROUND, today=date(2031, 5, 2)))
    assert (later.stop, later.why) == (3 * SEGMENT, "the newest records stay")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"segments": []}, "no segment is full"),
        ({"site": {}}, "keep without end (no rule from recorded_on)"),
        ({"batches": {"B-1": Kept(None, "hold LH-3"), "B-2": PAST}}, "keep without end (hold LH-3)"),
        (
            {"batches": {"B-1": Kept(None, "eu-gmp: certified_on missing")}},
            "keep without end (eu-gmp: certified_on missing)",
        ),
        ({"batches": {}}, "keep without end (a batch that is not known)"),
        ({"holdings": [Holding(17, "excursion EXC-1 is not done")]}, "excursion EXC-1 is not done"),
        ({"segments": [span(0, newest_ns=None)]}, "the times of records 0.. are not known"),
        ({"today": date(2026, 12, 1)}, "keep until 2030-01-01 (us-drug)"),
        ({"epochs": [Epoch(3, running=False)]}, "record 3 holds the configuration of records that stay"),
    ],
)
def test_us_04_nothing_goes_where_anything_keeps_the_oldest_segment(changes, why):
    plan = plan_prune(replace(GROUND, **changes))
    assert plan.stop == plan.first
    assert plan.why == why
    assert not plan.explains


def test_us_04_what_is_not_done_keeps_its_own_segment_and_all_after_it():
    plan = plan_prune(replace(GROUND, holdings=[Holding(SEGMENT + 5, "gap G-000003 is not done")]))
    assert (plan.stop, plan.why) == (SEGMENT, "gap G-000003 is not done")


def test_us_04_the_configuration_of_what_stays_stays_unless_it_is_in_force_and_written_again():
    other = plan_prune(replace(GROUND, epochs=[Epoch(3, running=False), Epoch(SEGMENT + 9, running=False)]))
    assert (other.stop, other.explains) == (0, False)
    ended = plan_prune(replace(GROUND, epochs=[Epoch(3, running=False), Epoch(SEGMENT + 9, running=True)]))
    assert (ended.stop, ended.explains) == (2 * SEGMENT, True)
    after = plan_prune(replace(GROUND, epochs=[Epoch(3, running=False), Epoch(2 * SEGMENT + 9, running=True)]))
    assert after.stop == 0, "readings of the second segment were judged by what the first one holds"


def test_us_04_a_batch_whose_beginning_went_before_keeps_nothing():
    plan = plan_prune(replace(GROUND, segments=[span(1, "B-0"), span(2, "B-2")], retired=("B-0",)))
    assert (plan.first, plan.stop, plan.batches) == (SEGMENT, 2 * SEGMENT, ())


def test_one_act_names_no_more_batches_than_its_record_holds():
    names = [f"B-{number}" for number in range(BATCHES_MAX + 1)]
    ground = replace(
        GROUND, segments=[span(0, *names[:600]), span(1, *names[600:])], batches=dict.fromkeys(names, PAST)
    )
    plan = plan_prune(ground)
    assert (plan.stop, len(plan.batches)) == (SEGMENT, 600)
    assert "ask again for the rest" in plan.why
