"""Intake: the pipeline's side of every source. Parcels become records; their settling waits for the commit.

Order within a parcel: facts first (a gap stands before the readings after it), then readings. Parcels of one source are
committed and settled in the order of their offers, because the pool is one queue.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from msgspec import UNSET, Struct, field, structs

from gateway.domain.decode import NO_COMPANIONS, Decoded
from gateway.domain.plan import Plan
from gateway.domain.sample import Sample
from gateway.errors import Refused
from gateway.ledger.records import (
    GapEdge,
    Gateway,
    Quarantine,
    Reading,
    Record,
    format_content,
)
from gateway.pipeline.batch_book import BatchBook
from gateway.pipeline.batch_facts import answer_of, judge_fact, refused_detail
from gateway.pipeline.channel import Channel, ParcelHead
from gateway.pipeline.gap_book import GapBook
from gateway.pipeline.reading_run import ReadingRun, kept_content
from gateway.pipeline.stamp import Stamper
from gateway.pipeline.standing import SignalStanding, SourceStanding, Standing
from gateway.ports import Fact, Journal, Outcome, Parcel, Resume

REPEAT_KEYS_MAX = 20_000
"""Repeat keys remembered for each source."""


class Room(Protocol):
    """The journal's back-pressure."""

    async def room(self) -> None:
        """Wait until the pool is below its bound."""
        ...

    def hurry(self) -> None:
        """Commit what waits now."""
        ...


class IntakeFigures(Struct):
    """Counts for telemetry; the intake alone writes them."""

    samples: Counter[str] = field(default_factory=Counter[str])
    quarantined: Counter[str] = field(default_factory=Counter[str])
    gaps: Counter[str] = field(default_factory=Counter[str])
    duplicates: Counter[str] = field(default_factory=Counter[str])
    last_ns: dict[str, int] = field(default_factory=dict[str, int])


