"""Ports around sources: what a source hands in, by which inlet, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, Protocol

from msgspec import Struct

from gateway.domain.sample import Sample


class Outcome(Enum):
    """What became of a parcel."""

    COMMITTED = "committed"
    DISCARDED = "discarded"


class Fact(Struct, frozen=True, kw_only=True):
    """Something a source saw that is no sample: a gap event, a link event, unreadable bytes, a state change.

    ``kind`` is ``gap_opened``, ``gap_bounded``, ``gap_closed``, ``link``, ``quarantine`` or ``batch``. The intake makes the
    record and fills what only it knows (gap id, last record before). ``key`` names a gap within its source between its
    opening and its closing; ``addresses`` empty means all of the source. A ``batch`` fact tells in ``detail`` what the plant
    says of a batch; ``answer`` is called once, after the commit, with ``{event_key, ledger_index, effect}``.
    """

    kind: str
    key: str = ""
    cause: str = ""
    certainty: str = "certain"
    addresses: tuple[str, ...] = ()
    positions: tuple[int, int] | None = None
    missing: int | None = None
    recovery: str | None = None
    recovered: int | None = None
    source_ns: int | None = None
    address: str | None = None
    content: bytes | None = None
    flags: tuple[str, ...] = ()
    detail: dict[str, Any] | None = None
    answer: Callable[[dict[str, Any]], None] | None = None


class Parcel(Struct, frozen=True):
    """What one acknowledgement covers: a NotificationMessage, a PUBLISH, a history page, or facts alone.

    ``settle`` is called once, on the event loop, with COMMITTED after fdatasync and sealed head, or with DISCARDED (stop,
    ledger failure): then nothing may be acknowledged. Facts stand in the stream *before* the samples of their parcel.
    """

    source: str
    incarnation: int
    epoch: int
    position: int
    settle: Callable[[Outcome], None]
    samples: tuple[Sample, ...] = ()
    facts: tuple[Fact, ...] = ()


class Resume(Struct, frozen=True, kw_only=True):
    """Where a source stood by the newest records: read from the ledger, there is no second store.

    ``position`` is the last committed one. ``source_ns`` is the last committed source time by address. ``gaps_open`` maps
    the keys of this source's gaps that are open to their causes. ``repeats`` are the newest committed repeat keys, oldest first.
    """

    incarnation: int = 0
    epoch: int = 0
    position: int = 0
    source_ns: dict[str, int] = {}
    gaps_open: dict[str, str] = {}
    repeats: tuple[str, ...] = ()


class Inlet(Protocol):
    """The pipeline's side of a source."""

    async def offer(self, parcel: Parcel) -> None:
        """Take a parcel into the intake; waits while the intake is full (back-pressure: no drop, no growth).

        Parcels of one source are committed and settled in the order of their offers.
        """
        ...

    async def offer_run(self, parcels: Sequence[Parcel]) -> None:
        """Take parcels of one source that arrived together, in order: as `offer` for each, at less cost.

        It waits once, before the first; a run should hold what one turn of the loop may do at most.
        """
        ...

    def resume(self, source: str) -> Resume:
        """Return where ``source`` stood by the newest committed records."""
        ...


class Source(Protocol):
    """One connection to equipment or broker: opcua, mqtt, replay.

    Acknowledges on its wire only after ``settle(COMMITTED)`` and only in its current epoch. Each loss it can see is a fact
    in the stream before the samples after it. The world's errors stay inside; configuration errors raise `SourceRefused`;
    our own faults leave ``run`` and the supervisor starts it again. Cancelled at any await: the socket is dropped and nothing
    is closed on the other side.
    """

    async def run(self, inlet: Inlet) -> None:
        """Read until cancelled."""
        ...

    def quiesce(self) -> None:
        """Read no more from the wire (SIGTERM, first step); what was offered still settles."""
        ...
