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
