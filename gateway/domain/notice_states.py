"""Notice states after ISA-18.2 / IEC 62682: one total table of state x event (`excursions.md` 5).

Beside the state a notice holds what a mask hides: is the condition active, is an acknowledgement owed, is it latched, which
masks are on. A mask hides the notice, never reading, excursion or batch exception. Who may act, for how long and with which
reason is judged before the table is asked.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace


class NoticeState(StrEnum):
    """What people see and hear of one condition."""

    NORMAL = "normal"
    UNACK = "unack"
    ACK = "ack"
    RTN_UNACK = "rtn_unack"
    LATCHED = "latched"
    SHELVED = "shelved"
    SUPPRESSED = "suppressed"
    OUT_OF_SERVICE = "out_of_service"


class NoticeEvent(StrEnum):
    """What happens to a notice: to its condition, by people, by rules, by timers."""

    RAISE = "raise"
    CLEAR = "clear"
    ACK = "ack"
    RESET = "reset"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    SHELF_TIMER = "shelf_timer"
    SUPPRESS_ON = "suppress_on"
    SUPPRESS_OFF = "suppress_off"
    SERVICE_OUT = "out_of_service_on"
    SERVICE_BACK = "out_of_service_off"
    SERVICE_TIMER = "out_of_service_timer"
    ESCALATE = "escalation_timer"


class Answer(StrEnum):
    """One cell of the table: what an event does in a state, or why it is refused."""

    NONE = "="
    UNACK = "unack"
    ACK = "ack"
    RTN_UNACK = "rtn_unack"
    CALM = "latched if latching, else normal"
    NORMAL = "normal"
    SHELVED = "shelved"
    SUPPRESSED = "suppressed"
    OUT_OF_SERVICE = "out_of_service"
    CORE = "core"
    OFF = "off"
    SHELF_OR_OFF = "shelved or off"
    NEXT_MASK = "suppressed, shelved or off"
    NEW_END = "new end"
    SHELF_ENDS = "shelf ends"
    SHELF_TIME_OVER = "shelf ends, if there is one"
    NOTED = "noted"
    NEXT_STEP = "next step"
    N_01 = "N-01"
    N_02 = "N-02"
    N_03 = "N-03"
    N_04 = "N-04"
    N_05 = "N-05"
    N_06 = "N-06"
    N_07 = "N-07"


REFUSALS: Final = frozenset({Answer.N_01, Answer.N_02, Answer.N_03, Answer.N_04, Answer.N_05, Answer.N_06, Answer.N_07})

TEXTS: Final[dict[str, str]] = {
    "N-01": "nothing to acknowledge: {condition} is normal",
    "N-02": "not latched, or still active",
    "N-03": "not shelved",
    "N-04": "not out of service",
    "N-05": "acknowledged by {person} at {time}",
    "N-06": "{mask} until {time}: end that first",
    "N-07": "hidden by {mask} until {time}",
    "N-08": "batch {id} is open on {equipment}",
    "N-09": "shelving {h} h exceeds {max} h for {level}",
    "N-10": "role {role} may not {act} a {level} notice",
}

_S, _E, _A = NoticeState, NoticeEvent, Answer

_UNMASKED: Final[dict[NoticeEvent, Answer]] = {
    _E.RESET: _A.N_02,
    _E.SHELVE: _A.SHELVED,
    _E.UNSHELVE: _A.N_03,
    _E.SHELF_TIMER: _A.NONE,
    _E.SUPPRESS_ON: _A.SUPPRESSED,
    _E.SUPPRESS_OFF: _A.NONE,
    _E.SERVICE_OUT: _A.OUT_OF_SERVICE,
    _E.SERVICE_BACK: _A.N_04,
    _E.SERVICE_TIMER: _A.NONE,
    _E.ESCALATE: _A.NONE,
}

_HIDDEN: Final[dict[NoticeEvent, Answer]] = {
    _E.RAISE: _A.CORE,
    _E.CLEAR: _A.CORE,
    _E.ACK: _A.N_06,
    _E.RESET: _A.N_06,
    _E.SHELVE: _A.N_07,
    _E.UNSHELVE: _A.SHELF_ENDS,
    _E.SHELF_TIMER: _A.SHELF_TIME_OVER,
    _E.ESCALATE: _A.NONE,
}

TABLE: Final[dict[NoticeState, dict[NoticeEvent, Answer]]] = {
    _S.NORMAL: _UNMASKED | {_E.RAISE: _A.UNACK, _E.CLEAR: _A.NONE, _E.ACK: _A.N_01},
    _S.UNACK: _UNMASKED | {_E.RAISE: _A.NONE, _E.CLEAR: _A.RTN_UNACK, _E.ACK: _A.ACK, _E.ESCALATE: _A.NEXT_STEP},
    _S.ACK: _UNMASKED | {_E.RAISE: _A.NONE, _E.CLEAR: _A.CALM, _E.ACK: _A.N_05},
    _S.RTN_UNACK: _UNMASKED | {_E.RAISE: _A.UNACK, _E.CLEAR: _A.NONE, _E.ACK: _A.CALM, _E.ESCALATE: _A.NEXT_STEP},
    _S.LATCHED: _UNMASKED | {_E.RAISE: _A.UNACK, _E.CLEAR: _A.NONE, _E.ACK: _A.N_05, _E.RESET: _A.NORMAL},
    _S.SHELVED: _HIDDEN
    | {
        _E.SHELVE: _A.NEW_END,
        _E.UNSHELVE: _A.OFF,
        _E.SHELF_TIMER: _A.OFF,
        _E.SUPPRESS_ON: _A.SUPPRESSED,
        _E.SUPPRESS_OFF: _A.NONE,
        _E.SERVICE_OUT: _A.OUT_OF_SERVICE,
        _E.SERVICE_BACK: _A.N_04,
        _E.SERVICE_TIMER: _A.NONE,
    },
    _S.SUPPRESSED: _HIDDEN
    | {
        _E.SUPPRESS_ON: _A.NONE,
        _E.SUPPRESS_OFF: _A.SHELF_OR_OFF,
        _E.SERVICE_OUT: _A.OUT_OF_SERVICE,
        _E.SERVICE_BACK: _A.N_04,
        _E.SERVICE_TIMER: _A.NONE,
    },
    _S.OUT_OF_SERVICE: _HIDDEN
    | {
        _E.SUPPRESS_ON: _A.NOTED,
        _E.SUPPRESS_OFF: _A.NOTED,
        _E.SERVICE_OUT: _A.NEW_END,
        _E.SERVICE_BACK: _A.NEXT_MASK,
        _E.SERVICE_TIMER: _A.NEXT_MASK,
    },
}


class Notice(Struct, frozen=True, kw_only=True):
    """The notice of one condition. ``new`` True: people must be told anew and escalation starts from its first step.

    ``active``, ``owed`` (an acknowledgement) and ``unreset`` (latched) are true under a mask as well as without one.
    """

    state: NoticeState = NoticeState.NORMAL
    active: bool = False
    owed: bool = False
    unreset: bool = False
    latching: bool = False
    shelved: bool = False
    suppressed: bool = False
    new: bool = False


class Outcome(Struct, frozen=True, kw_only=True):
    """What an event did: the notice after it, the cell that was applied, and the refusal code if it was refused."""

    notice: Notice
    answer: Answer
    refused: str | None = None


def apply_notice_event(notice: Notice, event: NoticeEvent) -> Outcome:
    """Apply one event; a refusal leaves the notice as it was and names its text (`TEXTS`)."""
    answer = TABLE[notice.state][event]
    if answer is Answer.SHELF_ENDS and not notice.shelved:
        answer = Answer.N_03
    if answer in REFUSALS:
        return Outcome(notice=notice, answer=answer, refused=str(answer))
    flagged = _flags(replace(notice, new=False), event)
    return Outcome(notice=replace(flagged, **_target(flagged, answer)), answer=answer)


def _flags(notice: Notice, event: NoticeEvent) -> Notice:
    """Follow what is true whatever hides it."""
    if event is NoticeEvent.RAISE and not notice.active:
        return replace(notice, active=True, owed=True, unreset=notice.latching)
    changes: dict[NoticeEvent, dict[str, bool]] = {
        NoticeEvent.CLEAR: {"active": False},
        NoticeEvent.ACK: {"owed": False},
        NoticeEvent.RESET: {"unreset": False},
        NoticeEvent.SHELVE: {"shelved": True},
        NoticeEvent.UNSHELVE: {"shelved": False},
        NoticeEvent.SHELF_TIMER: {"shelved": False},
        NoticeEvent.SUPPRESS_ON: {"suppressed": True},
        NoticeEvent.SUPPRESS_OFF: {"suppressed": False},
    }
    return replace(notice, **changes.get(event, {}))


def _target(notice: Notice, answer: Answer) -> dict[str, object]:
    """Return the members that an answer sets: the next state, and whether people must be told anew."""
    if answer in _PLAIN:
        state = _PLAIN[answer]
        return {"state": state, "new": state is NoticeState.UNACK}
    if answer is Answer.CALM:
        return {"state": NoticeState.LATCHED if notice.unreset else NoticeState.NORMAL}
    if answer is Answer.NEXT_MASK and notice.suppressed:
        return {"state": NoticeState.SUPPRESSED}
    if answer in (Answer.NEXT_MASK, Answer.SHELF_OR_OFF) and notice.shelved:
        return {"state": NoticeState.SHELVED}
    if answer in (Answer.OFF, Answer.NEXT_MASK, Answer.SHELF_OR_OFF):
        return _unmasked(notice)
    return {}


def _unmasked(notice: Notice) -> dict[str, object]:
    """No mask is left: what is active speaks again, even if it had been acknowledged before."""
    if notice.active:
        return {"state": NoticeState.UNACK, "owed": True, "new": True}
    if notice.owed:
        return {"state": NoticeState.RTN_UNACK}
    return {"state": NoticeState.LATCHED if notice.unreset else NoticeState.NORMAL}


_PLAIN: Final[dict[Answer, NoticeState]] = {
    Answer.UNACK: NoticeState.UNACK,
    Answer.ACK: NoticeState.ACK,
    Answer.RTN_UNACK: NoticeState.RTN_UNACK,
    Answer.NORMAL: NoticeState.NORMAL,
    Answer.SHELVED: NoticeState.SHELVED,
    Answer.SUPPRESSED: NoticeState.SUPPRESSED,
    Answer.OUT_OF_SERVICE: NoticeState.OUT_OF_SERVICE,
}
