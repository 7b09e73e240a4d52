"""Prune plan: how much of the log's beginning nothing keeps any more (`records-and-review.md` 8). Pure; says what keeps the rest."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Final

from msgspec import Struct

from gateway.domain.retention import Kept, Rule, keep_record
from gateway.ledger.segment import SEGMENT_ENTRIES, segment_of

BATCHES_MAX: Final = 1_000
"""Batches that one act may name: its record has a bound."""


class SegmentSpan(Struct, frozen=True, kw_only=True):
    """A stored segment: its first index, the newest time of its records (ns; None: not known), the batches it holds."""

    first: int
    newest_ns: int | None
    batches: frozenset[str]


class Holding(Struct, frozen=True):
    """Something that is not done: records from ``first`` on are needed for it. ``why`` is for people."""

    first: int
    why: str


class Epoch(Struct, frozen=True):
    """A configuration in force from the record at ``index`` on. ``running``: it is the one in force now."""

    index: int
    running: bool


class Ground(Struct, frozen=True, kw_only=True):
    """Everything a plan rests on. ``segments``: full, published ones without the newest, oldest first."""

    segments: Sequence[SegmentSpan]
    batches: Mapping[str, Kept]
    retired: Collection[str]
    site: Mapping[str, Rule]
    holdings: Sequence[Holding]
    epochs: Sequence[Epoch]
    today: date


class PrunePlan(Struct, frozen=True, kw_only=True):
    """Records ``first .. stop-1`` may go; none where they are equal. ``why``: what keeps the next segment.

    ``batches`` go with them, ``policy`` names the rules by which; ``explains``: the configuration in force is among them.
    """

    first: int
    stop: int
    why: str
    batches: tuple[str, ...]
    policy: str
    explains: bool


def plan_prune(ground: Ground) -> PrunePlan:
    """Return the longest beginning of whole segments that is past every rule and that nothing needs."""
    if not ground.segments:
        return PrunePlan(first=0, stop=0, why="no segment is full", batches=(), policy="", explains=False)
    first = ground.segments[0].first
    free: list[SegmentSpan] = []
    why, named = "the newest records stay", set[str]()
    for segment in ground.segments:
        kept = _keeps(segment, ground)
        if kept:
            why = kept
            break
        if len(named | segment.batches) > BATCHES_MAX:
            why = f"more than {BATCHES_MAX:,} batches: ask again for the rest"
            break
        named |= segment.batches
        free.append(segment)
    stop = free[-1].first + SEGMENT_ENTRIES if free else first
    while stop > first and (epoch := _epoch_at(ground, stop)) is not None and not epoch.running:
        why = f"record {epoch.index:,} holds the configuration of records that stay"
        stop = max(first, segment_of(epoch.index))
    free = [segment for segment in free if segment.first < stop]
    batches = sorted({name for segment in free for name in segment.batches} - set(ground.retired))
    rules = {ground.batches[name].why for name in batches}
    rules |= {keep_record(one.newest_ns, ground.site).why for one in free if one.newest_ns is not None}
    return PrunePlan(
        first=first,
        stop=stop,
        why=why,
        batches=tuple(batches),
        policy=" ".join(sorted(rules)),
        explains=(epoch := _epoch_at(ground, stop)) is not None and epoch.running and stop > first,
    )


def _keeps(segment: SegmentSpan, ground: Ground) -> str:
    """Return what keeps a segment the longest, empty where nothing does."""
    if segment.newest_ns is None:
        return f"the times of records {segment.first:,}.. are not known"
    keeps = [keep_record(segment.newest_ns, ground.site)]
    unknown = Kept(None, "a batch that is not known")
    keeps += [ground.batches.get(name, unknown) for name in sorted(segment.batches - set(ground.retired))]
    lasting = [one for one in keeps if not one.past(ground.today)]
    if lasting:
        return max(lasting, key=lambda one: date.max if one.until is None else one.until).text()
    stop = segment.first + SEGMENT_ENTRIES
    return next((one.why for one in ground.holdings if segment.first <= one.first < stop), "")


def _epoch_at(ground: Ground, stop: int) -> Epoch | None:
    """Return the configuration in force at ``stop`` whose records stand below it, None if they do not."""
    before = [epoch for epoch in ground.epochs if epoch.index < stop]
    return before[-1] if before and before[-1].index >= ground.segments[0].first else None
