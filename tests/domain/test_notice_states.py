"""Every pair of notice state and event, against the page's own table, and its sequences."""

from __future__ import annotations

import itertools

import pytest

from gateway.domain.notice_states import (
    REFUSALS,
    TABLE,
    TEXTS,
    Answer,
    Notice,
    NoticeEvent,
    NoticeState,
    apply_notice_event,
)

# the page's table: raise, clear, ack, reset, shelve, unshelve, shelf timer, suppress on, off, out on, off, timer, escalation
PAGE = {
    "normal": "unack = N-01 N-02 shelved N-03 = suppressed = out_of_service N-04 = =",
    "unack": "= rtn_unack ack N-02 shelved N-03 = suppressed = out_of_service N-04 = step",
    "ack": "= calm N-05 N-02 shelved N-03 = suppressed = out_of_service N-04 = =",
    "rtn_unack": "unack = calm N-02 shelved N-03 = suppressed = out_of_service N-04 = step",
    "latched": "unack = N-05 normal shelved N-03 = suppressed = out_of_service N-04 = =",
    "shelved": "core core N-06 N-06 end off off suppressed = out_of_service N-04 = =",
    "suppressed": "core core N-06 N-06 N-07 ends over = shelf out_of_service N-04 = =",
    "out_of_service": "core core N-06 N-06 N-07 ends over noted noted end next next =",
}
SHORT = {
    "calm": Answer.CALM,
    "step": Answer.NEXT_STEP,
    "core": Answer.CORE,
    "end": Answer.NEW_END,
    "off": Answer.OFF,
    "ends": Answer.SHELF_ENDS,
    "over": Answer.SHELF_TIME_OVER,
    "shelf": Answer.SHELF_OR_OFF,
    "next": Answer.NEXT_MASK,
    "noted": Answer.NOTED,
}
E = NoticeEvent


def after(*events: NoticeEvent, latching: bool = False) -> Notice:
    notice = Notice(latching=latching)
    for event in events:
        outcome = apply_notice_event(notice, event)
        assert outcome.refused is None, event
        notice = outcome.notice
    return notice


REACH = {
    NoticeState.NORMAL: (),
    NoticeState.UNACK: (E.RAISE,),
    NoticeState.ACK: (E.RAISE, E.ACK),
    NoticeState.RTN_UNACK: (E.RAISE, E.CLEAR),
    NoticeState.LATCHED: (E.RAISE, E.ACK, E.CLEAR),
    NoticeState.SHELVED: (E.SHELVE,),
    NoticeState.SUPPRESSED: (E.SUPPRESS_ON,),
    NoticeState.OUT_OF_SERVICE: (E.SERVICE_OUT,),
}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(NoticeState, NoticeEvent)))
def test_al_01_every_pair_is_the_pages_own(state, event):
    cell = PAGE[state].split()[list(NoticeEvent).index(event)]
    answer = SHORT.get(cell) or Answer(cell)
    assert TABLE[state][event] is answer

    notice = after(*REACH[state], latching=state is NoticeState.LATCHED)
    assert notice.state is state
    outcome = apply_notice_event(notice, event)
    if answer in REFUSALS or answer is Answer.SHELF_ENDS:
        assert outcome.refused in TEXTS
        assert outcome.notice == notice
    elif answer in {"=", "core", "new end", "noted", "next step", "shelf ends, if there is one"}:
        assert outcome.notice.state is state
    elif answer.value in set(NoticeState):
        assert outcome.notice.state == answer.value
    else:
        assert outcome.notice.state in {NoticeState.NORMAL, NoticeState.LATCHED}


def test_us_07_the_table_is_total():
    assert set(TABLE) == set(NoticeState)
    assert all(set(row) == set(NoticeEvent) for row in TABLE.values())


def test_al_05_acknowledge_is_not_clear_and_not_reset():
    assert after(E.RAISE, E.CLEAR, E.ACK).state is NoticeState.NORMAL
    assert after(E.RAISE, E.CLEAR, E.ACK, latching=True).state is NoticeState.LATCHED
    assert after(E.RAISE, E.CLEAR, E.ACK, E.RESET, latching=True).state is NoticeState.NORMAL


def test_al_04_what_happened_on_the_shelf_is_owed_after_it():
    assert after(E.SHELVE, E.RAISE, E.CLEAR, E.SHELF_TIMER).state is NoticeState.RTN_UNACK


def test_al_01_still_active_after_the_shelf_speaks_anew_although_acknowledged():
    notice = after(E.RAISE, E.ACK, E.SHELVE, E.SHELF_TIMER)
    assert (notice.state, notice.new, notice.owed) == (NoticeState.UNACK, True, True)


def test_al_01_masks_win_in_their_order_and_end_one_by_one():
    masked = (E.RAISE, E.SUPPRESS_ON, E.SERVICE_OUT)
    assert after(*masked).state is NoticeState.OUT_OF_SERVICE
    assert after(*masked, E.SUPPRESS_OFF, E.SERVICE_BACK).state is NoticeState.UNACK
    assert after(E.SHELVE, *masked, E.SERVICE_TIMER).state is NoticeState.SUPPRESSED
    assert after(E.SHELVE, *masked, E.SERVICE_TIMER, E.SUPPRESS_OFF).state is NoticeState.SHELVED
    assert after(E.SHELVE, *masked, E.SUPPRESS_OFF, E.SERVICE_BACK).state is NoticeState.SHELVED
    assert after(E.SHELVE, *masked, E.UNSHELVE, E.SERVICE_BACK, E.SUPPRESS_OFF).state is NoticeState.UNACK
    assert after(E.SHELVE, E.SUPPRESS_ON, E.SHELF_TIMER, E.SUPPRESS_OFF).state is NoticeState.NORMAL


def test_al_05_latched_under_a_mask_stays_latched():
    assert after(E.RAISE, E.ACK, E.CLEAR, E.SHELVE, E.UNSHELVE, latching=True).state is NoticeState.LATCHED


def test_al_05_a_notice_is_new_once():
    raised = after(E.RAISE)
    assert raised.new
    assert not apply_notice_event(raised, E.ESCALATE).notice.new


def test_al_05_raised_again_while_active_owes_nothing_more():
    assert not after(E.RAISE, E.ACK, E.RAISE).owed
