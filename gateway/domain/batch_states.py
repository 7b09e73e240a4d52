"""Execution states of a batch: one total table of state x event (`records-and-review.md` 1).

P waits for its pairing window and becomes a conflict when that has passed; C is recorded and settled by people, by amendment.
What is recorded without a change of state (`+`) is split from what repeats something (`=`) by content: see `batch.py`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class BatchState(StrEnum):
    """What is known of a batch."""

    UNKNOWN = "unknown"
    PLANNED = "planned"
    RUNNING = "running"
    HELD = "held"
    ENDED = "ended"
    ABORTED = "aborted"
    CANCELLED = "cancelled"


class BatchAct(StrEnum):
    """What an event says: of the plant, of a system, of a person."""

    CREATE = "create"
    START = "start"
    USE = "use"
    RELEASE = "release"
    PHASE = "phase"
    HOLD = "hold"
    RESUME = "resume"
    END = "end"
    ABORT = "abort"
    CANCEL = "cancel"
    AMEND = "amend"


class Reply(StrEnum):
    """One cell of the table."""

    PLANNED = "->planned"
    RUNNING = "->running"
    RUNNING_IF_CREATED = "->running, with auto_create or by a person, else P"
    HELD = "->held"
    ENDED = "->ended"
    ABORTED = "->aborted"
    CANCELLED = "->cancelled"
    RECORDED = "+"
    INSIDE = "+ if its effective time lies inside the batch, else C"
    REPEAT = "="
    SAME_OR_CONFLICT = "= with the same content and time, else C"
    PENDING = "P"
    CONFLICT = "C"


GOES_TO: Final[dict[Reply, BatchState]] = {
    Reply.PLANNED: BatchState.PLANNED,
    Reply.RUNNING: BatchState.RUNNING,
    Reply.RUNNING_IF_CREATED: BatchState.RUNNING,
    Reply.HELD: BatchState.HELD,
    Reply.ENDED: BatchState.ENDED,
    Reply.ABORTED: BatchState.ABORTED,
    Reply.CANCELLED: BatchState.CANCELLED,
}

_R = Reply
_ACTS: Final = tuple(BatchAct)


def _row(cells: str) -> dict[BatchAct, Reply]:
    """Return a row from its cells in the order of `BatchAct`; the short signs are those of the page."""
    signs = {
        ">p": _R.PLANNED,
        ">r": _R.RUNNING,
        ">r1": _R.RUNNING_IF_CREATED,
        ">h": _R.HELD,
        ">e": _R.ENDED,
        ">a": _R.ABORTED,
        ">c": _R.CANCELLED,
        "+": _R.RECORDED,
        "+3": _R.INSIDE,
        "=": _R.REPEAT,
        "=2": _R.SAME_OR_CONFLICT,
        "P": _R.PENDING,
        "C": _R.CONFLICT,
    }
    return {act: signs[cell] for act, cell in zip(_ACTS, cells.split(), strict=True)}


TABLE: Final[dict[BatchState, dict[BatchAct, Reply]]] = {
    #                       create start use release phase hold resume end abort cancel amend
    BatchState.UNKNOWN: _row(">p >r1 P P P P P P P C C"),
    BatchState.PLANNED: _row("=2 >r + + P P P P >a >c +"),
    BatchState.RUNNING: _row("=2 =2 + + + >h = >e >a C +"),
    BatchState.HELD: _row("=2 =2 + + + = >r >e >a C +"),
    BatchState.ENDED: _row("=2 =2 +3 +3 +3 +3 +3 =2 C C +"),
    BatchState.ABORTED: _row("=2 =2 +3 +3 +3 +3 +3 C =2 C +"),
    BatchState.CANCELLED: _row("=2 C C C C C C C C = +"),
}

FINAL_STATES: Final = frozenset({BatchState.ENDED, BatchState.ABORTED, BatchState.CANCELLED})
