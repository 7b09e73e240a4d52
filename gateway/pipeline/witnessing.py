"""Witnessing: each published checkpoint goes to all witnesses at once; what a quorum cosigned becomes an anchor.

A witness that does not answer holds nobody up: recording, acknowledgement, events go on, and when it is back it gets the newest
checkpoint alone. A witness that has seen what we do not have halts the ledger (`ledger.md` 3, 4, rule 10).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

import structlog
from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.anchor_conditions import QUORUM_ACTION_NS, QUORUM_ALERT_NS
from gateway.domain.witness_states import WitnessAct, WitnessAnswer
from gateway.errors import DiskFull, EvidenceRefused, LedgerDoubt
from gateway.ledger.checkpoint import Checkpoint, parse_checkpoint
from gateway.ledger.note import Line, VerifyKey, add_lines, parse_note
from gateway.ledger.policy import Policy
from gateway.ledger.records import Anchor, Gateway, Record
from gateway.ledger.witness import cosigned_second
from gateway.pipeline.publisher import Publisher
from gateway.pipeline.witness_exchange import Ended, Party, check_kept, exchange
from gateway.pipeline.witness_heads import CosignedNote, WitnessHeads
from gateway.ports import Journal, LedgerStore, Stamp, SystemClock, WitnessMemory

RETRY_S: Final = 10.0
LOOK_S: Final = 1.0
ANCHOR_NS: Final = 60_000_000_000
STALE_NS: Final = ((QUORUM_ALERT_NS, "alert"), (QUORUM_ACTION_NS, "action"))
_NS: Final = 1_000_000_000

_log = structlog.get_logger(component="witness")


class Memory(Protocol):
    """What is known of each witness from earlier runs; never evidence, may be lost."""

    def load(self, name: str) -> WitnessMemory:
        """Return what is known, an empty one if nothing is."""
        ...

    def keep(self, name: str, memory: WitnessMemory) -> None:
        """Replace it."""
        ...


class WitnessSettings(Struct, frozen=True, kw_only=True):
    """Our policy with its witnesses, the seal keys of this log, the gateway's id and the number of its run."""

    policy: Policy
    seals: tuple[VerifyKey, ...]
    gateway: str
    run: int


class WitnessStanding(Struct, kw_only=True):
    """One witness now: the newest checkpoint it cosigned for us, when (seconds since 1970), the size last asked about."""

    memory: WitnessMemory
    kept: Checkpoint | None = None
    second: int = 0
    asked: int = 0
    told: str = ""


