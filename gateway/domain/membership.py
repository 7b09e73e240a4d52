"""Membership: a batch is on a node, or in a room, for an interval ``[from, to)``; many to many (`records-and-review.md` 1).

A reading names no batch: it belongs by its effective time. Pre- and post-roll are drawn, never judged, so they never count here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct

from gateway.domain.plan import Node

Use = Literal["process", "room", "storage"]

PLACE_LEVELS = frozenset({"process_cell", "unit", "equipment_module", "control_module"})
"""Levels whose membership covers what is inside them: a batch on a unit is on its modules too."""


class Membership(Struct, frozen=True, kw_only=True):
    """One interval of one batch on one node, in effective time; ``to_ns`` None while open.

    ``revision`` counts corrections of this interval; ``withdrawn`` marks one that an amendment replaced (it stays visible).
    """

    batch: str
    client: str | None
    node: str
    use: Use
    room: str | None
    from_ns: int
    to_ns: int | None = None
    pre_roll_s: int = 0
    post_roll_s: int = 0
    revision: int = 1
    withdrawn: bool = False

    def overlaps(self, from_ns: int, to_ns: int | None) -> bool:
        """Say whether this interval meets ``[from_ns, to_ns)``; an empty stretch counts as its instant."""
        starts_before = to_ns is None or self.from_ns < max(to_ns, from_ns + 1)
        return starts_before and (self.to_ns is None or self.to_ns > from_ns)

    def overlap_ns(self, from_ns: int, to_ns: int) -> int:
        """Return how long this interval lies inside ``[from_ns, to_ns)``."""
        return max(0, min(to_ns, self.to_ns if self.to_ns is not None else to_ns) - max(from_ns, self.from_ns))


def places_of(node: str, nodes: Mapping[str, Node]) -> tuple[str, ...]:
    """Return the places whose batches a signal of ``node`` serves: the node itself and the equipment around it."""
    found = [node]
    known = nodes.get(node)
    while known is not None and known.parent is not None and known.level in PLACE_LEVELS:
        known = nodes.get(known.parent)
        if known is not None and known.level in PLACE_LEVELS:
            found.append(known.id)
    return tuple(found)


def members_at(
    memberships: Iterable[Membership], places: Iterable[str], from_ns: int, to_ns: int | None
) -> tuple[Membership, ...]:
    """Return the memberships in force that meet an interval on any of the places, equipment or room."""
    wanted = frozenset(places)
    return tuple(
        m
        for m in memberships
        if not m.withdrawn and (m.node in wanted or m.room in wanted) and m.overlaps(from_ns, to_ns)
    )


def exclusive_overlaps(
    memberships: Iterable[Membership], nodes: Mapping[str, Node]
) -> tuple[tuple[Membership, Membership], ...]:
    """Return the pairs of different batches that were on one exclusive node at one time (RBE-17)."""
    by_node: dict[str, list[Membership]] = {}
    for m in memberships:
        node = nodes.get(m.node)
        if node is not None and node.exclusive and not m.withdrawn:
            by_node.setdefault(m.node, []).append(m)
    return tuple(
        (a, b)
        for there in by_node.values()
        for n, a in enumerate(there)
        for b in there[n + 1 :]
        if a.batch != b.batch and a.overlaps(b.from_ns, b.to_ns)
    )
