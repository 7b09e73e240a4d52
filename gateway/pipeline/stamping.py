"""Stamping: published checkpoints get an RFC 3161 time stamp, and its digest goes back into the ledger (`ledger.md` 4, anchors).

Every ``every_s`` if the ledger grew, and soon after the end or seal of a batch and after key events. The note is frozen, the
answer kept as it came before anything reads it, then the record says so. Offline nothing else waits: the newest note does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any, Final

import structlog
from msgspec import UNSET, Struct

from gateway.domain.anchor_conditions import stamp_delays
from gateway.errors import DiskFull, EvidenceRefused, GatewayError, Unavailable
from gateway.ledger.authority import Authority
from gateway.ledger.checkpoint import parse_checkpoint
from gateway.ledger.note import parse_note
from gateway.ledger.records import Anchor, Batch, Gateway, Key, Record
from gateway.ledger.timestamp import Stamped, make_request
from gateway.pipeline.revocations import Revocations
from gateway.pipeline.stamp_facts import beside_stamp, stamp_facts
from gateway.ports import Entropy, FrozenNotes, Journal, Stamp, SystemClock, TimeStamper

LOOK_S: Final = 1.0
RETRY_NS: Final = 60_000_000_000
GAP_NS: Final = 10_000_000_000
"""Least time between two requests that events ask for: ends of batches in a row share one stamp."""
NONCE_BYTES: Final = 8
BATCH_ENDS: Final = frozenset({"end", "abort", "sealed"})
_NS: Final = 1_000_000_000

_log = structlog.get_logger(component="timestamping")

Published = Callable[[int], Awaitable[tuple[int, bytes]]]
"""Size → size and note of the newest published checkpoint, which covers it; with its cosignatures where there are some."""
Recorded = Callable[[], Awaitable[Sequence[Anchor]]]
"""The newest `anchor timestamped` records of the ledger, in order; none in a new one."""


class StampSettings(Struct, frozen=True, kw_only=True):
    """How often, who we are, and where the ledger stood when this run began."""

    every_ns: int
    gateway: str
    run: int
    from_size: int


class StampStanding(Struct, kw_only=True):
    """What telemetry and pages are told: the newest stamped size, its time, and what is wrong if something is."""

    anchored: int = 0
    gen_ns: int | None = None
    accuracy_ns: int | None = None
    stamps: int = 0
    failures: int = 0
    level: str = ""
    problem: str = ""


class Stamping:
    """Asks one authority; ``in_thread`` runs what blocks on the disk, ``sleep`` is the loop's.

    ``revocations``: what keeps the authority's revocation lists; ``beside`` is called between stamps, which it may not hold up.
    """

    def __init__(
        self,
        settings: StampSettings,
        authority: Authority,
        stamper: TimeStamper,
        notes: FrozenNotes,
        published: Published,
        recorded: Recorded,
        journal: Journal,
        stamp: Stamp,
        clock: SystemClock,
        entropy: Entropy,
        *,
        revocations: Revocations | None = None,
        beside: Callable[[], Awaitable[None]] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        in_thread: Callable[..., Awaitable[Any]] = asyncio.to_thread,
    ) -> None:
        self._settings = settings
        self._authority = authority
        self._stamper = stamper
        self._notes = notes
        self._published = published
        self._recorded = recorded
        self._journal = journal
        self._stamp = stamp
        self._clock = clock
        self._entropy = entropy
        self._revocations = revocations
        self._beside = beside
        self._sleep = sleep
        self._in_thread = in_thread
        self.standing = StampStanding()
        self.on_anchor: Callable[[int], None] | None = None
        self._introduced = False
        self._wanted = 0
        self._good_ns = clock.now().monotonic_ns
        self._asked_ns: int | None = None
        self._failed = False

    @property
    def age_ns(self) -> int:
        """How long ago the newest stamp came, or since the start when there is none yet."""
        return self._clock.now().monotonic_ns - self._good_ns

    async def run(self) -> None:
        """Stamp until cancelled."""
        await self._take_up()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch(), name="stamping events")
            while True:
                await self._sleep(LOOK_S)
                self.look()
                if self._is_due():
                    await self.stamp()
                elif self._beside is not None:
                    await self._beside()

    async def stamp(self) -> None:
        """Freeze the newest published note, ask for its time, keep the answer, check it, record it."""
        self._asked_ns = self._clock.now().monotonic_ns
        size, note = await self._published(self._wanted)
        if size <= self.standing.anchored or not note:
            self._failed = False
            self._wanted = 0
            return
        try:
            note = await self._in_thread(self._notes.freeze, size, note)
            nonce = int.from_bytes(self._entropy(NONCE_BYTES), "big") or 1
            answer = await self._stamper.stamp(make_request(sha256(note).digest(), nonce))
            await self._in_thread(self._notes.save_token, size, answer)
            await self._take(size, note, answer, nonce)
        except (Unavailable, EvidenceRefused, DiskFull) as error:
            with suppress(DiskFull):
                await self._in_thread(self._notes.set_aside, size)
            self._fail(size, error)

    def look(self) -> None:
        """Notice how long no stamp has come, and say it at each edge (`excursions.md` 6, timestamp_stale)."""
        age_ns, (alert_ns, action_ns) = self.age_ns, stamp_delays(self._settings.every_ns)
        level = ""
        if age_ns >= alert_ns:
            level = "action" if age_ns >= action_ns else "alert"
        standing = self.standing
        if level == standing.level:
            return
        standing.level = level
        facts = {"anchored": standing.anchored, "seconds": age_ns // _NS}
        if level:
            self._notice("timestamp_stale", {**facts, "level": level, "problem": standing.problem})
            _log.warning(
                "timestamp.stale",
                size=standing.anchored,
                error=f"no time stamp for {age_ns // _NS} s: {standing.problem or 'none was asked'}",
                remedy="check timestamping.url and the network; recording goes on and the newest checkpoint waits",
            )
        else:
            self._notice("timestamp_back", facts)

    def _is_due(self) -> bool:
        since_ns = None if self._asked_ns is None else self._clock.now().monotonic_ns - self._asked_ns
        if self._wanted and not self._failed:
            return since_ns is None or since_ns >= GAP_NS
        due_ns = min(self._settings.every_ns, RETRY_NS) if self._failed else self._settings.every_ns
        return self.age_ns >= due_ns if since_ns is None else since_ns >= due_ns

    async def _watch(self) -> None:
        """Follow the ledger for what must not wait; ends with the run."""
        size = self._settings.from_size
        while (commit := await self._journal.follow(size)) is not None:
            size = commit.first + len(commit.records)
            if any(_is_urgent(record) for record in commit.records):
                self._wanted = size

    async def _take_up(self) -> None:
        """Go on from the newest stamp of the ledger; an answer that was kept but not recorded is recorded now."""
        recorded = await self._recorded()
        newest = await self._in_thread(self._notes.newest)
        if recorded:
            last = recorded[-1]
            self._introduced = _authority_of(last) == sha256(self._authority.pem).hexdigest()
            self.standing.anchored = last.size
            if isinstance(last.gen_ns, int):
                self.standing.gen_ns = last.gen_ns
                now = self._clock.now()
                self._good_ns = now.monotonic_ns - max(0, now.wall_ns - last.gen_ns)
        else:
            self._wanted = self._settings.from_size  # the keys of a ledger that was never stamped
        if newest <= self.standing.anchored:
            return
        note = await self._in_thread(self._notes.note, newest)
        answer = await self._in_thread(self._notes.token, newest)
        why = "the run ended before the authority answered"
        if note is not None and answer is not None:
            try:
                await self._take(newest, note, answer, None)
            except EvidenceRefused as error:
                why = error.text
            else:
                return
        await self._in_thread(self._notes.set_aside, newest)
        _log.info("timestamp.set_aside", size=newest, error=why)

    async def _take(self, size: int, note: bytes, answer: bytes, nonce: int | None) -> None:
        """Check a kept answer and write its digest into the ledger; returns when that is durable."""
        imprint = sha256(note)
        stamped, chain = self._authority.open_with_chain(answer, imprint.digest(), nonce)
        lists = b"" if self._revocations is None else await self._revocations.beside(chain, stamped.gen_ns)
        root = parse_checkpoint(parse_note(note).text).root
        records = self._introduction(size)
        records.append(
            Anchor(
                **self._stamp(),
                event="timestamped",
                size=size,
                root=root.hex(),
                note_sha256=imprint.hexdigest(),
                token_sha256=sha256(answer).hexdigest(),
                gen_ns=stamped.gen_ns,
                accuracy_ns=UNSET if stamped.accuracy_ns is None else stamped.accuracy_ns,
                serial=str(stamped.serial),
                policy=stamped.policy,
                url=self._stamper.url,
                facts=stamp_facts(self._authority.pem, chain, lists),
            )
        )
        last = self._journal.index_of(len(records) - 1)
        self._journal.append(records, side_objects=beside_stamp(self._authority.pem, lists))
        if self.on_anchor is not None:
            self.on_anchor(last)
        await self._journal.committed(last)
        self._succeed(size, stamped)

    def _introduction(self, size: int) -> list[Record]:
        """Return the key records of an authority that this ledger does not know yet."""
        if self._introduced:
            return []
        return [
            Key(**self._stamp(), event="introduced", purpose="tsa", key=key, from_size=size, endorsed=[])
            for key in self._authority.keys
        ]

    def _succeed(self, size: int, stamped: Stamped) -> None:
        standing = self.standing
        standing.anchored, standing.gen_ns, standing.accuracy_ns = size, stamped.gen_ns, stamped.accuracy_ns
        standing.stamps += 1
        standing.problem = ""
        self._introduced, self._failed = True, False
        self._good_ns = self._clock.now().monotonic_ns
        if size >= self._wanted:
            self._wanted = 0
        self.look()
        _log.info("timestamp.taken", size=size, policy=stamped.policy)

    def _fail(self, size: int, error: GatewayError) -> None:
        """Keep on: told once for each stretch without stamps, then every minute until one comes."""
        standing = self.standing
        standing.failures += 1
        standing.problem = error.text
        if not self._failed:
            _log.warning("timestamp.failed", size=size, error=error.text, remedy=error.remedy or "see timestamping.url")
        self._failed = True

    def _notice(self, code: str, facts: dict[str, Any]) -> None:
        record = Gateway(
            **self._stamp(),
            event="notice",
            gateway=self._settings.gateway,
            run=self._settings.run,
            code=code,
            facts=dict(sorted(facts.items())),
        )
        self._journal.append([record])


def _is_urgent(record: Record) -> bool:
    if isinstance(record, Batch):
        return record.event in BATCH_ENDS
    if isinstance(record, Key):
        return record.purpose != "tsa"
    return isinstance(record, Gateway) and record.event == "pruned"


def _authority_of(anchor: Anchor) -> str:
    """Return the hash of the certificates that an anchor was checked with."""
    found = anchor.facts.get("authority_sha256") if isinstance(anchor.facts, dict) else None
    return found if isinstance(found, str) else ""