class Witnessing:
    """Asks witnesses, keeps notes with quorum, says when there is none. ``halt`` stops the ledger for good."""

    def __init__(
        self,
        settings: WitnessSettings,
        parties: Sequence[Party],
        store: LedgerStore,
        publisher: Publisher,
        journal: Journal,
        halt: Callable[[LedgerDoubt], Awaitable[None]],
        stamp: Stamp,
        clock: SystemClock,
        memory: Memory,
    ) -> None:
        self._settings = settings
        self._parties = list(parties)
        self._store = store
        self._publisher = publisher
        self._journal = journal
        self._halt = halt
        self._stamp = stamp
        self._clock = clock
        self._memory = memory
        self.heads = WitnessHeads(settings.policy)
        self.standing = {one.name: WitnessStanding(memory=memory.load(one.name)) for one in self._parties}
        self.anchored = 0
        self.on_anchor: Callable[[int], None] | None = None
        self.level = ""
        self._stale_from = 0
        self._anchored_ns: int | None = None
        self._held: list[Callable[[], Record]] | None = []
        self._wake = {one.name: asyncio.Event() for one in self._parties}
        self._moved = asyncio.Condition()

    def published(self, size: int, note: bytes, urgent: bool = False) -> None:
        """Take a published head: every witness gets it, or a newer one."""
        self.heads.published(size, note, self._clock.now().monotonic_ns, urgent=urgent)
        for wake in self._wake.values():
            wake.set()

    async def check_start(self, size: int, note: bytes) -> None:
        """Ask all witnesses about the head that a start found, before anything is appended.

        Raises `LedgerDoubt` after writing `HALTED` when one has seen more, or another history. Silence stops nobody.
        """
        loop = asyncio.get_running_loop()
        doubts: list[LedgerDoubt] = []
        try:
            await loop.run_in_executor(None, self._recall, size)
        except LedgerDoubt as doubt:
            doubts.append(doubt)
        else:
            self.published(size, note)
            async with asyncio.TaskGroup() as tasks:
                asked = [tasks.create_task(self._ask(party, size, note)) for party in self._parties]
            doubts += [one.doubt for one in (task.result() for task in asked) if one.doubt is not None]
        if doubts:
            await loop.run_in_executor(None, self._store.halt, doubts[0].text, {"size": size})
            raise doubts[0]

    async def run(self) -> None:
        """Serve all witnesses until cancelled; what the start check had to say is recorded first."""
        held, self._held = self._held or [], None
        for make in held:
            self._append(make)
        async with asyncio.TaskGroup() as tasks:
            for party in self._parties:
                tasks.create_task(self._serve(party), name=f"witness {party.name}")
            tasks.create_task(self._watch(), name="witness quorum")

    def best_note(self, size: int) -> tuple[int, bytes] | None:
        """Return size and note of the newest checkpoint with quorum if it covers ``size``; never waits."""
        best = self.heads.best
        return None if best is None or best.size < size else (best.size, best.note)

    async def covering(self, size: int, seconds: float) -> tuple[int, bytes] | None:
        """Publish now and wait up to ``seconds`` for a quorum over ``size``; None if there is none by then."""
        await self._publisher.now()
        with suppress(TimeoutError):
            async with self._moved:
                await asyncio.wait_for(self._moved.wait_for(lambda: self.heads.witnessed >= size), seconds)
        return self.best_note(size)

    async def settle(self, seconds: float) -> None:
        """Wait until every witness has been asked about the newest head, or ``seconds`` are over (at a stop)."""
        newest = self.heads.newest
        if newest is None:
            return
        with suppress(TimeoutError):
            async with self._moved:
                await asyncio.wait_for(
                    self._moved.wait_for(lambda: all(one.asked >= newest.size for one in self.standing.values())),
                    seconds,
                )

    def look(self) -> None:
        """Notice how long no quorum has come, and say it at each edge (`excursions.md` 6, witness_stale)."""
        since_ns = self.heads.waiting_since_ns
        waited_ns = 0 if since_ns is None else self._clock.now().monotonic_ns - since_ns
        level = next((name for ns, name in reversed(STALE_NS) if waited_ns >= ns), "")
        if level == self.level:
            return
        newest = self.heads.newest
        published = 0 if newest is None else newest.size
        if level:
            self._stale_from = self._stale_from or self.heads.witnessed
            facts = {
                "level": level,
                "published": published,
                "seconds": waited_ns // _NS,
                "witnessed": self.heads.witnessed,
            }
            self._notice("witness_stale", facts)
            _log.warning(
                "checkpoint.refused",
                code="witness_stale",
                size=published,
                error=f"no quorum of witnesses for {waited_ns // _NS} s",
                remedy="gateway witness status names who does not answer; recording goes on",
            )
        else:
            self._notice("witness_quorum", {"from_size": self._stale_from, "to_size": self.heads.witnessed})
            self._stale_from = 0
        self.level = level

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    async def _serve(self, party: Party) -> None:
        """Ask one witness about the newest head, again and again; a halt ends it."""
        wake, standing = self._wake[party.name], self.standing[party.name]
        while True:
            head = self.heads.newest
            if head is None or standing.asked >= head.size:
                wake.clear()
                await wake.wait()
                continue
            wake.clear()
            ended = await self._ask(party, head.size, head.note)
            if ended.doubt is not None:
                await self._halt(ended.doubt)
                return
            if ended.act is not WitnessAct.KEEP:
                with suppress(TimeoutError):
                    await asyncio.wait_for(wake.wait(), RETRY_S)
                standing.asked = min(standing.asked, head.size - 1)

    async def _ask(self, party: Party, size: int, note: bytes) -> Ended:
        standing = self.standing[party.name]
        try:
            ended = await exchange(party, self._store, note, standing.kept)
        except LedgerDoubt as doubt:
            ended = Ended(WitnessAct.HALT, WitnessAnswer.DISAGREES, code="proof", text=doubt.text, doubt=doubt)
        except EvidenceRefused as error:  # a stored tile is damaged: no proof can be made, nobody is asked
            text = f"no proof for witness {party.name}: {error.text}"
            ended = Ended(WitnessAct.NOTICE, WitnessAnswer.REFUSED, code="proof", text=text)
        if ended.line is not None:
            await self._taken(party, size, note, ended.line)
        else:
            self._refused(party.name, standing, size, ended)
        standing.asked = max(standing.asked, size)
        async with self._moved:
            self._moved.notify_all()
        return ended

    async def _taken(self, party: Party, size: int, note: bytes, line: Line) -> None:
        standing = self.standing[party.name]
        own = add_lines(note, [line]).decode()
        standing.kept = parse_checkpoint(parse_note(note).text)
        standing.second, standing.told = cosigned_second(party.key, line), ""
        self._remember(party.name, replace(standing.memory, note=own, said=""))
        cosigned = self.heads.add(size, party.name, line)
        if cosigned is None:
            return
        try:
            await self._publisher.replace(size, cosigned.note)
        except LedgerDoubt as doubt:
            await self._halt(doubt)
            return
        except DiskFull as full:  # the line is kept in memory and in the anchor; the next head gets its own
            _log.warning("checkpoint.refused", code="disk_full", size=size, error=full.text, remedy=full.remedy)
        if cosigned.quorum:
            self._anchor(cosigned, standing.kept.root)

    def _anchor(self, cosigned: CosignedNote, root: bytes) -> None:
        """Write a note with quorum into the ledger, at most once a minute, at once when a batch ended."""
        now_ns = self._clock.now().monotonic_ns
        due = self._anchored_ns is None or now_ns - self._anchored_ns >= ANCHOR_NS
        if cosigned.size <= self.anchored or not (due or cosigned.urgent):
            return
        text = cosigned.note.decode()
        if self._append(
            lambda: Anchor(**self._stamp(), event="cosigned", size=cosigned.size, root=root.hex(), note=text)
        ):
            self.anchored, self._anchored_ns = cosigned.size, now_ns

    def _refused(self, name: str, standing: WitnessStanding, size: int, ended: Ended) -> None:
        """Count what a witness did not cosign; a record once for each kind of answer, until it cosigns again."""
        counts = standing.memory.refusals | {ended.code: standing.memory.refusals.get(ended.code, 0) + 1}
        self._remember(name, replace(standing.memory, refusals=counts, said=ended.text))
        if ended.code == standing.told:
            return
        standing.told = ended.code
        _log.warning(
            "checkpoint.refused",
            size=size,
            witness=name,
            code=ended.code,
            error=ended.text,
            remedy="ask the owner of that witness; gateway witness status",
        )
        if ended.act is WitnessAct.NOTICE:
            disagrees = ended.answer in {WitnessAnswer.DISAGREES, WitnessAnswer.SAME_SIZE}
            facts = {"answer": ended.text, "size": size, "status": ended.code, "witness": name}
            self._notice("witness_disagrees" if disagrees else "witness_refused", facts)

    def _remember(self, name: str, memory: WitnessMemory) -> None:
        self.standing[name].memory = memory
        try:
            self._memory.keep(name, memory)
        except OSError as error:
            _log.warning("witness.not_remembered", error=str(error), remedy="check the disk of state/")

    def _recall(self, size: int) -> None:
        """Take up what each witness cosigned in earlier runs. Blocking; raises `LedgerDoubt` when our tree lacks it."""
        for party in self._parties:
            standing = self.standing[party.name]
            if standing.memory.note:
                note = standing.memory.note.encode()
                standing.kept = check_kept(party, self._store, self._settings.seals, note, size)

    def _notice(self, code: str, facts: dict[str, Any]) -> None:
        self._append(
            lambda: Gateway(
                **self._stamp(),
                event="notice",
                gateway=self._settings.gateway,
                run=self._settings.run,
                code=code,
                facts=dict(sorted(facts.items())),
            )
        )

    def _append(self, make: Callable[[], Record]) -> bool:
        """Append a record; False when the ledger takes none any more (stop, halt). Before the run has begun it waits."""
        if self._held is not None:
            self._held.append(make)
            return True
        record = make()
        try:
            index = self._journal.append([record])
        except LedgerDoubt:
            return False
        if self.on_anchor is not None and isinstance(record, Anchor):
            self.on_anchor(index)
        return True
