"""Excursion records: what the evaluation found as the ledger keeps it, and back; live path and rebuild read the same record."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, get_args

from msgspec import UNSET, UnsetType

from gateway.domain.excursion_event import ExcursionEvent, Happening
from gateway.domain.identity import excursion_id
from gateway.domain.reevaluation import Told
from gateway.domain.timer_effect import WrittenEvent
from gateway.ledger.records import Excursion

_EVALUATED: Final = frozenset(get_args(Happening))


def excursion_record(
    event: ExcursionEvent, head: dict[str, Any], *, gateway: str, config: str, parent: str | None = None
) -> Excursion:
    """Return the record of one event; ``head`` as a `Stamp` makes it, its ``at_ns`` is when it was detected.

    ``config``: first 16 hex digits of the configuration in force. ``parent``: the excursion whose child this one is.
    """
    facts: dict[str, Any] = {
        "cleared_ns": event.cleared_ns,
        "count": event.count if event.event == "short_breach" else None,
        "duration_ns": event.duration_ns,
        "ended_by": event.ended_by,
        "onset_ns": event.onset_ns,
        "rule_name": event.rule_name,
        "supported": event.supported,
    }
    record_head: dict[str, Any] = {**head, "test": True} if event.test else head
    return Excursion(
        **record_head,
        event=event.event,
        excursion=excursion_id(gateway, event.condition, event.t0_ns),
        condition=event.condition,
        signal=UNSET if event.signal == _track_of(event.condition) else event.signal,
        class_=event.class_,
        level=event.level,
        rule=_known(event.rule),
        config=config,
        cause=_known(event.cause),
        t0_ns=event.t0_ns,
        raised_ns=_known(event.raised_ns),
        detected_ns=head["at_ns"],
        t1_ns=_known(event.t1_ns),
        extreme=float(event.extreme) if isinstance(event.extreme, Decimal) else _known(event.extreme),
        extreme_ns=_known(event.extreme_ns),
        breach_ns=event.breach_ns,
        unknown_ns=event.unknown_ns,
        crossings=event.crossings,
        degree_minutes=_known(event.degree_minutes),
        first=_known(event.first),
        last=_known(event.last),
        decided=event.decided,
        doubts=list(event.doubts) or UNSET,
        parent=_known(parent),
        facts={name: value for name, value in facts.items() if value is not None},
    )


def written_of(index: int, record: Excursion) -> WrittenEvent | None:
    """Return what the evaluator's fold needs of a record at an index, None for the notice events of people and timers."""
    if record.event not in _EVALUATED:
        return None
    return WrittenEvent(
        index=index,
        signal=record.signal if isinstance(record.signal, str) else _track_of(record.condition),
        condition=record.condition,
        event=record.event,
        t0_ns=record.t0_ns,
        decided=record.decided,
        class_=record.class_,
        level=record.level,
        rule=record.rule if isinstance(record.rule, str) else None,
        test=record.test is True,
        raised_ns=_value(record.raised_ns),
        cause=record.cause if isinstance(record.cause, str) else None,
        t1_ns=_value(record.t1_ns),
        breach_ns=record.breach_ns,
        unknown_ns=record.unknown_ns,
        crossings=record.crossings,
        degree_minutes=record.degree_minutes if isinstance(record.degree_minutes, float) else None,
        extreme=record.extreme if isinstance(record.extreme, int | float) else None,
        extreme_ns=_value(record.extreme_ns),
        first=_value(record.first),
    )


def told_of(record: Excursion) -> Told:
    """Return what a record tells of an excursion, for the re-evaluation of late readings; later records replace earlier."""
    facts = record.facts if isinstance(record.facts, dict) else {}
    return Told(
        condition=record.condition,
        t0_ns=record.t0_ns,
        raised_ns=_value(record.raised_ns) or record.t0_ns,
        t1_ns=_value(record.t1_ns),
        breach_ns=record.breach_ns,
        unknown_ns=record.unknown_ns,
        onset_ns=facts.get("onset_ns"),
    )


def _track_of(condition: str) -> str:
    """Return the flag track of a condition that belongs to no signal: ``line1:comm_lost`` of ``line1:comm_lost.action``."""
    return condition.rpartition(".")[0]


def _known(value: Any) -> Any:
    return UNSET if value is None else value


def _value(member: int | UnsetType) -> int | None:
    return member if isinstance(member, int) else None
