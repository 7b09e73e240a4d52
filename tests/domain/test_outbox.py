"""Deliveries: every pair of the page's table, retries to the second, order, crashes at each step."""

from __future__ import annotations

import itertools

import pytest

from gateway.domain.delivery_states import (
    GOES_TO,
    TABLE,
    TEXTS,
    DeliveryEvent,
    DeliveryState,
    Verdict,
    answer_event,
    next_delivery_state,
)
from gateway.domain.limits import SECOND_NS
from gateway.domain.outbox import DeliveryFact, Outbox, next_attempt_ns, verdict_of
from gateway.domain.retry import ATTEMPTS_MAX, EXHAUSTED_AFTER_NS, delay_ns, is_exhausted, jitter, nominal_delay_s

EXAMPLE = "gw-01:dev:000042:1"
PAGE = {
    "prepared": "transported | confirmed | transported, look up id | waiting | dead | held | dead (exhausted) | confirmed | attempt now",
    "waiting": "transported | confirmed | transported, look up id | waiting | dead | held | dead (exhausted) | confirmed | attempt now",
    "held": "transported | confirmed | transported | = | = | = | = | confirmed | HOOK-08",
    "dead": "transported | confirmed | transported | dead | dead | held | = | confirmed | attempt now",
    "transported": "= | confirmed | = | = | = | = | = | confirmed | attempt now",
    "confirmed": "= | = ¹ | = | = | = | = | = | = ¹ | HOOK-06",
}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(DeliveryState, DeliveryEvent)))
def test_us_07_every_pair_of_delivery_state_and_event(state, event):
    cell = PAGE[state].split(" | ")[list(DeliveryEvent).index(event)]
    verdict = TABLE[state][event]
    assert verdict is (Verdict.SAME_RECORD if cell == "= ¹" else Verdict(cell))
    after = next_delivery_state(state, event)
    assert after is GOES_TO.get(verdict, state)
    assert not cell.startswith("HOOK") or cell in TEXTS


@pytest.mark.parametrize(
    ("status", "record", "event"),
    [
        (200, None, DeliveryEvent.OK),
        (202, "QE-1", DeliveryEvent.OK_RECORD),
        (409, None, DeliveryEvent.DUPLICATE),
        *[(status, None, DeliveryEvent.LATER) for status in (None, 408, 425, 429, 500, 503, 599)],
        *[(status, "QE-1", DeliveryEvent.REFUSED) for status in (301, 307, 400, 401, 404, 422)],
        (410, None, DeliveryEvent.GONE),
    ],
)
def test_qm_05_what_an_answer_means(status, record, event):
    assert answer_event(status, record) is event


def test_qm_03_attempts_stand_at_their_offsets():
    offsets = list(itertools.accumulate(nominal_delay_s(n) for n in range(1, ATTEMPTS_MAX + 1)))
    assert offsets[:8] == [0, 5, 35, 155, 455, 1355, 3155, 6755]
    assert offsets[-1] == 74 * 3600 + 52 * 60 + 35


def test_qm_03_jitter_is_the_pages_own():
    assert [round(jitter(EXAMPLE, n), 5) for n in (2, 3)] == [0.95502, 1.02991]
    assert delay_ns(EXAMPLE, 2) == pytest.approx(5 * 0.95502 * SECOND_NS, rel=1e-5)
    assert delay_ns(EXAMPLE, 2, retry_after_s=60) == 60 * SECOND_NS
    assert delay_ns(EXAMPLE, 2, retry_after_s=86_400) == 3600 * SECOND_NS, "an hour at most"
    assert delay_ns(EXAMPLE, 8, retry_after_s=1) == delay_ns(EXAMPLE, 8), "it only lengthens"


def test_qm_03_exhausted_after_75_hours_or_81_attempts():
    assert not is_exhausted(0, EXHAUSTED_AFTER_NS - 1, 80)
    assert is_exhausted(0, EXHAUSTED_AFTER_NS, 1)
    assert is_exhausted(0, 1, 81)


class Box:
    def __init__(self) -> None:
        self.outbox = Outbox()
        self.facts: list[DeliveryFact] = []

    def note(self, event, delivery=EXAMPLE, *, at=0, sink="main", **more):
        fact = DeliveryFact(
            event=event, index=len(self.facts), at_ns=at * SECOND_NS, delivery=delivery, sink=sink, **more
        )
        self.facts.append(fact)
        self.outbox.apply(fact)
        return self.outbox.delivery(sink, delivery)

    def prepare(self, number=42, version=1, **more):
        delivery = f"gw-01:dev:{number:06d}:{version}"
        self.note("prepared", delivery, object_id=f"DEV-gw01-{number:06d}", version=version, **more)
        return delivery

    def due(self, at=0):
        return [d.delivery.removeprefix("gw-01:dev:") for d in self.outbox.due(at * SECOND_NS)]


def test_qm_03_what_a_crash_left_unprepared_is_known():
    box = Box()
    box.outbox.want(EXAMPLE, "DEV-gw01-000042", 1, ["main", "second"])
    assert box.outbox.unprepared() == (
        ("main", EXAMPLE, "DEV-gw01-000042", 1),
        ("second", EXAMPLE, "DEV-gw01-000042", 1),
    )
    box.prepare()
    assert [sink for sink, *_ in box.outbox.unprepared()] == ["second"]
    assert box.due() == ["000042:1"]


