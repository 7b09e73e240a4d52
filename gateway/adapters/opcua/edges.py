"""Live values near the edges of a gap, so that history that repeats them is dropped and counted, and nothing else is."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable

from gateway.adapters.opcua.values import OVERFLOW, overflowed
from gateway.domain.sample import Sample

RECENT = 32
"""Live values kept an address: more than a second's worth at the usual sampling, bounded for 50,000 items."""

EDGE_NS = 1_000_000_000

Mark = tuple[int | None, str, str, int | None]


def mark(sample: Sample) -> Mark:
    """Return what makes two samples of one address the same reading: source time, value bits, status.

    The overflow bit tells of the queue a value stood in, not of the value: history has it without.
    """
    status = sample.status or 0
    if overflowed(status):
        status &= ~OVERFLOW
    return sample.source_ns, sample.raw.type, str(sample.raw.value), status


class Edges:
    """Recent live samples by address, and the first live source time of the current incarnation."""

    def __init__(self, *, wanted: bool, last_ns: dict[str, int]) -> None:
        self._wanted = wanted
        self._recent: dict[str, deque[Mark]] = {}
        self._after: dict[str, set[Mark]] = {}
        self._waiters: dict[str, asyncio.Event] = {}
        self.last_ns = dict(last_ns)
        self.last: dict[str, Sample] = {}
        self.first_ns: dict[str, int] = {}
        self.first_s: dict[str, float] = {}
        self.before_ns: dict[str, int] = dict(last_ns)

    def see(self, samples: Iterable[Sample]) -> None:
        """Take live samples in the order they came."""
        for sample in samples:
            when = sample.source_ns
            if when is None:
                continue
            address = sample.address
            self.last_ns[address] = when
            self.last[address] = sample
            if not self._wanted:
                continue
            first = self.first_ns.get(address)
            if first is None:
                first = self.first_ns[address] = when
                self.first_s[address] = asyncio.get_running_loop().time()
                waiter = self._waiters.pop(address, None)
                if waiter is not None:
                    waiter.set()
            recent = self._recent.get(address)
            if recent is None:
                recent = self._recent[address] = deque(maxlen=RECENT)
            recent.append(mark(sample))
            if when <= first + EDGE_NS:
                self._after.setdefault(address, set()).add(mark(sample))

    def renew(self) -> None:
        """A new incarnation begins: what was live so far is the near edge of the gap."""
        self.before_ns = dict(self.last_ns)
        self._after = {address: set(marks) for address, marks in self._recent.items()}
        self.first_ns = {}
        self.first_s = {}

    async def first(self, address: str) -> None:
        """Wait for the first live value of this incarnation."""
        if address not in self.first_ns:
            await self._waiters.setdefault(address, asyncio.Event()).wait()

    def known(self, sample: Sample) -> bool:
        """Tell whether a historical sample repeats a live one."""
        one = mark(sample)
        address = sample.address
        return one in self._after.get(address, ()) or one in self._recent.get(address, ())
