"""Deviations: which excursion goes into which deviation, and what each revision says (`deviations.md` 1, 2, 4).

The fold takes up revisions as they are recorded; planning returns revisions to be written in the frame of their excursion.
One deviation per scope: the site sees all batches, a client with sinks of its own sees its batches alone, in its own series.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.deviation_rules import (
    SEVERITIES,
    ExcursionView,
    Severity,
    Surroundings,
    event_class,
    propose_severity,
    raising_rule,
)
from gateway.domain.deviation_states import TABLE, Course, DeviationAct, DeviationState, next_deviation_state
from gateway.domain.identity import SITE, deviation_id
from gateway.domain.limits import SECOND_NS, DeviationRule
from gateway.errors import Refused

DeviationEvent = Literal["opened", "updated", "acknowledged", "annotated", "condition_ended", "superseded", "retracted"]

JOINING_ENDS_NS = 24 * 3600 * SECOND_NS
UPDATE_PAUSE_NS = 60 * SECOND_NS
EQUIPMENT_GROUP_NS = 300 * SECOND_NS
QMS_DONE = frozenset({"closed", "rejected", "cancelled"})
DEFAULT_RULE = DeviationRule(sink="")
"""Holds and windows for conditions that have no rule of their own."""


class Part(Struct, frozen=True, kw_only=True):
    """One excursion inside a deviation; ``t1_ns`` None while it lasts. Times of the rule stand beside it."""

    excursion: ExcursionView
    t1_ns: int | None = None
    reopen_s: int = 3600
    ended_hold_s: int = 300


class Deviation(Struct, frozen=True, kw_only=True):
    """One revision of one deviation in one scope: whole state, never a delta.

    ``sinks`` empty: recorded, not sent (updates come at most once a minute; the next one holds all). ``told_ns``: when the
    newest sent revision was made.
    """

    deviation: str
    number: int
    scope: str
    revision: int
    event: DeviationEvent
    state: DeviationState
    event_class: str
    severity: Severity
    severity_basis: tuple[str, ...]
    parts: tuple[Part, ...]
    batches: tuple[str, ...]
    sinks: tuple[str, ...]
    all_sinks: tuple[str, ...]
    at_ns: int
    opened_ns: int
    told_ns: int
    test: bool = False
    parent: str | None = None
    previous: str | None = None
    qms_status: str | None = None
    person: str | None = None
    reason: str | None = None

    @property
    def excursions(self) -> tuple[str, ...]:
        """Return the ids of its excursions."""
        return tuple(part.excursion.id for part in self.parts)

    @property
    def untold(self) -> bool:
        """Return True while something recorded has not been sent yet."""
        return not self.sinks and bool(self.all_sinks)


class Deviations:
    """All deviations of one gateway, by scope. One owner; changed by records only."""

    def __init__(self, gateway: str) -> None:
        self._gateway = gateway
        self._newest: dict[str, Deviation] = {}
        self._numbers: dict[tuple[str, bool], int] = {}
        self._by_excursion: dict[str, set[str]] = {}
        self._moving: set[str] = set()

    def apply(self, revision: Deviation) -> None:
        """Take up one recorded revision."""
        self._newest[revision.deviation] = revision
        for excursion in revision.excursions:
            self._by_excursion.setdefault(excursion, set()).add(revision.deviation)
        if revision.state is DeviationState.OPEN or revision.untold:
            self._moving.add(revision.deviation)
        else:
            self._moving.discard(revision.deviation)
        series = (revision.scope, revision.test)
        self._numbers[series] = max(self._numbers.get(series, 0), revision.number)

    def apply_return(self, excursion: str, t1_ns: int | None) -> None:
        """An excursion record tells a return (or, with None, that the limit broke again)."""
        for one in self.holding(excursion):
            parts = tuple(replace(p, t1_ns=t1_ns) if p.excursion.id == excursion else p for p in one.parts)
            self._newest[one.deviation] = replace(one, parts=parts)

    def apply_qms_status(self, deviation: str, status: str) -> None:
        """Mirror the receiver's status; it changes nothing else."""
        one = self.find(deviation)
        self._newest[deviation] = replace(one, qms_status=status)

    def find(self, deviation: str, scope: str = SITE) -> Deviation:
        """Return a deviation; raise `Refused` DEV-02 if this scope has none of that id. The site sees every scope."""
        one = self._newest.get(deviation)
        if one is None or scope not in (SITE, one.scope):
            raise Refused(f"no deviation '{deviation}' in your scope", code="DEV-02", remedy="check the id")
        return one

    def newest(self, deviation: str) -> Deviation | None:
        """Return the newest revision of a deviation, None if there is none."""
        return self._newest.get(deviation)

    def holding(self, excursion: str) -> tuple[Deviation, ...]:
        """Return the deviations of an excursion, one per scope."""
        return tuple(self._newest[one] for one in sorted(self._by_excursion.get(excursion, ())))

    def all(self) -> tuple[Deviation, ...]:
        """Return the newest revision of every deviation."""
        return tuple(self._newest.values())

    def plan_raised(self, excursion: ExcursionView, around: Surroundings, at_ns: int) -> tuple[Deviation, ...]:
        """Return the revisions that a raised (or late) excursion makes: one per scope, opened or joined; none if no rule."""
        rule = raising_rule(excursion, around)
        if rule is None or self.holding(excursion.id):
            return ()
        kind = event_class(rule, excursion, around)
        severity, basis = propose_severity(rule, excursion, around)
        part = _part(excursion, around.rule or DEFAULT_RULE)
        planned: list[Deviation] = []
        for scope, batches, sinks in _scopes(around):
            found = self._joins(scope, excursion, around.rule)
            if found is not None and _may_join(found, at_ns):
                planned.append(_joined(found, part, severity, basis, batches, at_ns))
                continue
            number = self._numbers.get((scope, excursion.test), 0) + 1
            planned.append(
                Deviation(
                    deviation=deviation_id(self._gateway, number, scope=scope, test=excursion.test),
                    number=number,
                    scope=scope,
                    revision=1,
                    event="opened",
                    state=DeviationState.OPEN,
                    event_class=kind,
                    severity=severity,
                    severity_basis=basis,
                    parts=(part,),
                    batches=batches,
                    sinks=sinks,
                    all_sinks=sinks,
                    at_ns=at_ns,
                    opened_ns=at_ns,
                    told_ns=at_ns,
                    test=excursion.test,
                    previous=None if found is None else found.deviation,
                ),
            )
        return tuple(planned)

    def plan_changed(
        self, excursion: str, at_ns: int, *, batches: Mapping[str, tuple[str, ...]] | None = None
    ) -> tuple[Deviation, ...]:
        """Return the updates for a limit that broke again, revised bounds, or other ``batches`` (by scope)."""
        planned: list[Deviation] = []
        for one in self.holding(excursion):
            now = one.batches if batches is None else batches.get(one.scope, ())
            act = DeviationAct.BREAKS if batches is None else DeviationAct.NOTED
            if TABLE[one.state][act] in (Course.UPDATED, Course.REOPENED, Course.NOTED):
                grows = not set(now) <= set(one.batches)
                planned.append(_updated(one, act, at_ns, batches=now, at_once=grows))
        return tuple(planned)

    def plan_act(
        self,
        deviation: str,
        event: DeviationEvent,
        at_ns: int,
        *,
        person: str | None = None,
        reason: str | None = None,
        parent: str | None = None,
    ) -> Deviation:
        """Return the revision of an act on a deviation: acknowledged, annotated, superseded, retracted.

        A superseded deviation passes the act on to its parent. Raises `Refused` DEV-01 where the table says so, DEV-02.
        """
        one = self.find(deviation)
        act = _ACTS[event]
        course = TABLE[one.state][act]
        if course is Course.TO_PARENT and one.parent is not None:
            return self.plan_act(one.parent, event, at_ns, person=person, reason=reason)
        if course not in (Course.NOTED, Course.SUPERSEDED, Course.RETRACTED):
            raise Refused(f"{deviation} is {one.state}", code="DEV-01", remedy="annotate it, or act on its successor")
        return replace(
            one,
            event=event,
            revision=one.revision + 1,
            state=next_deviation_state(one.state, act),
            sinks=one.all_sinks,
            at_ns=at_ns,
            told_ns=at_ns,
            parent=parent or one.parent,
            person=person,
            reason=reason,
        )

    def due(self, now_ns: int) -> tuple[Deviation, ...]:
        """Return what time alone brings: conditions that ended and held, updates that had to wait their minute."""
        planned: list[Deviation] = []
        for one in (self._newest[name] for name in sorted(self._moving)):
            if TABLE[one.state][DeviationAct.ALL_BACK] is Course.RETURNED and _all_back(one, now_ns):
                planned.append(
                    replace(
                        one,
                        event="condition_ended",
                        revision=one.revision + 1,
                        state=DeviationState.RETURNED,
                        sinks=one.all_sinks,
                        at_ns=now_ns,
                        told_ns=now_ns,
                    ),
                )
            elif one.untold and now_ns - one.told_ns >= UPDATE_PAUSE_NS:
                planned.append(_updated(one, DeviationAct.NOTED, now_ns, batches=one.batches, at_once=True))
        return tuple(planned)

    def _joins(self, scope: str, excursion: ExcursionView, rule: DeviationRule | None) -> Deviation | None:
        """Return the newest deviation that an excursion belongs to, by the first joining rule that finds one."""
        mine = [d for d in reversed(self._newest.values()) if d.scope == scope and d.test == excursion.test]
        candidates = [d for d in mine if TABLE[d.state][DeviationAct.BREAKS] in (Course.UPDATED, Course.REOPENED)]
        grouped = rule is not None and rule.group == "equipment"
        return next(
            (
                found
                for test in (_same_condition, _other_level, _child, *((_same_equipment,) if grouped else ()))
                for found in candidates
                if any(test(part, excursion) for part in found.parts)
            ),
            None,
        )


