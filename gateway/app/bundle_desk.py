"""Bundle desk: bundles that people take away of an excursion, or of signals over a stretch of time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from gateway.domain.times import format_time
from gateway.errors import Refused
from gateway.ledger.records import ObjectRef
from gateway.pipeline.batch_desk import BatchDesk
from gateway.pipeline.bundles import BundleBuilder, BundleSubject, Window, excursion_subject
from gateway.pipeline.fold import Fold

RANGE_NS_MAX: Final = 366 * 86_400 * 1_000_000_000
Head = Callable[[], Awaitable[tuple[int, bytes]]]
"""Size and note of the newest head, cosigned where witnesses answer."""


class BundleDesk:
    """Builds in a thread, up to the newest head; that a bundle left is an `audit` record before it is handed out."""

    def __init__(
        self,
        desk: BatchDesk,
        fold: Fold,
        bundles: BundleBuilder,
        head: Head,
        indexed: Callable[[int], Awaitable[None]],
        now_ns: Callable[[], int],
    ) -> None:
        self._desk = desk
        self._fold = fold
        self._bundles = bundles
        self._head = head
        self._indexed = indexed
        self._now_ns = now_ns

    async def excursion(self, excursion: str, person: str, terminal: str) -> bytes | None:
        """Return the bundle of an excursion with its deviations, None if there is none of that id."""
        story = self._fold.book.stories.get(excursion)
        if story is None:
            return None
        held = [("deviation", one.deviation) for one in self._fold.deviations.holding(excursion)]
        signal = story.newest.signal if isinstance(story.newest.signal, str) else None
        subject = excursion_subject(excursion, signal, story.raised.t0_ns, story.t1_ns, held, self._now_ns())
        return await self._export(subject, person, terminal)

    async def readings(self, signals: Sequence[str], from_ns: int, to_ns: int, person: str, terminal: str) -> bytes:
        """Return the bundle of readings with effective time in ``[from_ns, to_ns)``; without ``signals``: of all signals.

        Raises `Refused` for a signal that is not known and for no or too long a stretch.
        """
        known = self._fold.rules_under("").plan.signals
        strange = sorted(set(signals) - known.keys())
        if strange:
            raise Refused(f"no signal {strange[0]}", code="EXC-02", remedy="GET /api/v1/signals lists them")
        if not 0 < to_ns - from_ns <= RANGE_NS_MAX:
            raise Refused(
                "a range begins before it ends and lasts at most 366 days", code="EXC-02", remedy="cut it in parts"
            )
        chosen = frozenset(signals) or frozenset(known)
        shown = f"{format_time(from_ns)}..{format_time(to_ns)}"
        subject = BundleSubject(
            kind="range",
            id=shown if not signals else f"{' '.join(sorted(chosen))} {shown}",
            windows=(Window(signals=chosen, from_ns=from_ns, to_ns=to_ns),),
            names=(),
            intervals=tuple(
                {"signal": signal, "from": format_time(from_ns), "to": format_time(to_ns)} for signal in sorted(chosen)
            ),
        )
        return await self._export(subject, person, terminal)

    async def _export(self, subject: BundleSubject, person: str, terminal: str) -> bytes:
        size, note = await self._head()
        await self._indexed(size)
        loop = asyncio.get_running_loop()
        content = await loop.run_in_executor(None, self._bundles.build, subject, size, note, self._now_ns())
        await self._desk.exported(ObjectRef(kind=subject.kind, id=subject.id), person, terminal, content)
        return content
