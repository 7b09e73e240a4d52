"""Life of a deviation: one total table of state x event (`deviations.md` 2).

The gateway proposes; only the QMS classifies and closes: no state and no event here ends a deviation.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class DeviationState(StrEnum):
    """Where a deviation stands on our side."""

    OPEN = "open"
    RETURNED = "returned"
    SUPERSEDED = "superseded"
    RETRACTED = "retracted"


class DeviationAct(StrEnum):
    """What happens to a deviation. NOTED: acknowledged, annotated, bounds or batches change."""

    BREAKS = "joins, breaks again"
    ALL_BACK = "all back"
    NOTED = "acknowledged, annotated, bounds or batches change"
    ANNOTATED = "annotated"
    MERGED = "merged into a parent"
    RETRACTED = "retracted"
    MIRRORED = "QMS status"


class Course(StrEnum):
    """One cell of the table."""

    UPDATED = "updated"
    REOPENED = "->open, updated"
    RETURNED = "->returned, condition_ended"
    NOTED = "event of that name"
    SUPERSEDED = "->superseded"
    RETRACTED = "->retracted"
    TO_PARENT = "to the parent"
    NEW = "new deviation"
    NONE = "="
    MIRRORED = "mirrored"
    DEV_01 = "DEV-01"


TEXTS: Final[dict[str, str]] = {
    "DEV-01": "{id} is {state}",
    "DEV-02": "no deviation '{id}' in your scope",
}

_A, _C = DeviationAct, Course

TABLE: Final[dict[DeviationState, dict[DeviationAct, Course]]] = {
    DeviationState.OPEN: {
        _A.BREAKS: _C.UPDATED,
        _A.ALL_BACK: _C.RETURNED,
        _A.NOTED: _C.NOTED,
        _A.ANNOTATED: _C.NOTED,
        _A.MERGED: _C.SUPERSEDED,
        _A.RETRACTED: _C.RETRACTED,
        _A.MIRRORED: _C.MIRRORED,
    },
    DeviationState.RETURNED: {
        _A.BREAKS: _C.REOPENED,
        _A.ALL_BACK: _C.NONE,
        _A.NOTED: _C.NOTED,
        _A.ANNOTATED: _C.NOTED,
        _A.MERGED: _C.SUPERSEDED,
        _A.RETRACTED: _C.RETRACTED,
        _A.MIRRORED: _C.MIRRORED,
    },
    DeviationState.SUPERSEDED: {
        _A.BREAKS: _C.TO_PARENT,
        _A.ALL_BACK: _C.NONE,
        _A.NOTED: _C.TO_PARENT,
        _A.ANNOTATED: _C.TO_PARENT,
        _A.MERGED: _C.DEV_01,
        _A.RETRACTED: _C.DEV_01,
        _A.MIRRORED: _C.MIRRORED,
    },
    DeviationState.RETRACTED: {
        _A.BREAKS: _C.NEW,
        _A.ALL_BACK: _C.NONE,
        _A.NOTED: _C.NONE,
        _A.ANNOTATED: _C.NOTED,
        _A.MERGED: _C.DEV_01,
        _A.RETRACTED: _C.DEV_01,
        _A.MIRRORED: _C.MIRRORED,
    },
}

GOES_TO: Final[dict[Course, DeviationState]] = {
    Course.REOPENED: DeviationState.OPEN,
    Course.RETURNED: DeviationState.RETURNED,
    Course.SUPERSEDED: DeviationState.SUPERSEDED,
    Course.RETRACTED: DeviationState.RETRACTED,
}


def next_deviation_state(state: DeviationState, act: DeviationAct) -> DeviationState:
    """Return the state after an act; a cell that names no state leaves it."""
    return GOES_TO.get(TABLE[state][act], state)
