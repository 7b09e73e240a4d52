"""A small plant on virtual time: intake, committer, judge and batch desk over a ledger in memory that can lose power.

A `Life` is one run of the gateway. It ends cleanly or, after so many frames, in the middle of whatever it did; the next
life is made of new objects and the bytes that were durable. A source sends again what was never settled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any, Self

import msgspec

from gateway.domain.batch import Rolls
from gateway.domain.batch_plan import BatchSettings
from gateway.domain.limits import DeviationRule, Levels, LimitSet, Rule
from gateway.domain.plan import Node, Plan, SignalPlan
from gateway.domain.reading_view import ReadingView
from gateway.domain.sample import Provenance, Raw, Sample
from gateway.errors import LedgerDoubt
from gateway.ledger.commit import PlannedFrame
from gateway.ledger.records import Build, Reading, Record, parse_record
from gateway.ledger.segment import segment_of
from gateway.pipeline.audit_log import AuditLog
from gateway.pipeline.batch_book import BatchBook
from gateway.pipeline.batch_desk import BatchDesk, Told
from gateway.pipeline.clock_watch import ClockLimits, ClockRecorder
from gateway.pipeline.committer import CommitSettings, Committer
from gateway.pipeline.fold import Epoch, Fold
from gateway.pipeline.intake import Intake
from gateway.pipeline.judge import Judge, JudgeSettings
from gateway.pipeline.opening import carry, effective, start
from gateway.pipeline.reading_views import view_of
from gateway.pipeline.stamp import Stamper
from gateway.pipeline.standing import Standing
from gateway.ports import Fact, Outcome, Parcel
from tests.fakes.clock import NOON_NS
from tests.fakes.log import ORIGIN, SEALER
from tests.fakes.store import Medium, MemoryStore
from tests.fakes.virtual_loop import LoopClock, S

BUILD = Build(version="1.0.0", commit="0" * 40, sha256="0" * 64)
SINKS = ("main",)
NODES = {
    "R-1": Node(id="R-1", level="room", name="Room"),
    "FRZ-1": Node(id="FRZ-1", level="unit", name="Freezer 1", room="R-1"),
    "FRZ-2": Node(id="FRZ-2", level="unit", name="Freezer 2", room="R-1"),
}


def signal(name: str, node: str, source: str = "line1", **changes: Any) -> SignalPlan:
    """A number in degrees, said every 10 s and stale after 20 s unless told otherwise."""
    given: dict[str, Any] = {
        "id": name,
        "device": name.partition("/")[0],
        "source": source,
        "address": name,
        "node": node,
        "room": "R-1",
        "title": name,
        "profile": "generic/x@1",
        "profile_sha256": "00" * 32,
        "measure": "analog",
        "type": "number",
        "unit": "Cel",
        "acquire": {"expected_s": 10},
        "expected_ns": 10 * S,
        "stale_ns": 20 * S,
        "criticality": "critical",
        "relevance": "cpp",
    }
    return SignalPlan(**given | changes)


SIGNALS = (
    signal("FRZ-1/temp", "FRZ-1"),
    signal("FRZ-2/temp", "FRZ-2"),
    signal("FRZ-1/door", "FRZ-1", measure="state", type="string", unit=None, criticality="supporting"),
    signal("R-1/temp", "R-1", source="plant", criticality="supporting"),
)


def rule(name: str = "warm", signals: Sequence[str] = ("FRZ-1/temp", "FRZ-2/temp"), **changes: Any) -> Rule:
    """High action at 8, back at 7.5, after 60 s and 30 s."""
    given: dict[str, Any] = {
        "name": name,
        "signals": tuple(signals),
        "unit": "Cel",
        "justification": "SPEC-1",
        "deviation": DeviationRule(sink="main"),
        "high": Levels(action=Decimal("8.0")),
        "hysteresis": Decimal("0.5"),
        "on_delay_s": 60,
        "off_delay_s": 30,
    }
    return Rule(**given | changes)


def limit_set(*rules: Rule, version: int = 1) -> LimitSet:
    return LimitSet(id="SET", version=version, title="t", document="SPEC-1", revision="1", rules=rules)


def epoch(number: int = 1, *rules: Rule, signals: Iterable[SignalPlan] = SIGNALS) -> Epoch:
    """Configuration ``number``: its hash says so."""
    digest = f"{number:x}".rjust(64, "e")
    plan = Plan(
        config=digest[:16],
        config_sha256=digest,
        change_set=f"CS-{number:04d}",
        dev=True,
        site="basel",
        gateway="gw-01",
        zone="UTC",
        signals={one.id: one for one in signals},
        nodes=NODES,
    )
    # the number stands at the front of the hash, where the short form sees it
    plan = msgspec.structs.replace(plan, config=f"{number:016x}", config_sha256=f"{number:016x}" * 4)
    return Epoch(plan, (limit_set(*(rules or (rule(),)), version=number),))


class PowerCut(LedgerDoubt):
    """The machine lost power while frames were written."""


class CutStore(MemoryStore):
    """Loses power after ``frames_left`` frames, also in the middle of a commit."""

    def __init__(self, medium: Medium, frames_left: int | None = None) -> None:
        super().__init__(medium)
        self.frames_left = frames_left

    def commit(self, frames: Sequence[PlannedFrame], side_objects: Sequence[bytes] = ()) -> None:
        if self.frames_left is None or len(frames) <= self.frames_left:
            super().commit(frames, side_objects)
            if self.frames_left is not None:
                self.frames_left -= len(frames)
            return
        if self.frames_left:
            super().commit(frames[: self.frames_left], side_objects)
            self.frames_left = 0
        raise PowerCut("no power")

    def halt(self, cause: str, detail: dict[str, Any]) -> None:
        if self.frames_left is None:
            super().halt(cause, detail)


class _Utc:
    name = "UTC"

    def offset_s(self, wall_ns: int) -> int:
        return 0


class Plant:
    """What outlives a gateway: the medium, the time, the epochs ever approved, and what sources still hold."""

    def __init__(self, running: Epoch | None = None) -> None:
        self.medium = Medium()
        self.passed_ns = 0
        self.boot = 1
        self.epochs: dict[str, Epoch | None] = {}
        self.files: dict[str, dict[str, bytes]] = {}
        self.unsettled: list[Parcel] = []
        self.position = 0
        self.running = running or epoch()

    def open_store(self, frames_left: int | None) -> Any:
        return CutStore(self.medium, frames_left)

    def approve(self, running: Epoch, files: Mapping[str, bytes] | None = None) -> None:
        """Another configuration from the next start on."""
        self.running = running

    def understand(self, files: Mapping[str, bytes], change_set: str) -> Epoch | None:
        return self.epochs.get(change_set)

    def records(self) -> list[Record]:
        """Everything durable."""
        store = MemoryStore(self.medium)
        self.medium.locked = False
        store.open()
        store.close()
        return [parse_record(content) for _, _, content in store.read(0, store.tree.size)]


class Life:
    """One run. Use as ``async with``; `die` or a `PowerCut` ends it without a word."""

    def __init__(
        self, plant: Plant, frames_left: int | None = None, *, files: Mapping[str, bytes] | None = None
    ) -> None:
        self.plant = plant
        plan = plant.running.plan
        plant.epochs.setdefault(plan.change_set, plant.running)
        self.store = plant.open_store(frames_left)
        head = self.store.open()
        self.clock = LoopClock(plant.passed_ns, f"boot-{plant.boot}")
        size = head.tree.size
        standing = Standing(places={s.id: (s.source, s.address) for s in plan.signals.values()})
        for index, _, content in self.store.read(segment_of(max(size - 1, 0)), size):
            standing.apply(index, parse_record(content))
        self.stamp = Stamper(self.clock, dev=True, run=standing.run + 1, clock_number=standing.clock)
        clocks = ClockRecorder(self.clock, self.stamp, _Utc(), ClockLimits())
        self.committer = Committer(
            self.store,
            head,
            origin=ORIGIN,
            sealer=SEALER,
            entropy=bytes,
            clock=self.clock,
            carry=lambda: carry(standing, self.stamp, "gw-01"),
            settings=CommitSettings(commit_ns=50_000_000, waiting_leaves_max=1 << 30, pool_leaves_max=1 << 30),
        )
        found = {"unclean": True} if head.unclean and size else {}
        self.opening: list[Record] = start(clocks.record("start"), self.stamp, plan, BUILD, ORIGIN, found)
        named = dict(files or {"config/limits.yaml": plan.config.encode()})
        configured, self.side_objects = effective(plan, named, self.stamp, standing)
        self.opening += configured
        for offset, record in enumerate(self.opening):
            standing.apply(self.committer.index_of(offset), record)
        settings = BatchSettings(auto_create=frozenset({"rest"}))
        self.batches = BatchBook(settings, plan.nodes, Rolls(600, 600), self.stamp)
        self.intake = Intake(plan, standing, self.committer, self.committer, self.stamp, early={}, batches=self.batches)
        self.fold = Fold(plant.running, plant.understand, Rolls(600, 600), self.store.read_blob)
        self.late_asked = 0
        self.judge = Judge(
            self.fold,
            JudgeSettings(required_sinks=SINKS),
            self.committer,
            self.stamp,
            self.readings,
            self.batches,
            level_at=size,
        )
        audits = AuditLog("UTC", self.stamp, "1.0.0")
        self.desk = BatchDesk(plan, self.batches, self.fold, self.judge.folded, self.committer, self.stamp, audits)
        self.fold.batch_notes.append(self.batches.note)
        self._tasks: list[asyncio.Task[None]] = []

    async def readings(self, signal_id: str, from_ns: int, to_ns: int) -> list[ReadingView]:
        self.late_asked += 1
        views = [
            view_of(index, record)
            for index, _, content in self.store.read(0, self.committer.size)
            if isinstance(record := parse_record(content), Reading) and record.signal == signal_id
        ]
        return [view for view in views if from_ns <= view.te_ns < to_ns]

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(self._quietly(self.committer.run)))
        self.committer.append(self.opening, side_objects=self.side_objects, urgent=True)
        with suppress(LedgerDoubt):
            await self.committer.committed(self.committer.next_index - 1)
        self._tasks.append(loop.create_task(self._quietly(self.judge.run)))
        again, self.plant.unsettled = self.plant.unsettled, []
        for parcel in again:
            await self.offer(parcel)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        await self.die()
        return kind is not None and issubclass(kind, LedgerDoubt)

    @staticmethod
    async def _quietly(work: Any) -> None:
        with suppress(LedgerDoubt):
            await work()

    @property
    def dead(self) -> bool:
        return self.committer.halted is not None

    async def die(self) -> None:
        """No power from here on."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        faults = [task.exception() for task in self._tasks if not task.cancelled()]
        self._tasks.clear()
        self.plant.passed_ns = self.clock.now().wall_ns - NOON_NS
        self.plant.medium.locked = False
        assert faults in ([], [None] * len(faults)), faults

    async def level(self) -> None:
        """Wait until everything that was appended is durable and folded, and what that made too."""
        size = -1
        while not self.dead and size != self.committer.next_index:
            size = self.committer.next_index
            self.committer.hurry()
            with suppress(LedgerDoubt):
                await self.judge.folded(size - 1)
                await asyncio.sleep(0)

    def now_ns(self) -> int:
        return self.clock.now().wall_ns

    async def offer(self, parcel: Parcel) -> None:
        """Offer a parcel; a source keeps it until it is settled."""
        plant = self.plant

        def settle(outcome: Outcome) -> None:
            if outcome is Outcome.COMMITTED:
                plant.unsettled.remove(kept)

        kept = msgspec.structs.replace(parcel, settle=settle)
        plant.unsettled.append(kept)
        with suppress(LedgerDoubt):
            await self.intake.offer(kept)

    async def say(
        self,
        signal_id: str,
        number: float | str | None,
        *,
        te_ns: int | None = None,
        facts: tuple[Fact, ...] = (),
        source_status: str | None = None,
        received: bool = False,
        late: bool = False,
    ) -> None:
        """One reading of now, or of ``te_ns``; without a number only facts. ``received``: it bears no time of its own.

        ``late``: it comes out of a history.
        """
        plan = self.plant.running.plan.signals[signal_id]
        self.plant.position += 1
        at_ns = self.now_ns() if te_ns is None else te_ns
        samples: tuple[Sample, ...] = ()
        if number is not None:
            raw = Raw("str", number) if isinstance(number, str) else Raw("num", repr(number))
            moment = self.clock.now()
            extra: dict[str, Any] = {} if source_status is None else {"status": int(source_status, 16)}
            if late:
                extra["provenance"] = Provenance.HISTORICAL
            samples = (
                Sample(
                    address=plan.address,
                    raw=raw,
                    source_ns=None if received else at_ns,
                    received_ns=moment.wall_ns,
                    boot_ns=moment.boot_ns,
                    **extra,
                ),
            )
        await self.offer(
            Parcel(
                source=plan.source,
                incarnation=1,
                epoch=1,
                position=self.plant.position,
                samples=samples,
                facts=facts,
                settle=lambda _: None,
            )
        )

    async def batch(self, batch: str, act: str, key: str, **told: Any) -> tuple[dict[str, Any], bool]:
        return await self.desk.record(batch, Told(act=act, **told), key, "M-1", may_create=True)


def fresh_fold(plant: Plant) -> Fold:
    """The fold of everything durable, by new objects."""
    medium = plant.medium
    medium.locked = False
    store = MemoryStore(medium)
    store.open()
    store.close()
    fold = Fold(plant.running, plant.understand, Rolls(600, 600), store.read_blob)
    for index, _, content in store.read(0, store.tree.size):
        fold.take(index, parse_record(content))
    return fold