def _scopes(around: Surroundings) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Return (scope, batches, sinks): the site, then each client with sinks of its own and a batch there."""
    scopes = [(SITE, _ids(p.batch for p in around.batches), around.sinks)]
    for client, sinks in around.client_sinks.items():
        batches = _ids(p.batch for p in around.batches if p.client == client)
        own = tuple(sink for sink in sinks if sink not in around.sinks)  # a sink that is the site's gets one body
        if batches and own:
            scopes.append((client, batches, own))
    return scopes


def _ids(batches: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(batches))


def _part(excursion: ExcursionView, rule: DeviationRule) -> Part:
    return Part(excursion=excursion, reopen_s=rule.reopen_s, ended_hold_s=rule.ended_hold_s)


def _still_near(part: Part, excursion: ExcursionView) -> bool:
    return part.t1_ns is None or excursion.t0_ns - part.t1_ns <= part.reopen_s * SECOND_NS


def _same_condition(part: Part, excursion: ExcursionView) -> bool:
    return part.excursion.condition == excursion.condition and _still_near(part, excursion)


def _other_level(part: Part, excursion: ExcursionView) -> bool:
    known = part.excursion
    same = known.signal is not None and (known.signal, known.side, known.name) == (
        excursion.signal,
        excursion.side,
        excursion.name,
    )
    return same and _still_near(part, excursion)


def _child(part: Part, excursion: ExcursionView) -> bool:
    """The parent notice is here, or data of one source is missing: one deviation for the source."""
    known = part.excursion
    one_source = excursion.group is not None and known.group == excursion.group and known.name != "each"
    return known.id == excursion.parent or (one_source and excursion.name != "each" and part.t1_ns is None)


def _same_equipment(part: Part, excursion: ExcursionView) -> bool:
    known = part.excursion
    near = abs(excursion.t0_ns - known.t0_ns) <= EQUIPMENT_GROUP_NS
    return known.equipment is not None and known.equipment == excursion.equipment and near


def _may_join(found: Deviation, at_ns: int) -> bool:
    return at_ns - found.opened_ns < JOINING_ENDS_NS and found.qms_status not in QMS_DONE


def _joined(
    found: Deviation, part: Part, severity: Severity, basis: tuple[str, ...], batches: tuple[str, ...], at_ns: int
) -> Deviation:
    worse = SEVERITIES.index(severity) > SEVERITIES.index(found.severity)
    if worse:
        found = replace(found, severity=severity, severity_basis=basis)
    both = tuple(dict.fromkeys((*found.batches, *batches)))
    at_once = worse or len(both) > len(found.batches)
    return _updated(
        replace(found, parts=(*found.parts, part)), DeviationAct.BREAKS, at_ns, batches=both, at_once=at_once
    )


def _updated(one: Deviation, act: DeviationAct, at_ns: int, *, batches: tuple[str, ...], at_once: bool) -> Deviation:
    """Return an update, sent at once or, within a minute of the last one, recorded only."""
    told = at_once or at_ns - one.told_ns >= UPDATE_PAUSE_NS
    return replace(
        one,
        event="updated",
        revision=one.revision + 1,
        state=next_deviation_state(one.state, act),
        batches=batches,
        sinks=one.all_sinks if told else (),
        at_ns=at_ns,
        told_ns=at_ns if told else one.told_ns,
        person=None,
        reason=None,
    )


def _all_back(one: Deviation, now_ns: int) -> bool:
    return all(p.t1_ns is not None and now_ns - p.t1_ns >= p.ended_hold_s * SECOND_NS for p in one.parts)


_ACTS: dict[str, DeviationAct] = {
    "acknowledged": DeviationAct.NOTED,
    "annotated": DeviationAct.ANNOTATED,
    "superseded": DeviationAct.MERGED,
    "retracted": DeviationAct.RETRACTED,
}
