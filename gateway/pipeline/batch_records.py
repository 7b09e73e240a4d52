"""Batch records: judged batch events as the ledger keeps them, and back; live path and rebuild read the same record."""

from __future__ import annotations

from typing import Any, Final

from msgspec import UNSET

from gateway.domain.batch import Rolls
from gateway.domain.batch_event import BatchEvent, Judged, NodeUse
from gateway.domain.batch_states import BatchAct
from gateway.ledger.records import Batch, BatchNode, Content

MACHINE_ROLE: Final = "machine"
_ACTS: Final = frozenset(act.value for act in BatchAct)


def batch_record(
    judged: Judged,
    head: dict[str, Any],
    *,
    revision: int,
    rolls: Rolls,
    account: str | None,
    facts: dict[str, Any],
    evidence: Content | None = None,
) -> Batch:
    """Return the record of one judged event; ``account`` is the machine account that told it, ``evidence`` its bytes."""
    event = judged.event
    if judged.remark is not None:
        facts = {**facts, "remark": judged.remark}
    nodes = [
        BatchNode(
            node=use.node,
            use=use.use,
            room=UNSET if use.room is None else use.room,
            from_ns=event.effective_ns,
            pre_roll_s=rolls.pre_s,
            post_roll_s=rolls.post_s,
        )
        for use in event.nodes
    ]
    return Batch(
        **head,
        event=event.act.value,
        batch=event.batch,
        revision=revision,
        effect=judged.effect,
        effective_ns=event.effective_ns,
        adapter=event.adapter,
        event_key=event.key,
        client=event.client or UNSET,
        phase=event.phase or UNSET,
        nodes=nodes or UNSET,
        header=dict(sorted(event.header.items())) or UNSET,
        evidence=UNSET if evidence is None else evidence,
        person=event.person or account or UNSET,
        role=MACHINE_ROLE if event.person is None and account is not None else UNSET,
        facts=dict(sorted(facts.items())) or UNSET,
    )


def judged_of(record: Batch) -> Judged | None:
    """Return the judged event of a record, None for events that do not change membership (sealed, verified …)."""
    if record.event not in _ACTS or not isinstance(record.effect, str):
        return None
    nodes = record.nodes if isinstance(record.nodes, list) else []
    person = record.person if isinstance(record.person, str) and record.role != MACHINE_ROLE else None
    event = BatchEvent(
        batch=record.batch,
        act=BatchAct(record.event),
        effective_ns=record.effective_ns if isinstance(record.effective_ns, int) else record.at_ns,
        recorded_ns=record.at_ns,
        key=record.event_key if isinstance(record.event_key, str) else "",
        adapter=record.adapter if isinstance(record.adapter, str) else "manual",
        person=person,
        client=record.client if isinstance(record.client, str) else None,
        nodes=tuple(NodeUse(node=n.node, use=n.use, room=n.room if isinstance(n.room, str) else None) for n in nodes),
        phase=record.phase if isinstance(record.phase, str) else None,
        header=record.header if isinstance(record.header, dict) else {},
    )
    return Judged(event=event, effect=record.effect)
