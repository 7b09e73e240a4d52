"""The gaps of one source: opened once, bounded by the first reading after, closed with what was recovered. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from gateway.domain.sample import Sample
from gateway.ports import Fact


class OpenGap(Struct):
    """A gap that is open: ``addresses`` empty is all of the source."""

    cause: str
    addresses: tuple[str, ...]
    bounded: bool = False
    ends_with: str = ""


class GapBook:
    """Open gaps by key; each call returns the facts that must stand in the stream, or None when nothing changes."""

    def __init__(self, open_by_key: dict[str, str]) -> None:
        self.gaps: dict[str, OpenGap] = {
            key: OpenGap(cause, (key.partition("/")[2],) if key.startswith("item/") else ())
            for key, cause in open_by_key.items()
        }
        self._unbounded = set(self.gaps)
        self.ended: list[Fact] = []

    def open(
        self,
        key: str,
        cause: str,
        *,
        certainty: str = "certain",
        addresses: Sequence[str] = (),
        positions: tuple[int, int] | None = None,
        source_ns: int | None = None,
        detail: dict[str, object] | None = None,
    ) -> Fact | None:
        """Open a gap; None when it is open already."""
        if key in self.gaps:
            return None
        self.gaps[key] = OpenGap(cause, tuple(addresses))
        self._unbounded.add(key)
        return Fact(
            kind="gap_opened",
            key=key,
            cause=cause,
            certainty=certainty,
            addresses=tuple(addresses),
            positions=positions,
            source_ns=source_ns,
            detail=detail,
        )

    def bound(self, samples: Iterable[Sample]) -> list[Fact]:
        """Return the facts of gaps that these live samples end; nothing is looked at while no gap waits."""
        if not self._unbounded:
            return []
        first: dict[str, int | None] = {}
        for sample in samples:
            first.setdefault(sample.address, sample.source_ns)
        if not first:
            return []
        facts: list[Fact] = []
        for key in sorted(self._unbounded):
            gap = self.gaps[key]
            seen = [address for address in gap.addresses if address in first] if gap.addresses else list(first)[:1]
            if seen:
                gap.bounded = True
                facts.append(Fact(kind="gap_bounded", key=key, cause=gap.cause, source_ns=first[seen[0]]))
                self.ended += self._end(key)
        self._unbounded = {key for key in self._unbounded if key in self.gaps and not self.gaps[key].bounded}
        return facts

    def unbound(self, keys: Iterable[str]) -> None:
        """The reading that bounded these gaps was not offered after all: it will come again."""
        for key in keys:
            if key in self.gaps:
                self.gaps[key].bounded = False
                self._unbounded.add(key)

    def close_bounded(self, key: str, recovery: str) -> list[Fact]:
        """Close a gap that nothing will recover: now if it has its far edge, else after the reading that gives it one.

        What the latter closes stands in ``ended`` and is told in the parcel after that reading's.
        """
        gap = self.gaps.get(key)
        if gap is None:
            return []
        gap.ends_with = recovery
        return self._end(key) if gap.bounded else []

    def _end(self, key: str) -> list[Fact]:
        ends_with = self.gaps[key].ends_with
        closed = self.close(key, ends_with) if ends_with else None
        return [closed] if closed is not None else []

    def close(
        self,
        key: str,
        recovery: str,
        *,
        recovered: int = 0,
        missing: int | None = None,
        detail: dict[str, object] | None = None,
    ) -> Fact | None:
        """Close a gap with ``full``, ``partial`` or ``none``; None when it is not open."""
        gap = self.gaps.pop(key, None)
        self._unbounded.discard(key)
        if gap is None:
            return None
        return Fact(
            kind="gap_closed",
            key=key,
            cause=gap.cause,
            addresses=gap.addresses,
            recovery=recovery,
            recovered=recovered,
            missing=missing,
            detail=detail,
        )
