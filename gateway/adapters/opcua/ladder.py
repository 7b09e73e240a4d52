"""The recovery ladder: which step comes next, how long to wait, by a table over step and verdict. Pure.

Step 1 re-activates the kept session, step 2 transfers its subscriptions to a new one, step 3 records a gap and subscribes
anew, step 4 is step 3 without history: the gap stays (`ingest.md` 3.4).
"""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

from gateway.adapters.opcua.errors import Verdict


class Step(Enum):
    """A rung; the value is its number in the specification."""

    REACTIVATE = 1
    TRANSFER = 2
    SUBSCRIBE = 3


class Next(Enum):
    """What follows a rung's outcome."""

    PUMP = "pump"
    TRANSFER = "transfer"
    SUBSCRIBE = "subscribe"
    AGAIN = "again"  # the same rung, on a new client, after a wait


class Memory(Struct, frozen=True, kw_only=True):
    """What is known before an attempt: kept session and subscriptions, and rungs the server has already refused."""

    session: bool
    subscriptions: bool


class Server(Struct, frozen=True, kw_only=True):
    """What the server says after the session stands: its namespaces and start time against the kept ones."""

    namespaces_same: bool
    start_same: bool


DELAY_FIRST_S, DELAY_MAX_S, DELAY_BUSY_S, DELAY_IDENTITY_S = 0.5, 30.0, 30.0, 60.0
ATTEMPT_S = 30.0
CREATE_SESSION_EVERY_S = 5.0

_OUTCOMES: dict[Step, dict[Verdict, Next]] = {
    Step.REACTIVATE: {
        Verdict.SESSION: Next.TRANSFER,
        Verdict.IDENTITY: Next.TRANSFER,
        Verdict.SUBSCRIPTION: Next.SUBSCRIBE,
        Verdict.UNSUPPORTED: Next.TRANSFER,
        Verdict.NODE: Next.TRANSFER,
        Verdict.MESSAGE: Next.PUMP,
    },
    Step.TRANSFER: {
        Verdict.SUBSCRIPTION: Next.SUBSCRIBE,
        Verdict.UNSUPPORTED: Next.SUBSCRIBE,
        Verdict.NODE: Next.SUBSCRIBE,
        Verdict.IDENTITY: Next.SUBSCRIBE,
        Verdict.MESSAGE: Next.PUMP,
        Verdict.SESSION: Next.SUBSCRIBE,
    },
    Step.SUBSCRIBE: {},
}

TABLE: dict[tuple[Step, Verdict | None], Next] = {
    (step, verdict): (Next.PUMP if verdict is None else rows.get(verdict, Next.AGAIN))
    for step, rows in _OUTCOMES.items()
    for verdict in (None, *Verdict)
}
"""Total over step and verdict (None: it worked). What is not named is tried again: the rung is still the best known."""


def first_step(memory: Memory) -> Step:
    """Return the rung an attempt starts at."""
    if memory.session:
        return Step.REACTIVATE
    return Step.TRANSFER if memory.subscriptions else Step.SUBSCRIBE


def after_session(step: Step, memory: Memory, server: Server) -> tuple[Step, str]:
    """Return (rung for the subscriptions, gap cause if it is step 3) once a session stands on this server."""
    if not server.start_same:
        return Step.SUBSCRIBE, "server_restart"
    if not memory.subscriptions or not server.namespaces_same:
        return Step.SUBSCRIBE, "subscription_lost"
    return step, "subscription_lost"


def following(step: Step, verdict: Verdict | None) -> Next:
    """Return what follows ``step`` when it ended with ``verdict``."""
    return TABLE[step, verdict]


def delay_s(attempt: int, verdict: Verdict, jitter: float) -> float:
    """Return the wait before the next attempt in seconds: 0.5, 1, 2 … 30 ± 20 %; ``jitter`` in [0, 1) is drawn outside."""
    if verdict is Verdict.IDENTITY:
        return DELAY_IDENTITY_S
    base = DELAY_BUSY_S if verdict is Verdict.BUSY else min(DELAY_FIRST_S * 2 ** min(attempt, 10), DELAY_MAX_S)
    return base * (0.8 + 0.4 * jitter)
