"""Batch impact: which deviations say something else of their batches, now that a batch came, went or was corrected."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from gateway.domain import deviation as domain
from gateway.domain.deviation_states import DeviationState
from gateway.domain.identity import SITE
from gateway.domain.membership import Membership
from gateway.pipeline.excursion_book import Story
from gateway.pipeline.fold import Fold


def touched(fold: Fold, batches: Collection[str]) -> list[Story]:
    """Return the excursions on places of these batches, withdrawn intervals included, in the order they were raised."""
    places = {
        place
        for batch in batches
        for m in fold.batches.batch(batch).memberships
        for place in (m.node, m.room)
        if place is not None
    }
    if not places:
        return []
    return [story for story in fold.book.stories.values() if not places.isdisjoint(fold.places(story.raised))]


def updates(fold: Fold, story: Story, at_ns: int, *, open_only: bool) -> Iterator[domain.Deviation]:
    """Yield a revision of each deviation of an excursion whose batches are not those it tells; take each up before the next."""
    excursion = story.raised.excursion
    for before in fold.deviations.holding(excursion):
        if open_only and before.state is not DeviationState.OPEN:
            continue
        now = _batches_of(fold, before)
        if set(now) == set(before.batches):
            continue
        scopes = {one.scope: one.batches for one in fold.deviations.holding(excursion)} | {before.scope: now}
        planned = fold.deviations.plan_changed(excursion, at_ns, batches=scopes)
        yield from (revision for revision in planned if revision.deviation == before.deviation)


def _batches_of(fold: Fold, deviation: domain.Deviation) -> tuple[str, ...]:
    """Return the batches that any excursion of a deviation meets, as its scope may see them; known ones first, in their order."""
    present: dict[str, None] = {}
    for part in deviation.parts:
        story = fold.book.stories.get(part.excursion.id)
        if story is not None:
            present.update((m.batch, None) for m in fold.present(story.newest, part.t1_ns) if _seen(m, deviation))
    return (*(b for b in deviation.batches if b in present), *(b for b in present if b not in deviation.batches))


def _seen(membership: Membership, deviation: domain.Deviation) -> bool:
    return deviation.scope in (SITE, membership.client)
