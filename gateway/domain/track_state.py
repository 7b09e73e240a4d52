"""TrackState: everything the future of one signal's evaluation depends on, as a snapshot stores it."""

from __future__ import annotations

from msgspec import Struct

from gateway.domain.condition_state import ConditionState
from gateway.domain.reading_view import ReadingView


class LateReadings(Struct, frozen=True, kw_only=True):
    """Readings older than the newest that wait for the re-evaluation job: bounds in effective time and ledger index."""

    first_ns: int
    last_ns: int
    first: int
    last: int
    count: int


class TrackState(Struct, frozen=True, kw_only=True):
    """Canonical state of one signal, as a snapshot stores it; a condition that never did anything is left out."""

    last: ReadingView
    shift_ns: int
    done_d: int
    known_d: int
    cause: str
    rebooted: bool
    late: LateReadings | None
    states: dict[str, ConditionState]
