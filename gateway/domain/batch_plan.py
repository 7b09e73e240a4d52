"""Judging batch events before they are written: effects for the plant, refusals for people (`records-and-review.md` 1, 10).

From the plant, what cannot be is recorded as pending or conflict and changes nothing: a plant event is a fact. From a person
it is refused. Events that nobody can place at all (unknown node, used key, time ahead) are refused from everybody.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.batch import BatchContext, Batches, take_up
from gateway.domain.batch_event import BatchEvent, Effect, Judged, NodeUse
from gateway.domain.batch_states import TABLE, BatchAct, BatchState, Reply
from gateway.domain.limits import SECOND_NS
from gateway.domain.plan import Node
from gateway.errors import Refused

AHEAD_NS_MAX = 60 * SECOND_NS
HOUR_NS = 3600 * SECOND_NS


class BatchSettings(Struct, frozen=True, kw_only=True):
    """Settings of the block ``batch`` that judge events; ``auto_create`` per adapter."""

    pairing_window_h: int = 24
    auto_create: frozenset[str] = frozenset()


def plan_batch_event(
    batches: Batches, event: BatchEvent, nodes: Mapping[str, Node], settings: BatchSettings
) -> tuple[Judged, ...]:
    """Return what is to be written: the event with its effect, then waiting events that can be placed now.

    The same key with the same content gives the first answer again, and nothing more. Raises `Refused` (BAT-001 … BAT-007).
    """
    known = batches.answered(event.adapter, event.key)
    if known is not None:
        again = replace(event, nodes=tuple(_roomed(use, nodes) for use in event.nodes))
        if known.event.same_content(again) and known.event.batch == event.batch:
            return (replace(known, effect="repeat"),)
        raise Refused(
            f"event key '{event.key}' was used for other content; nothing changed",
            code="BAT-003",
            remedy="give each event its own key",
        )
    event = replace(event, nodes=tuple(_placed(use, nodes) for use in event.nodes))
    if event.effective_ns - event.recorded_ns > AHEAD_NS_MAX:
        ahead = (event.effective_ns - event.recorded_ns) // SECOND_NS
        raise Refused(f"effective time is {ahead:,} s ahead", code="BAT-004", remedy="check clock or entry")
    context = batches.trial(event.batch)
    first = _judge(context, event, settings)
    if first.effect != "applied":
        return (first,)
    take_up(context, event, batches.rolls)
    return (first, *_place_waiting(context, settings, batches))


def placeable_batch_events(batches: Batches, batch: str, settings: BatchSettings) -> tuple[Judged, ...]:
    """Return the waiting events of a batch that can be placed now: none, unless power was lost before they were written."""
    return tuple(_place_waiting(batches.trial(batch), settings, batches))


def expired_batch_events(batches: Batches, now_ns: int, settings: BatchSettings) -> tuple[Judged, ...]:
    """Return the waiting events whose pairing window has passed: they are conflicts now, for people to settle."""
    window_ns = settings.pairing_window_h * HOUR_NS
    return tuple(
        Judged(event=event, effect="conflict", remark=f"no counterpart within {settings.pairing_window_h} h")
        for context in batches.batches()
        for event in context.pending
        if now_ns - event.recorded_ns >= window_ns
    )


def _place_waiting(context: BatchContext, settings: BatchSettings, batches: Batches) -> list[Judged]:
    """Apply waiting events in order of effective time, each as soon as the state allows."""
    placed: list[Judged] = []
    waiting = sorted(context.pending, key=lambda e: e.effective_ns)
    while True:
        for event in waiting:
            judged = _judge(context, event, settings)
            if judged.effect != "pending":
                break
        else:
            return placed
        waiting.remove(event)
        placed.append(judged)
        if judged.effect == "applied":
            take_up(context, event, batches.rolls)


def _judge(context: BatchContext, event: BatchEvent, settings: BatchSettings) -> Judged:
    """Look the event up in the table; people's events that cannot be are refused here."""
    effect, remark = _effect(context, event, settings)
    if event.person is not None and effect in ("pending", "conflict"):
        raise _refusal(context, event)
    return Judged(event=event, effect=effect, remark=remark)


def _effect(context: BatchContext, event: BatchEvent, settings: BatchSettings) -> tuple[Effect, str | None]:
    reply = TABLE[context.state][event.act]
    if reply is Reply.PENDING:
        return "pending", f"batch is {context.state}"
    if reply is Reply.CONFLICT:
        return "conflict", f"cannot {event.act}: batch is {context.state}"
    if reply is Reply.REPEAT:
        return "repeat", None
    if reply is Reply.SAME_OR_CONFLICT:
        told = context.told.get(event.act)
        if told is None:  # a header that comes after its batch was started
            return "applied", None
        return (
            ("repeat", None) if event.corroborates(told) else ("conflict", f"{event.act} was reported otherwise before")
        )
    if reply is Reply.INSIDE and not _inside(context, event.effective_ns):
        return "conflict", f"outside the batch, which is {context.state}"
    if reply is Reply.RUNNING_IF_CREATED and not _may_create(event, settings):
        return "pending", "batch was never created"
    if _ends_too_early(context, event):
        return "conflict", "end is not after start"
    return "applied", None


def _inside(context: BatchContext, at_ns: int) -> bool:
    started, ended = context.started_ns, context.ended_ns
    return started is not None and ended is not None and started <= at_ns <= ended


def _may_create(event: BatchEvent, settings: BatchSettings) -> bool:
    return bool(event.header) if event.person is not None else event.adapter in settings.auto_create


def _ends_too_early(context: BatchContext, event: BatchEvent) -> bool:
    ends = event.act in (BatchAct.END, BatchAct.ABORT)
    return ends and context.started_ns is not None and event.effective_ns <= context.started_ns


def _refusal(context: BatchContext, event: BatchEvent) -> Refused:
    if event.act is BatchAct.CREATE:
        return Refused(
            f"batch id '{event.batch}' was used before; ids are never reused",
            code="BAT-006",
            remedy="choose another id, or amend the batch",
        )
    if context.state is not BatchState.UNKNOWN and _ends_too_early(context, event):
        started = context.started_ns or 0
        return Refused(
            f"{event.act} {_clock(event.effective_ns)} is not after start {_clock(started)}",
            code="BAT-005",
            remedy="check the times",
        )
    since = f" {_clock(context.ended_ns)}" if context.ended_ns is not None else ""
    state = "not known" if context.state is BatchState.UNKNOWN else f"{context.state}{since}"
    return Refused(f"cannot {event.act}: batch {event.batch} is {state}", code="BAT-002", remedy="propose an amendment")


def _placed(use: NodeUse, nodes: Mapping[str, Node]) -> NodeUse:
    """Return the node with its room; refuse one that does not exist or cannot be placed."""
    node = nodes.get(use.node)
    if node is None:
        near = difflib.get_close_matches(use.node, nodes, n=1)
        raise Refused(
            f"equipment '{use.node}' is not known",
            code="BAT-001",
            remedy=f"did you mean '{near[0]}'?" if near else "name a node of plant.yaml",
        )
    if node.mobile and use.room is None:
        raise Refused(f"{use.node} is mobile", code="BAT-007", remedy="name its room")
    return _roomed(use, nodes)


def _roomed(use: NodeUse, nodes: Mapping[str, Node]) -> NodeUse:
    node = nodes.get(use.node)
    return use if use.room is not None or node is None else replace(use, room=node.room)


def _clock(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns / SECOND_NS, UTC).strftime("%H:%M:%SZ")
