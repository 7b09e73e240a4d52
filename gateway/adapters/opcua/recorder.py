"""The recorder: what the pump brings, made into parcels for the inlet, with each gap before the samples after it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from gateway.adapters.opcua.answers import DATA_CHANGE, Message
from gateway.adapters.opcua.delivery import Delivery
from gateway.adapters.opcua.edges import Edges, mark
from gateway.adapters.opcua.errors import Trouble, Verdict
from gateway.adapters.opcua.fast_decode import Changes, Receipt, read_changes
from gateway.adapters.opcua.gaps import GapBook
from gateway.adapters.opcua.values import overflowed
from gateway.domain.sample import Provenance, Sample
from gateway.ports import Fact, Inlet, Outcome, Parcel, SystemClock

LINK_DOWN = "link_down"


class Window(Struct, frozen=True):
    """Source times in ns between which history is wanted; ``until_ns`` None: the first live value."""

    from_ns: int
    until_ns: int | None = None


class Recovery(Struct):
    """Gaps that history may close: what is left to read by address, and what came of it so far."""

    keys: tuple[str, ...]
    windows: dict[str, Window]
    tails: dict[str, tuple[int, frozenset[tuple[int | None, str, str, int | None]]]] = {}
    recovered: int = 0
    repeats: int = 0
    full: int = 0
    partial: int = 0


class Recorder:
    """One source's way into the inlet. Incarnation, epoch and position go on where the newest records stand."""

    def __init__(
        self, source: str, inlet: Inlet, clock: SystemClock, addresses: Mapping[int, str], *, history: bool
    ) -> None:
        resume = inlet.resume(source)
        self.source = source
        self.incarnation = resume.incarnation
        self.epoch = resume.epoch
        self.position = resume.position
        self.known_before = resume.incarnation > 0
        self.book = GapBook(resume.gaps_open)
        self.edges = Edges(wanted=history, last_ns=resume.source_ns)
        self.recoveries: asyncio.Queue[Recovery] = asyncio.Queue()
        self.initial: set[int] = set()
        self.heard_ns = 0
        self.stopped = False
        self.pending: list[Fact] = []
        self._unsaid: list[Fact] = []
        self._rejoined: set[str] = set()
        self.announced = 0
        self.on_watch: Callable[[Sequence[Sample]], None] | None = None
        self._inlet = inlet
        self._clock = clock
        self._addresses = addresses
        self._history = history

    async def message(self, delivery: Delivery, message: Message, provenance: Provenance) -> None:
        """Offer one message; `Unreadable` leaves before anything is offered."""
        now = self._clock.now()
        found = Changes([], [], [])
        receipt = Receipt(now.wall_ns, now.boot_ns, provenance)
        names = self._addresses if delivery.role == "data" else WATCHED
        for part in message.parts:
            if part.kind == DATA_CHANGE:
                read_changes(message.data, part.start, part.stop, names, receipt, found)
        if delivery.role != "data":
            delivery.taken(message.sequence)
            if self.on_watch is not None:
                self.on_watch(found.samples)
            return
        if self.initial:
            self._flag_initial(found)
        if self._rejoined and provenance is Provenance.LIVE:
            self._drop_announced(found)
        facts = self._overflow(delivery, message, found) if found.overflows else []
        facts += self.book.bound(found.samples)
        self.edges.see(found.samples)
        if not found.samples and not facts:
            delivery.taken(message.sequence)
            return
        await self._offer(found.samples, facts, delivery.offered(message.sequence), message.sequence)
        self.initial.difference_update(found.handles)
        if self.book.ended:
            ended, self.book.ended = self.book.ended, []
            await self.tell(*ended)

    def rejoin(self) -> None:
        """A kept subscription goes on over a new channel: some servers then say each last value once more."""
        self._rejoined = set(self._addresses.values())

    async def hole(self, delivery: Delivery, first: int, last: int) -> None:
        """Record messages the server no longer has; history may bring their values back."""
        delivery.broken = True
        key = f"sequence/{self.incarnation}/{delivery.id}/{first}"
        fact = self.book.open(key, "sequence_missing", positions=(first, last))
        facts = [fact] if fact is not None else []
        await self.tell(*facts, *self._recover_all(key))

    async def unreadable(self, delivery: Delivery, message: Message, why: str) -> None:
        """Quarantine the bytes of a message and record its gap; then it may be acknowledged."""
        delivery.broken = True
        key = f"sequence/{self.incarnation}/{delivery.id}/{message.sequence}"
        bad = Fact(kind="quarantine", cause="codec_failed", content=message.data, detail={"why": why})
        fact = self.book.open(key, "sequence_missing", positions=(message.sequence, message.sequence))
        facts = [bad, *([fact] if fact is not None else []), *self._recover_all(key)]
        await self._offer([], facts, delivery.offered(message.sequence), message.sequence)

    async def heard(self, delivery: Delivery) -> None:
        """The sequence stands: a link that was down lost nothing, but for the holes recorded."""
        self.heard_ns = self._clock.now().monotonic_ns
        pending, self.pending = self.pending, []
        await self.tell(*pending)
        if delivery.role == "data" and LINK_DOWN in self.book.gaps:
            recovery, missing = ("partial", None) if delivery.broken else ("full", 0)
            fact = self.book.close(LINK_DOWN, recovery, missing=missing)
            await self.tell(*([fact] if fact is not None else []))
        if delivery.role == "data":
            delivery.broken = False

    async def tell(self, *facts: Fact) -> None:
        """Offer facts alone, in their place in the stream."""
        if facts:
            await self._offer([], list(facts), lambda _: None)

    async def commit(self, samples: Sequence[Sample] = (), facts: Sequence[Fact] = ()) -> None:
        """Offer and wait until it is durable; raise `Trouble` when the pipeline stopped instead."""
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def settle(outcome: Outcome) -> None:
            if not done.done():
                done.set_result(outcome)

        await self._offer(list(samples), list(facts), settle)
        if await done is not Outcome.COMMITTED:
            raise Trouble(Verdict.LINK, "the records were not committed")

    def link_fact(self, event: str, **detail: object) -> Fact:
        """Return a link event; its members are flat."""
        return Fact(kind="link", cause=event, detail={key: detail[key] for key in sorted(detail)})

    def state_fact(self, state: str, reason: str = "") -> Fact:
        """Return a change of this source's state."""
        return self.link_fact("state", state=state, **({"reason": reason} if reason else {}))

    async def _offer(
        self,
        samples: list[Sample],
        facts: list[Fact],
        settle: Callable[[Outcome], None],
        position: int | None = None,
    ) -> None:
        """Offer one parcel. Cancelled while the intake is full, its facts come with the next: no gap is forgotten."""

        def settled(outcome: Outcome) -> None:
            self.stopped = self.stopped or outcome is Outcome.DISCARDED
            settle(outcome)

        position = self.position if position is None else position
        said, self._unsaid = [*self._unsaid, *facts], []
        parcel = Parcel(
            source=self.source,
            incarnation=self.incarnation,
            epoch=self.epoch,
            position=position,
            samples=tuple(samples),
            facts=tuple(said),
            settle=settled,
        )
        try:
            await self._inlet.offer(parcel)
        except asyncio.CancelledError:
            self.book.unbound(fact.key for fact in said if fact.kind == "gap_bounded")
            self._unsaid = [*(fact for fact in said if fact.kind != "gap_bounded"), *self._unsaid]
            raise
        self.position = position

    def _flag_initial(self, found: Changes) -> None:
        """Mark the first value of each item of a new subscription: its time says when it changed, not when we asked."""
        fresh = set(self.initial)
        for index, handle in enumerate(found.handles):
            if handle in fresh:
                fresh.discard(handle)
                sample = found.samples[index]
                found.samples[index] = replace(sample, flags=tuple(sorted((*sample.flags, "initial"))))

    def _drop_announced(self, found: Changes) -> None:
        """Drop and count the first live value after a rejoining if it is the last one again: time, bits and status."""
        kept: list[tuple[int, Sample]] = []
        for handle, sample in zip(found.handles, found.samples, strict=True):
            last = self.edges.last.get(sample.address) if sample.address in self._rejoined else None
            self._rejoined.discard(sample.address)
            if last is not None and mark(last) == mark(sample) and not overflowed(sample.status or 0):
                self.announced += 1
            else:
                kept.append((handle, sample))
        if len(kept) < len(found.samples):
            found.handles, found.samples = [handle for handle, _ in kept], [sample for _, sample in kept]
            found.overflows = [i for i, (_, sample) in enumerate(kept) if overflowed(sample.status or 0)]

    def _overflow(self, delivery: Delivery, message: Message, found: Changes) -> list[Fact]:
        """Open one gap for all items of a message whose queue on the server ran over."""
        key = f"overflow/{self.incarnation}/{delivery.id}/{message.sequence}"
        lost = {found.samples[index].address: found.samples[index] for index in reversed(found.overflows)}
        opened = self.book.open(
            key,
            "server_queue_overflow",
            addresses=sorted(lost),
            positions=(message.sequence, message.sequence),
            source_ns=min((s.source_ns for s in lost.values() if s.source_ns is not None), default=None),
        )
        facts = [opened] if opened is not None else []
        windows = {
            address: Window(self.edges.last_ns[address], sample.source_ns)
            for address, sample in lost.items()
            if address in self.edges.last_ns and sample.source_ns is not None
        }
        if self._history and windows:
            self.recoveries.put_nowait(Recovery((key,), windows))
            return facts
        return [*facts, *self.book.close_bounded(key, "none")]

    def _recover_all(self, key: str) -> list[Fact]:
        """Queue history for all items from their last live value on; without history the gap is closed as it is."""
        windows = {address: Window(when) for address, when in self.edges.last_ns.items()}
        if self._history and windows:
            self.recoveries.put_nowait(Recovery((key,), windows))
            return []
        return self.book.close_bounded(key, "none")


WATCHED = {1: "i=2259", 2: "i=2257", 3: "i=2267"}
"""Handles of the watch subscription: State, StartTime, ServiceLevel."""
