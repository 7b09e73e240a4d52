"""Batches: the fold of judged batch events into states and memberships (`records-and-review.md` 1).

What an event does is judged once, before it is written (`batch_plan.py`); the fold takes the recorded effect as it stands, so
the live path and the rebuild are the same code.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable

from msgspec import Struct, field
from msgspec.structs import replace

from gateway.domain.batch_event import BatchEvent, Boundary, Judged
from gateway.domain.batch_states import FINAL_STATES, GOES_TO, TABLE, BatchAct, BatchState
from gateway.domain.membership import Membership, members_at


class Rolls(Struct, frozen=True):
    """Pre- and post-roll of the configuration, seconds."""

    pre_s: int = 0
    post_s: int = 0


class PhaseSpan(Struct, frozen=True):
    """A phase of a batch from ``from_ns`` until the next one."""

    phase: str
    from_ns: int


class BatchContext(Struct, kw_only=True):
    """Everything known of one batch; ``told`` holds the first applied event of each act."""

    batch: str
    state: BatchState = BatchState.UNKNOWN
    client: str | None = None
    header: dict[str, str] = field(default_factory=dict[str, str])
    started_ns: int | None = None
    ended_ns: int | None = None
    revision: int = 0
    told: dict[str, BatchEvent] = field(default_factory=dict[str, BatchEvent])
    phases: list[PhaseSpan] = field(default_factory=list[PhaseSpan])
    memberships: list[Membership] = field(default_factory=list[Membership])
    pending: list[BatchEvent] = field(default_factory=list[BatchEvent])
    conflicts: list[BatchEvent] = field(default_factory=list[BatchEvent])

    def phase_at(self, at_ns: int) -> str | None:
        """Return the phase in force at an effective time, None before the first."""
        earlier = [span for span in self.phases if span.from_ns <= at_ns]
        return max(earlier, key=lambda span: span.from_ns).phase if earlier else None

    @property
    def open(self) -> bool:
        """Return True while the batch is running or held."""
        return self.state in (BatchState.RUNNING, BatchState.HELD)


class Batches:
    """All batches of a site. One owner; changed by `apply` only, with events that stand in the ledger."""

    def __init__(self, rolls: Rolls | None = None) -> None:
        self._rolls = rolls or Rolls()
        self._batches: dict[str, BatchContext] = {}
        self._keys: dict[tuple[str, str], Judged] = {}

    def batch(self, batch: str) -> BatchContext:
        """Return what is known of a batch, nothing if it was never heard of."""
        return self._batches.get(batch) or BatchContext(batch=batch)

    def batches(self) -> tuple[BatchContext, ...]:
        """Return every batch ever heard of."""
        return tuple(self._batches.values())

    def answered(self, adapter: str, key: str) -> Judged | None:
        """Return the first answer to an event key, None if it is new."""
        return self._keys.get((adapter, key))

    def batches_at(self, places: Iterable[str], from_ns: int, to_ns: int | None) -> tuple[Membership, ...]:
        """Return the memberships that meet ``[from_ns, to_ns)`` on equipment or room; rolls excluded."""
        return members_at((m for b in self._batches.values() for m in b.memberships), places, from_ns, to_ns)

    def apply(self, judged: Judged) -> None:
        """Take up one recorded event with its recorded effect."""
        event = judged.event
        self._keys.setdefault((event.adapter, event.key), judged)
        context = self._batches.setdefault(event.batch, BatchContext(batch=event.batch))
        context.pending = [p for p in context.pending if (p.adapter, p.key) != (event.adapter, event.key)]
        if judged.effect == "applied":
            take_up(context, event, self._rolls)
        elif judged.effect == "pending":
            context.pending.append(event)
        elif judged.effect == "conflict":
            context.conflicts.append(event)

    def forget(self, names: Collection[str]) -> None:
        """Take batches out whose records were pruned."""
        for name in names:
            self._batches.pop(name, None)
        self._keys = {key: judged for key, judged in self._keys.items() if judged.event.batch not in names}

    def trial(self, batch: str) -> BatchContext:
        """Return a copy of a batch to try events on."""
        context = copy.copy(self.batch(batch))
        context.header, context.told = dict(context.header), dict(context.told)
        context.phases, context.memberships = list(context.phases), list(context.memberships)
        context.pending, context.conflicts = list(context.pending), list(context.conflicts)
        return context

    @property
    def rolls(self) -> Rolls:
        """Return the pre- and post-roll that new memberships get."""
        return self._rolls


def take_up(context: BatchContext, event: BatchEvent, rolls: Rolls) -> None:
    """Change a batch by an applied event: state, header, phases, memberships."""
    reply = TABLE[context.state][event.act]
    context.state = GOES_TO.get(reply, context.state)
    context.revision += 1
    context.told.setdefault(event.act, event)
    context.header |= event.header
    if context.client is None and event.client is not None:
        context.client = event.client
        context.memberships = [replace(m, client=event.client) for m in context.memberships]
    if event.act is BatchAct.START:
        context.started_ns = event.effective_ns
    if event.act in (BatchAct.START, BatchAct.USE):
        _join(context, event, rolls)
    elif event.act is BatchAct.RELEASE:
        _leave(context, event.effective_ns, {use.node for use in event.nodes})
    elif event.act is BatchAct.PHASE and event.phase is not None:
        context.phases.append(PhaseSpan(event.phase, event.effective_ns))
    elif event.act is BatchAct.AMEND:
        for boundary in event.boundaries:
            _amend(context, boundary)
    if context.state in FINAL_STATES and context.ended_ns is None:
        context.ended_ns = event.effective_ns
        _leave(context, event.effective_ns, {m.node for m in context.memberships if m.to_ns is None})


def _join(context: BatchContext, event: BatchEvent, rolls: Rolls) -> None:
    context.memberships += [
        Membership(
            batch=context.batch,
            client=context.client,
            node=use.node,
            use=use.use,
            room=use.room,
            from_ns=event.effective_ns,
            to_ns=context.ended_ns,
            pre_roll_s=rolls.pre_s,
            post_roll_s=rolls.post_s,
        )
        for use in event.nodes
    ]


def _leave(context: BatchContext, at_ns: int, nodes: set[str]) -> None:
    """Close what the batch holds on some nodes at ``at_ns``; a late word shortens, it never lengthens."""
    context.memberships = [
        replace(m, to_ns=max(m.from_ns, at_ns))
        if m.node in nodes and m.overlaps(at_ns, None) and not m.withdrawn
        else m
        for m in context.memberships
    ]


def _amend(context: BatchContext, boundary: Boundary) -> None:
    """Replace one interval; the earlier one stays visible, withdrawn."""
    changed: list[Membership] = []
    for m in context.memberships:
        if m.withdrawn or (m.node, m.from_ns) != (boundary.node, boundary.old_from_ns):
            changed.append(m)
            continue
        changed.append(replace(m, withdrawn=True))
        if boundary.withdrawn:
            continue
        changed.append(replace(m, from_ns=boundary.from_ns, to_ns=boundary.to_ns, revision=m.revision + 1))
        context.started_ns = boundary.from_ns if context.started_ns == m.from_ns else context.started_ns
        context.ended_ns = boundary.to_ns if context.ended_ns == m.to_ns else context.ended_ns
    context.memberships = changed