class Intake:
    """Implements `gateway.ports.Inlet`.

    ``early`` maps a source to the number of unsettled parcels at which a commit starts early: half its window.
    """

    def __init__(
        self,
        plan: Plan,
        standing: Standing,
        journal: Journal,
        room: Room,
        stamp: Stamper,
        *,
        early: Mapping[str, int],
        test_sources: frozenset[str] = frozenset(),
        batches: BatchBook | None = None,
    ) -> None:
        self._batches = batches
        self._journal = journal
        self._room = room
        self._stamp = stamp
        self._gateway = plan.gateway
        self._early = early
        self._standing = standing
        self._unsettled: Counter[str] = Counter()
        self._keys: dict[str, OrderedDict[str, None]] = {}
        self._channels: dict[tuple[str, str], Channel] = {}
        self._dependent: set[str] = set()
        self._addresses: dict[str, dict[str, str]] = {}
        for key, signal in plan.by_address().items():
            standing.places[signal.id] = (signal.source, signal.address)
            held = standing.signals.setdefault(signal.id, SignalStanding())
            self._channels[key] = channel = Channel(
                signal, held, plan.config, dev=plan.dev, test=signal.source in test_sources
            )
            if channel.companions:
                self._dependent.add(signal.source)
            self._addresses.setdefault(signal.source, {})[signal.id] = signal.address
        self._gaps = GapBook(standing, stamp, self._signal_of)
        self.figures = IntakeFigures()

    @property
    def gaps_open(self) -> int:
        """How many gaps are open now."""
        return self._gaps.open_count

    @property
    def unsettled(self) -> int:
        """How many parcels wait for their commit."""
        return self._unsettled.total()

    def resume(self, source: str) -> Resume:
        """Return where ``source`` stood by the newest records."""
        return self._standing.resume(source, self._addresses.get(source, {}))

    async def offer(self, parcel: Parcel) -> None:
        """Turn a parcel into records and put them into the pool; wait first while the pool is over its bound.

        What tells of batches waits until all batches of the past are known: a source stands still for the length of the fold.
        """
        await self._room.room()
        if self._batches is not None and any(fact.kind == "batch" for fact in parcel.facts):
            await self._batches.ready()
        self._take(parcel)

    async def offer_run(self, parcels: Sequence[Parcel]) -> None:
        """Take parcels of one source in order; those that hold readings and nothing else go stage by stage."""
        await self._room.room()
        run = ReadingRun()
        for parcel in parcels:
            if parcel.source not in self._dependent and run.add(parcel, self._channels):
                continue
            if run:
                self._take_run(run)
                run = ReadingRun()
            await self.offer(parcel)
        if run:
            self._take_run(run)

    def _take_run(self, run: ReadingRun) -> None:
        newest, stamp, side_objects = run.newest, self._stamp, list[bytes]()
        source = newest.source
        self.figures.samples[source] += run.samples
        records = run.readings(stamp.clock_number, stamp.clock_state, partial(self._repeated, source), side_objects)
        if records:
            self._note_last(source, records[-1], len(records))
        self._stand(newest)
        self._unsettled[source] += len(run)

        def settle(outcome: Outcome) -> None:
            self._unsettled[source] -= len(run)
            run.settle(outcome)

        self._journal.append(records, settle=settle, side_objects=side_objects)
        self._hurry(source)

    def _note_last(self, source: str, reading: Reading, count: int) -> None:
        """Remember the newest reading, the last of ``count`` records that are about to be appended."""
        self.figures.last_ns[source] = reading.received_ns
        newest = reading.source_ns if isinstance(reading.source_ns, int) else None
        self._gaps.note_last(source, self._journal.index_of(count - 1), newest, reading.received_ns)

    def _stand(self, parcel: Parcel) -> None:
        """Remember where a source stands."""
        at = self._standing.sources.get(parcel.source)
        if at is None:
            at = self._standing.sources[parcel.source] = SourceStanding()
        at.incarnation, at.epoch, at.position = parcel.incarnation, parcel.epoch, parcel.position

    def _hurry(self, source: str) -> None:
        """Have the commit start early once half of the source's window waits."""
        if self._unsettled[source] >= self._early.get(source, 1 << 30):
            self._room.hurry()

    def _take(self, parcel: Parcel) -> None:
        source = parcel.source
        self.figures.samples[source] += len(parcel.samples)
        records: list[Record] = []
        side_objects: list[bytes] = []
        answers: list[Callable[[], None]] = []
        if parcel.facts:
            for fact in parcel.facts:
                if fact.kind == "batch":
                    self._batch(parcel, fact, records, side_objects, answers)
                elif fact.kind != "gap_bounded":
                    self._fact(parcel, fact, records, side_objects)
            self._bound_gaps(parcel, records)
        self._readings(parcel, records, side_objects)
        self._stand(parcel)
        self._unsettled[source] += 1
        self._journal.append(records, settle=self._settled(parcel, answers), side_objects=side_objects)
        self._hurry(source)

    def know(self, source: str, keys: Iterable[str]) -> None:
        """Take up the repeat keys of what was committed before this start, oldest first."""
        for key in keys:
            self._repeated(source, key)
        self.figures.duplicates.clear()

    def _repeated(self, source: str, key: str) -> bool:
        """Tell whether a device has sent this very value before (`ingest.md` 4.2); count it if so."""
        known = self._keys.get(source)
        if known is None:
            known = self._keys[source] = OrderedDict()
        if key in known:
            self.figures.duplicates[source] += 1
            return True
        known[key] = None
        if len(known) > REPEAT_KEYS_MAX:
            known.popitem(last=False)
        return False

    def _settled(self, parcel: Parcel, answers: Iterable[Callable[[], None]]) -> Callable[[Outcome], None]:
        def settle(outcome: Outcome) -> None:
            self._unsettled[parcel.source] -= 1
            parcel.settle(outcome)
            if outcome is Outcome.COMMITTED:
                for answer in answers:
                    answer()

        return settle

    def _readings(self, parcel: Parcel, records: list[Record], side_objects: list[bytes]) -> None:
        if not parcel.samples:
            return
        source = parcel.source
        head = self._head_of(parcel)
        payload = parcel.samples[0].payload
        decoded = self._decode_companions(source, parcel.samples) if source in self._dependent else NO_COMPANIONS
        many = len(parcel.samples) > 1
        reading: Reading | None = None
        for sample in parcel.samples:
            channel = self._channels.get((source, sample.address))
            if channel is None:
                records.append(self._unbound(parcel, sample))
                continue
            if sample.repeat_key is not None and self._repeated(source, sample.repeat_key):
                continue
            found = decoded.get(channel.id)
            if found is None or channel.companions:
                found = channel.decode(sample, decoded)
            if channel.reduces and channel.unchanged(found):
                continue
            kept = UNSET if payload is None or sample.part else kept_content(payload.content, side_objects)
            part = sample.part if many else UNSET
            reading = channel.reading(sample, found, channel.judge(sample, found), head, part, kept)
            records.append(reading)
        if reading is not None:
            self._note_last(source, reading, len(records))

    def _head_of(self, parcel: Parcel) -> ParcelHead:
        stamp = self._stamp
        return ParcelHead(stamp.clock_number, stamp.clock_state, parcel.incarnation, parcel.epoch, parcel.position)

    def _decode_companions(self, source: str, samples: tuple[Sample, ...]) -> Mapping[str, Decoded]:
        """Decode first what other signals of the same message depend on; most parcels have no such signal."""
        wanted: set[str] = set()
        for sample in samples:
            channel = self._channels.get((source, sample.address))
            if channel is not None and channel.companions:
                wanted.update(channel.companions)
        if not wanted:
            return NO_COMPANIONS
        found: dict[str, Decoded] = {}
        for sample in samples:
            channel = self._channels.get((source, sample.address))
            if channel is not None and channel.id in wanted:
                found[channel.id] = channel.decode(sample, NO_COMPANIONS)
        return found

    def _fact(self, parcel: Parcel, fact: Fact, records: list[Record], side_objects: list[bytes]) -> None:
        match fact.kind:
            case "gap_opened":
                self._keep_gap(self._gaps.opened(parcel.source, fact), records)
            case "gap_closed":
                self._keep_gap(self._gaps.closed(parcel.source, fact), records)
            case "quarantine":
                records.append(self._quarantine(parcel, fact, side_objects))
            case "link":
                records.append(self._link(parcel, fact))
            case _:
                raise AssertionError(f"a source may not say {fact.kind!r}")

    def _batch(
        self,
        parcel: Parcel,
        fact: Fact,
        records: list[Record],
        side_objects: list[bytes],
        answers: list[Callable[[], None]],
    ) -> None:
        """Record what the plant says of a batch; what nobody can place is quarantined, and acknowledged all the same."""
        assert self._batches is not None, "only a gateway with batch adapters has sources that tell of batches"
        detail, base = fact.detail or {}, len(records)

        def index_of(nth: int) -> int:
            return self._journal.index_of(base + nth)

        try:
            verdict, side = judge_fact(self._batches, fact, self._stamp()["at_ns"], index_of)
        except Refused as refused:
            answer = {"event_key": detail["key"], "ledger_index": index_of(0), "effect": "refused"}
            refusal = refused_detail(detail, refused.code, refused.text)
            told = structs.replace(fact, kind="quarantine", cause="no_binding", detail=refusal)
            records.append(self._quarantine(parcel, told, side_objects))
        else:
            answer = answer_of(detail, verdict)
            records += verdict.records
            side_objects += [] if side is None else [side]
        if fact.answer is not None:
            answers.append(partial(fact.answer, answer))

    def _bound_gaps(self, parcel: Parcel, records: list[Record]) -> None:
        """Bound gaps last among the facts: only then the index of the first reading after them is known."""
        facts = [f for f in parcel.facts if f.kind == "gap_bounded" and self._gaps.can_bound(parcel.source, f)]
        first = len(records) + len(facts)
        for fact in facts:
            self._keep_gap(self._gaps.bounded(parcel.source, fact, self._edge(parcel, fact, first)), records)

    def _keep_gap(self, gap: Any, records: list[Record]) -> None:
        if gap is None:
            return
        if gap.event == "opened":
            self.figures.gaps[gap.cause] += 1
        self._standing.apply(self._journal.index_of(len(records)), gap)
        records.append(gap)

    def _edge(self, parcel: Parcel, fact: Fact, first: int) -> GapEdge:
        """Return the edge after a gap: the first sample of this parcel, whose record follows the facts."""
        if not parcel.samples:
            return GapEdge(source_ns=UNSET if fact.source_ns is None else fact.source_ns)
        sample = parcel.samples[0]
        return GapEdge(
            index=self._journal.index_of(first),
            source_ns=UNSET if sample.source_ns is None else sample.source_ns,
            received_ns=sample.received_ns,
        )

    def _quarantine(self, parcel: Parcel, fact: Fact, side_objects: list[bytes]) -> Quarantine:
        self.figures.quarantined[fact.cause] += 1
        content, side = format_content(fact.content or b"")
        if side is not None:
            side_objects.append(side)
        return Quarantine(
            **self._stamp(),
            reason=fact.cause,
            source=parcel.source,
            incarnation=parcel.incarnation,
            epoch=parcel.epoch,
            position=parcel.position,
            address=UNSET if fact.address is None else fact.address,
            content=content,
            flags=sorted(fact.flags) if fact.flags else UNSET,
            facts=UNSET if not fact.detail else dict(sorted(fact.detail.items())),
        )

    def _unbound(self, parcel: Parcel, sample: Sample) -> Quarantine:
        text = f"{sample.raw.type}:{sample.raw.value}".encode()[:4096]
        fact = Fact(kind="quarantine", cause="no_binding", address=sample.address, content=text)
        return self._quarantine(parcel, fact, [])

    def _link(self, parcel: Parcel, fact: Fact) -> Gateway:
        return Gateway(
            **self._stamp(),
            event="link",
            gateway=self._gateway,
            run=self._stamp.run,
            source=parcel.source,
            incarnation=parcel.incarnation,
            epoch=parcel.epoch,
            code=fact.cause or UNSET,
            facts=UNSET if not fact.detail else dict(sorted(fact.detail.items())),
        )

    def _signal_of(self, source: str, address: str) -> str | None:
        channel = self._channels.get((source, address))
        return None if channel is None else channel.id
