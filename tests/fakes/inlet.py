"""A fake inlet: keeps parcels, settles them when told, at once, late or never; can be full and can fail both ways."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from gateway.domain.sample import Sample
from gateway.ports import Fact, Outcome, Parcel, Resume


class FakeInlet:
    """``settle_at_once`` commits in the turn of the offer; else `commit` settles what waits, in order.

    ``full`` makes `offer` wait, as the real one does at its bound. ``resume_with`` is what a restart finds.
    """

    def __init__(self, *, settle_at_once: bool = True, resume_with: Resume | None = None) -> None:
        self.settle_at_once = settle_at_once
        self.resume_with = resume_with or Resume()
        self.parcels: list[Parcel] = []
        self.waiting: list[Parcel] = []
        self.committed: list[Parcel] = []
        self._open = asyncio.Event()
        self._open.set()
        self._seen = asyncio.Condition()

    async def offer(self, parcel: Parcel) -> None:
        await self._open.wait()
        self.parcels.append(parcel)
        self.waiting.append(parcel)
        if self.settle_at_once:
            self.commit()
        async with self._seen:
            self._seen.notify_all()

    async def offer_run(self, parcels: Sequence[Parcel]) -> None:
        for parcel in parcels:
            await self.offer(parcel)

    def resume(self, source: str) -> Resume:
        return self.resume_with

    def commit(self, count: int | None = None) -> None:
        """Settle the oldest ``count`` parcels (all) as committed, as one commit does: in order, in one turn."""
        now, self.waiting = self.waiting[:count], [] if count is None else self.waiting[count:]
        self.committed += now
        for parcel in now:
            parcel.settle(Outcome.COMMITTED)

    def discard(self, *, but_kept: bool = False) -> None:
        """Settle what waits as discarded; ``but_kept``: it had reached the disk all the same."""
        now, self.waiting = self.waiting, []
        if but_kept:
            self.committed += now
        for parcel in now:
            parcel.settle(Outcome.DISCARDED)

    def fill(self) -> None:
        """Be at the bound: `offer` waits."""
        self._open.clear()

    def empty(self) -> None:
        """Have room again."""
        self._open.set()

    @property
    def samples(self) -> list[Sample]:
        """All samples in offer order."""
        return [sample for parcel in self.parcels for sample in parcel.samples]

    @property
    def facts(self) -> list[Fact]:
        """All facts in offer order."""
        return [fact for parcel in self.parcels for fact in parcel.facts]

    def values(self) -> list[str]:
        """Raw texts of all samples in offer order."""
        return [str(sample.raw.value) for sample in self.samples]

    async def until(self, holds: Callable[[FakeInlet], bool], seconds: float = 20.0) -> None:
        """Wait until a condition on this inlet holds; the test fails after ``seconds``."""
        async with asyncio.timeout(seconds), self._seen:
            await self._seen.wait_for(lambda: holds(self))

    async def until_values(self, count: int, seconds: float = 20.0) -> None:
        """Wait for ``count`` samples."""
        await self.until(lambda inlet: len(inlet.samples) >= count, seconds)

    async def until_fact(self, kind: str, cause: str, seconds: float = 20.0, *, times: int = 1) -> Fact:
        """Wait for the fact of this kind and cause, for the ``times``-th one."""

        def found(inlet: FakeInlet) -> list[Fact]:
            return [fact for fact in inlet.facts if fact.kind == kind and fact.cause == cause]

        await self.until(lambda inlet: len(found(inlet)) >= times, seconds)
        return found(self)[times - 1]
