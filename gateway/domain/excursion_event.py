"""ExcursionEvent: what an evaluation found, before it becomes an `excursion` record (`excursions.md` 3)."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from gateway.domain.band import Number

Happening = Literal["raised", "crossing", "short_breach", "returned", "revised", "late", "rule_changed"]
EndedBy = Literal["limit_change", "phase_change"]

ONCE: frozenset[str] = frozenset({"raised", "returned", "late"})
"""Events that one breach has at most once, whatever decided them."""

EventKey = tuple[str, int, str, int]


class ExcursionEvent(Struct, frozen=True, kw_only=True, rename={"class_": "class"}):
    """One event of one condition; instants are effective time in ns, sums are ns of held data time.

    ``t0_ns`` is the onset, never onset plus delay; ``t1_ns`` the return to the band; ``cleared_ns`` t1 plus off-delay.
    ``crossings`` counts breaks of the limit, ``count`` the breaches summed in one ``short_breach``. ``first``, ``last``
    are ledger indexes of readings, ``decided`` the index that decided the event. ``cause`` is ``timer`` where silence
    decided. ``supported`` False (``revised`` only): the readings show no such breach any more, people decide.
    ``onset_ns`` (``revised`` only): the onset as seen now; ``t0_ns`` stays what names the excursion.
    """

    event: Happening
    condition: str
    signal: str
    class_: str
    level: str
    rule: str | None
    t0_ns: int
    decided: int
    raised_ns: int | None = None
    t1_ns: int | None = None
    cleared_ns: int | None = None
    extreme: Number | None = None
    extreme_ns: int | None = None
    breach_ns: int = 0
    unknown_ns: int = 0
    duration_ns: int = 0
    crossings: int = 0
    count: int = 1
    degree_minutes: float | None = None
    first: int | None = None
    last: int | None = None
    doubts: tuple[str, ...] = ()
    cause: str | None = None
    ended_by: EndedBy | None = None
    supported: bool | None = None
    onset_ns: int | None = None
    rule_name: str | None = None
    test: bool = False

    @property
    def key(self) -> EventKey:
        """Return (condition, t0, event, deciding index): a step repeated writes nothing twice."""
        return event_key(self.condition, self.t0_ns, self.event, self.decided)


def event_key(condition: str, t0_ns: int, event: str, decided: int) -> EventKey:
    """Return the key under which an event is written once; a once-only event has the same key whatever decided it."""
    return (condition, t0_ns, event, -1 if event in ONCE else decided)
