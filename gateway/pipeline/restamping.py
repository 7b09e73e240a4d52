"""Re-stamping: a year before the certificate of an authority ends, all time stamps are stamped again as one list (`ledger.md` 4).

Once a day the ledger's time stamps are looked at. Where some rest on a certificate that ends within a year and the authority in
use lives longer, the list of all of them is kept, its hash stamped, the answer kept as it came, and a record says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from hashlib import sha256
from typing import Any, Final

import structlog
from msgspec import UNSET, Struct

from gateway.errors import DiskFull, EvidenceRefused, Unavailable
from gateway.ledger.authority import Authority
from gateway.ledger.records import Anchor, Gateway
from gateway.ledger.timestamp import make_request
from gateway.ledger.token_list import ENDS, LIST, LIST_TOKEN, Token, format_tokens, is_list
from gateway.pipeline.revocations import Revocations
from gateway.pipeline.stamp_facts import beside_stamp, stamp_facts
from gateway.ports import Entropy, FrozenNotes, Journal, Stamp, SystemClock, TimeStamper

DAY_NS: Final = 86_400 * 1_000_000_000
YEAR_NS: Final = 365 * DAY_NS
MONTH_NS: Final = 30 * DAY_NS
"""An authority that lives on for less than this gains nothing."""
FIRST_NS: Final = 60 * 1_000_000_000
AGAIN_NS: Final = 3600 * 1_000_000_000
NONCE_BYTES: Final = 8

_log = structlog.get_logger(component="timestamping")

AllStamps = Callable[[], Awaitable[Sequence[tuple[int, Anchor]]]]
"""Index and record of every `anchor timestamped` of the ledger, lists included, in order."""


class Due(Enum):
    """What is to be done about the stamps of a ledger."""

    NOTHING = "nothing"
    WAIT = "wait"
    """The authority in use has not stamped a note yet: nothing is known of its end."""
    STAMP = "stamp"
    ENDING = "ending"
    """Some rest on what ends within a year, and so does the authority in use: people have to name another."""


class RestampSettings(Struct, frozen=True, kw_only=True):
    """Whose log it is, who says so in notices; ``renew_ns``: stamps made before that time are due whatever their end, 0: none."""

    origin: str
    gateway: str
    run: int
    renew_ns: int = 0


def judge_stamps(stamps: Sequence[tuple[int, Anchor]], authority_sha256: str, now_ns: int, renew_ns: int = 0) -> Due:
    """Say what is due. Stamps below the newest list are covered by it; the list itself is not.

    ``authority_sha256``: of the authority in use. ``renew_ns``: stamps made before it are due as soon as it has come.
    """
    newest_list = max((index for index, one in stamps if is_list(one.facts)), default=-1)
    uncovered = [one for index, one in stamps if index >= newest_list]
    ends = [end for one in uncovered if (end := _end_of(one)) is not None]
    old = renew_ns <= now_ns and any(isinstance(one.gen_ns, int) and one.gen_ns < renew_ns for one in uncovered)
    ending = [end for end in ends if end - now_ns <= YEAR_NS]
    own = [one for _, one in stamps if not is_list(one.facts)][-1:]
    last = _end_of(own[0]) if own and _facts(own[0]).get("authority_sha256") == authority_sha256 else None
    if not ending and not old:
        return Due.NOTHING
    if last is None:
        return Due.WAIT
    return Due.STAMP if old or last - min(ending) > MONTH_NS else Due.ENDING


class Restamping:
    """`step` is called between stamps, by whom nothing else asks the authority at the same time."""

    def __init__(
        self,
        settings: RestampSettings,
        authority: Authority,
        stamper: TimeStamper,
        notes: FrozenNotes,
        stamps: AllStamps,
        revocations: Revocations,
        journal: Journal,
        stamp: Stamp,
        clock: SystemClock,
        entropy: Entropy,
        *,
        in_thread: Callable[..., Awaitable[Any]] = asyncio.to_thread,
    ) -> None:
        self._settings = settings
        self._authority = authority
        self._own = sha256(authority.pem).hexdigest()
        self._stamper = stamper
        self._notes = notes
        self._stamps = stamps
        self._revocations = revocations
        self._journal = journal
        self._stamp = stamp
        self._clock = clock
        self._entropy = entropy
        self._in_thread = in_thread
        self._due_ns = clock.now().monotonic_ns + FIRST_NS
        self._told = False

    async def step(self) -> None:
        """Look once a day, an hour later where the authority did not answer, a minute later where it is new."""
        now = self._clock.now()
        if now.monotonic_ns < self._due_ns:
            return
        self._due_ns = now.monotonic_ns + DAY_NS
        stamps = await self._stamps()
        due = judge_stamps(stamps, self._own, now.wall_ns, self._settings.renew_ns)
        if due is Due.WAIT:
            self._due_ns = now.monotonic_ns + FIRST_NS
        if due is Due.ENDING and not self._told:
            self._told = True
            self._notice()
        if due is not Due.STAMP:
            return
        try:
            await self._stamp_all(stamps)
        except (Unavailable, EvidenceRefused, DiskFull) as error:
            self._due_ns = now.monotonic_ns + AGAIN_NS
            _log.warning("timestamp.list_failed", error=error.text, remedy=error.remedy or "see timestamping.url")

    async def _stamp_all(self, stamps: Sequence[tuple[int, Anchor]]) -> None:
        tokens = [Token(one.size, one.token_sha256) for _, one in stamps if isinstance(one.token_sha256, str)]
        content = format_tokens(self._settings.origin, tokens)
        imprint = sha256(content)
        await self._in_thread(self._notes.keep, content)
        nonce = int.from_bytes(self._entropy(NONCE_BYTES), "big") or 1
        answer = await self._stamper.stamp(make_request(imprint.digest(), nonce))
        await self._in_thread(self._notes.keep, answer)
        stamped, chain = self._authority.open_with_chain(answer, imprint.digest(), nonce)
        lists = await self._revocations.beside(chain, stamped.gen_ns)
        newest = stamps[-1][1]
        digest = sha256(answer).hexdigest()
        record = Anchor(
            **self._stamp(),
            event="timestamped",
            size=newest.size,
            root=newest.root,
            note_sha256=imprint.hexdigest(),
            token_sha256=digest,
            gen_ns=stamped.gen_ns,
            accuracy_ns=UNSET if stamped.accuracy_ns is None else stamped.accuracy_ns,
            serial=str(stamped.serial),
            policy=stamped.policy,
            url=self._stamper.url,
            facts=stamp_facts(self._authority.pem, chain, lists, **{LIST: imprint.hexdigest(), LIST_TOKEN: digest}),
        )
        index = self._journal.append(
            [record], side_objects=[content, answer, *beside_stamp(self._authority.pem, lists)]
        )
        await self._journal.committed(index)
        _log.info("timestamp.list_taken", stamps=len(tokens))

    def _notice(self) -> None:
        """Tell once a run that somebody has to name an authority that lives longer."""
        settings = self._settings
        self._journal.append(
            [
                Gateway(
                    **self._stamp(),
                    event="notice",
                    gateway=settings.gateway,
                    run=settings.run,
                    code="timestamp_ending",
                    facts={"level": "alert"},
                )
            ]
        )
        _log.warning(
            "timestamp.ending",
            error="stamps rest on a certificate that ends within a year, and so does the authority in use",
            remedy="name an authority that lives longer in timestamping: all stamps are stamped again by it as one list",
        )


def _facts(anchor: Anchor) -> dict[str, Any]:
    return anchor.facts if isinstance(anchor.facts, dict) else {}


def _end_of(anchor: Anchor) -> int | None:
    found = _facts(anchor).get(ENDS)
    return found if isinstance(found, int) else None
