"""Deviation records: revisions of the domain as the ledger keeps them, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from gateway.domain import deviation as domain
from gateway.domain.deviation import Part
from gateway.domain.deviation_states import DeviationState
from gateway.ledger.records import Deviation


def deviation_record(revision: domain.Deviation, head: dict[str, Any]) -> Deviation:
    """Return the record of one revision; ``facts`` hold what the table of the page lacks."""
    facts: dict[str, Any] = {
        "all_sinks": list(revision.all_sinks),
        "event_class": revision.event_class,
        "number": revision.number,
    }
    if revision.previous is not None:
        facts["previous"] = revision.previous
    at: dict[str, Any] = {**head, "at_ns": revision.at_ns}
    return Deviation(
        **at,
        test=True if revision.test else UNSET,
        event=revision.event,
        deviation=revision.deviation,
        revision=revision.revision,
        scope=revision.scope,
        state=revision.state.value,
        excursions=list(revision.excursions),
        severity=revision.severity,
        severity_basis=list(revision.severity_basis),
        batches=list(revision.batches),
        sinks=list(revision.sinks),
        parent=revision.parent or UNSET,
        person=revision.person or UNSET,
        reason=revision.reason or UNSET,
        facts=dict(sorted(facts.items())),
    )


def revision_of(record: Deviation, before: domain.Deviation | None, parts: Mapping[str, Part]) -> domain.Deviation:
    """Return the revision of a record; ``before`` is the one before it, ``parts`` its excursions by id."""
    facts = record.facts if isinstance(record.facts, dict) else {}
    revision = domain.Deviation(
        deviation=record.deviation,
        number=facts.get("number", 0),
        scope=record.scope,
        revision=record.revision,
        event=_event(record.event),
        state=DeviationState(record.state),
        event_class=facts.get("event_class", ""),
        severity=record.severity,
        severity_basis=tuple(record.severity_basis),
        parts=tuple(parts[excursion] for excursion in record.excursions if excursion in parts),
        batches=tuple(record.batches),
        sinks=tuple(record.sinks),
        all_sinks=tuple(facts.get("all_sinks", record.sinks)),
        at_ns=record.at_ns,
        opened_ns=record.at_ns if before is None else before.opened_ns,
        told_ns=record.at_ns,
        test=record.test is True,
        parent=record.parent if isinstance(record.parent, str) else None,
        previous=facts.get("previous"),
        person=record.person if isinstance(record.person, str) else None,
        reason=record.reason if isinstance(record.reason, str) else None,
    )
    if before is None:
        return revision
    kept = {part.excursion.id: part for part in before.parts}
    return replace(
        revision,
        parts=tuple(kept.get(part.excursion.id, part) for part in revision.parts),
        told_ns=revision.at_ns if record.sinks else before.told_ns,
        qms_status=before.qms_status,
    )


def _event(word: str) -> Any:
    return word