def test_qm_03_failure_waits_then_succeeds_with_the_same_delivery():
    box = Box()
    box.prepare()
    one = box.outbox.delivery("main", EXAMPLE)
    assert next_attempt_ns(one, 0) == delay_ns(EXAMPLE, 2)
    box.note("attempt", at=1, http_status=503, next_ns=6 * SECOND_NS)
    assert (box.due(5), box.due(6), box.outbox.next_ns()) == ([], ["000042:1"], 6 * SECOND_NS)
    one = box.note("attempt", at=6, http_status=202)
    assert (one.state, one.attempts, box.outbox.next_ns()) == (DeliveryState.TRANSPORTED, 2, None)
    one = box.note("receipt", external_id="QE-00123")
    assert (one.state, one.receipts, one.contradicted) == (DeliveryState.CONFIRMED, ("QE-00123",), False)


def test_qm_05_two_record_ids_are_kept_and_a_person_decides():
    box = Box()
    box.prepare()
    box.note("attempt", http_status=200, external_id="QE-1")
    box.note("receipt", external_id="QE-1")
    one = box.note("receipt", external_id="QE-2")
    assert (one.state, one.receipts, one.contradicted) == (DeliveryState.CONFIRMED, ("QE-1", "QE-2"), True)


def test_qm_05_conflict_is_transported_and_its_id_is_looked_up():
    box = Box()
    box.prepare()
    assert box.note("attempt", http_status=409).look_up
    assert box.note("transported").state is DeliveryState.TRANSPORTED
    assert not box.note("receipt", external_id="QE-1").look_up


def test_qm_08_one_revision_at_a_time_and_a_dead_one_lets_the_next_try():
    box = Box()
    first, second = box.prepare(42, 1), box.prepare(42, 2)
    assert box.due() == ["000042:1"]
    box.note("attempt", first, http_status=503, next_ns=9 * SECOND_NS)
    assert box.due(1) == [], "revision 2 waits while revision 1 does"
    box.note("attempt", first, at=9, http_status=422)
    assert box.note("dead", first, cause="refused").mark == "refused"
    assert box.due(10) == ["000042:2"]
    box.note("attempt", second, at=10, http_status=200)
    assert box.due(10) == []


def test_qm_08_older_revision_prepared_later_still_goes_first():
    box = Box()
    box.prepare(42, 2)
    box.prepare(42, 1)
    assert box.due() == ["000042:1"]


def test_qm_03_four_deviations_in_parallel_per_sink():
    box = Box()
    for number in range(1, 7):
        box.prepare(number)
        box.prepare(number, sink="second")
    assert box.due() == [f"{n:06d}:1" for n in (1, 1, 2, 2, 3, 3, 4, 4)]
    assert len(box.outbox.deliveries()) == 12


def test_qm_03_gone_holds_the_sink_until_it_is_enabled():
    box = Box()
    first, second = box.prepare(1), box.prepare(2)
    box.note("attempt", first, at=5, http_status=410)
    assert box.note("held", first, at=6).state is DeliveryState.HELD
    assert (box.outbox.stopped("main"), box.due(10)) == (5 * SECOND_NS, [])
    assert box.note("replay", first, at=7).state is DeliveryState.HELD, "HOOK-08"
    box.note("enabled", second, at=20)
    assert (box.outbox.stopped("main"), box.due(20)) == (None, ["000001:1", "000002:1"])


def test_qm_03_exhausted_events_are_queued_again_by_the_first_success():
    box = Box()
    delivery = box.prepare()
    one = box.note("attempt", delivery, http_status=None, next_ns=5 * SECOND_NS)
    assert verdict_of(one, 503, None, SECOND_NS) is DeliveryEvent.LATER
    assert verdict_of(one, 503, None, EXHAUSTED_AFTER_NS) is DeliveryEvent.EXHAUSTED
    assert verdict_of(one, 200, None, EXHAUSTED_AFTER_NS) is DeliveryEvent.OK
    box.note("dead", delivery, cause="exhausted")
    assert [d.delivery for d in box.outbox.exhausted("main")] == [delivery]
    one = box.note("replay", delivery, at=300_000, cause="sink_recovered")
    assert (one.state, one.attempts, one.first_ns) == (DeliveryState.WAITING, 0, None)
    assert verdict_of(one, 503, None, EXHAUSTED_AFTER_NS * 2) is DeliveryEvent.LATER, "75 h count anew"
    assert box.due(300_000) == ["000042:1"]


def test_qm_03_replay_is_one_attempt_and_changes_no_state_by_itself():
    box = Box()
    delivery = box.prepare()
    box.note("attempt", delivery, http_status=404)
    one = box.note("replay", delivery, at=60)
    assert (one.state, one.again, box.due(60)) == (DeliveryState.DEAD, True, ["000042:1"])
    one = box.note("attempt", delivery, at=60, http_status=500)
    assert (one.state, one.mark, box.due(99)) == (DeliveryState.DEAD, "refused", [])
    box.note("replay", delivery, at=70)
    one = box.note("attempt", delivery, at=70, http_status=200)
    assert (one.state, one.mark) == (DeliveryState.TRANSPORTED, None)
    box.note("receipt", delivery, external_id="QE-1")
    assert not box.note("replay", delivery, at=80).again, "HOOK-06"


def test_qm_03_notes_without_effect_and_unknown_deliveries():
    box = Box()
    box.prepare()
    assert box.note("overdue").state is DeliveryState.PREPARED
    assert box.note("receipt", "gw-01:dev:000099:1") is None


def test_qm_03_the_fold_repeats():
    box = Box()
    box.prepare(1)
    box.prepare(2)
    box.note("attempt", "gw-01:dev:000001:1", http_status=503, next_ns=5)
    box.note("attempt", "gw-01:dev:000002:1", http_status=200, external_id="QE-2")
    again = Outbox()
    for fact in box.facts:
        again.apply(fact)
    assert again.deliveries() == box.outbox.deliveries()
