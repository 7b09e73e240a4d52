"""BatchEvent: what the plant, a system or a person says about a batch, and what it changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from gateway.domain.batch_states import BatchAct
from gateway.domain.membership import Use

Effect = Literal["applied", "repeat", "pending", "conflict"]

CORROBORATION_NS = 5_000_000_000
"""Two accounts of one act agree when their effective times differ by at most this."""


class NodeUse(Struct, frozen=True, kw_only=True):
    """A node that a batch takes or leaves; ``room`` is named for mobile nodes."""

    node: str
    use: Use = "process"
    room: str | None = None


class Boundary(Struct, frozen=True, kw_only=True):
    """A corrected interval: which one (node and its start), and its new bounds; ``withdrawn``: it never was."""

    node: str
    old_from_ns: int
    from_ns: int
    to_ns: int | None = None
    withdrawn: bool = False


class BatchEvent(Struct, frozen=True, kw_only=True):
    """One event. ``person`` None: from the plant, a fact; else entered by a person and refused where it cannot be.

    ``key``: the adapter's event key; the same key means the same event. ``recorded_ns``: our clock when it was taken.
    """

    batch: str
    act: BatchAct
    effective_ns: int
    recorded_ns: int
    key: str
    adapter: str = "manual"
    person: str | None = None
    client: str | None = None
    nodes: tuple[NodeUse, ...] = ()
    phase: str | None = None
    header: Mapping[str, str] = {}
    boundaries: tuple[Boundary, ...] = ()

    def same_content(self, other: BatchEvent) -> bool:
        """Say whether both say the same of the batch, whoever said it and when."""
        return (self.act, self.nodes, self.phase, self.header, self.boundaries) == (
            other.act,
            other.nodes,
            other.phase,
            other.header,
            other.boundaries,
        )

    def corroborates(self, other: BatchEvent) -> bool:
        """Say whether this is the same account: same content, effective time within 5 s."""
        return self.same_content(other) and abs(self.effective_ns - other.effective_ns) <= CORROBORATION_NS


class Judged(Struct, frozen=True, kw_only=True):
    """An event with its effect, as it is written and as the fold takes it up; ``remark`` says why not applied."""

    event: BatchEvent
    effect: Effect
    remark: str | None = None
