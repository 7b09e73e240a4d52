"""The ports: what the pipeline asks of the world and the world of the pipeline, each with its promises in prose.

One contract suite a port runs on the fake and on the real one (`tests/contract/`). Times are integers in nanoseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Any, NamedTuple, Protocol

from msgspec import Struct

from gateway.domain.sample import Sample
from gateway.ledger.commit import PlannedFrame
from gateway.ledger.merkle import Tree
from gateway.ledger.note import Line
from gateway.ledger.proof import NodeReader
from gateway.ledger.records import ClockStep, Record


class Moment(NamedTuple):
    """One reading of all our clocks: wall (ns since 1970), CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW."""

    wall_ns: int
    boot_ns: int
    monotonic_ns: int
    raw_ns: int


class ClockReport(Struct, frozen=True, kw_only=True):
    """What the operating system and our own queries say of the wall clock (`ingest.md` 8). All durations ns."""

    source: str
    synchronised: bool
    reference: str | None = None
    stratum: int | None = None
    offset_ns: int | None = None
    delay_ns: int | None = None
    dispersion_ns: int | None = None
    bound_ns: int | None = None
    freq_ppb: int | None = None
    leap: str | None = None
    tai_s: int | None = None


class SystemClock(Protocol):
    """The only place that knows what time it is. Never sets a clock."""

    @property
    def boot_id(self) -> str:
        """Id of this boot of the machine."""
        ...

    def now(self) -> Moment:
        """Return all clocks, read together; monotonic and boot never go back within one boot."""
        ...

    def report(self) -> ClockReport:
        """Return how good the wall clock is; cheap enough for once a second, never raises: doubt is an answer."""
        ...


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


class Parcel(Struct, frozen=True, kw_only=True):
    """What one acknowledgement covers: a NotificationMessage, a PUBLISH, a history page, or facts alone.

    ``settle`` is called once, on the event loop, with COMMITTED after fdatasync and sealed head, or with DISCARDED (stop,
    ledger failure): then nothing may be acknowledged. Facts stand in the stream *before* the samples of their parcel.
    """

    source: str
    incarnation: int
    epoch: int
    position: int
    samples: tuple[Sample, ...] = ()
    facts: tuple[Fact, ...] = ()
    settle: Callable[[Outcome], None]


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


class StoreHead(Struct, frozen=True, kw_only=True):
    """The newest sealed head of the store, and what a start found (`ledger.md` 3).

    ``halted`` is what `HALTED` said: the first commit makes it the record ``halted``; the store removes the file after it.
    """

    tree: Tree
    checkpoint: bytes
    torn_bytes: int = 0
    torn_sha256: str | None = None
    unclean: bool = False
    halted: dict[str, Any] | None = None


class LedgerStore(Protocol):
    """Segment files on one local disk, one writer (flock). All methods block; the committer calls them in a thread.

    ``commit`` returns only after fdatasync: what it returned for survives power loss. After `DiskFull` nothing was
    committed and the same call may be made again. After `LedgerDoubt` nothing more may be written in this process.
    """

    def open(self) -> StoreHead:
        """Lock, check, recover a torn tail, and return the head; raise `LedgerDoubt` on damage, `Unavailable` if in use."""
        ...

    def commit(self, frames: Sequence[PlannedFrame], side_objects: Sequence[bytes] = ()) -> None:
        """Make side objects durable, then write the frames and fdatasync: the commit point."""
        ...

    def read(self, first: int, stop: int) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield (index, salt, JSON) for ``first <= index < stop`` of committed entries; takes no lock."""
        ...

    def checkpoint_of(self, index: int) -> tuple[int, bytes]:
        """Return (size, note) of the frame that holds the committed entry ``index``."""
        ...

    def prove(self, index: int, size: int) -> list[bytes]:
        """Return the inclusion proof of ``index`` in the tree of ``size`` (a frame's end), leaf to root."""
        ...

    def nodes(self, size: int) -> NodeReader:
        """Return a reader of the nodes of the tree of ``size`` (a frame's end), checked against its sealed root."""
        ...

    def publish(self, note: bytes, size: int) -> None:
        """Replace `checkpoint` durably (temporary file, fsync, rename, fsync folder)."""
        ...

    def read_blob(self, sha256: str) -> bytes | None:
        """Return a side object by its hash, None when it is not there."""
        ...

    def halt(self, cause: str, detail: dict[str, Any]) -> None:
        """Write `HALTED` if that is still possible; never raises."""
        ...

    def close(self) -> None:
        """Release the lock; a clean stop lets the next start append to the same file."""
        ...


class FrozenNotes(Protocol):
    """Published notes that a time stamp is about, each under its tree size. All methods block; call them in a thread.

    What a write returned from survives power loss. A full disk is `DiskFull` and the call may be made again; `LedgerDoubt`
    as for the store. A note with a stored answer is never replaced. An answer is bytes: nothing here reads it.
    """

    def freeze(self, size: int, note: bytes) -> bytes:
        """Make a note durable; one that has an answer already stays, and is returned."""
        ...

    def save_token(self, size: int, answer: bytes) -> None:
        """Make the authority's answer durable, byte for byte as it came."""
        ...

    def note(self, size: int) -> bytes | None:
        """Return the frozen note of a size, None if there is none."""
        ...

    def token(self, size: int) -> bytes | None:
        """Return the stored answer over the note of a size, None if there is none."""
        ...

    def set_aside(self, size: int) -> None:
        """Take a note out that nobody stamped; an answer that is no time stamp of it is kept, but counts no more."""
        ...

    def newest(self) -> int:
        """Return the size of the newest frozen note, 0 if there is none."""
        ...


class TimeStamper(Protocol):
    """An RFC 3161 authority on the network. Slow, absent or hostile: it is asked once and bounded in time and bytes.

    Concurrency: one request at a time. Order: none is promised. An answer proves nothing before it is checked.
    """

    @property
    def url(self) -> str:
        """Where it answers; from approved configuration alone."""
        ...

    async def stamp(self, request: bytes) -> bytes:
        """Send one TimeStampReq and return the body of the answer, unread; raise `Unavailable` when there is none.

        At most 20 s in all; no redirect, no proxy from the environment. HTTP errors, other content types and bodies
        beyond 256 KiB are `Unavailable` too. Nothing is tried again here.
        """
        ...


class Sealer(Protocol):
    """The machine's key. It seals; only people sign."""

    @property
    def vkey(self) -> str:
        """C2SP verifier key ``name+hex+base64``."""
        ...

    def seal(self, text: bytes) -> bytes:
        """Return the whole signed note of a checkpoint text (C2SP signed-note); raise `LedgerDoubt` if the key fails."""
        ...


class Entropy(Protocol):
    """Fresh randomness from the operating system."""

    def __call__(self, size: int) -> bytes:
        """Return ``size`` random bytes."""
        ...


class Committed(Struct, frozen=True, kw_only=True):
    """One commit as followers see it: entries ``first .. first+len(records)-1`` are durable under this sealed head."""

    first: int
    records: tuple[Record, ...]
    contents: tuple[bytes, ...]
    size: int
    root: bytes
    checkpoint: bytes


class Journal(Protocol):
    """The pipeline's one way into the ledger. Order of appends is the order of indexes."""

    @property
    def next_index(self) -> int:
        """Index the next appended record will have."""
        ...

    def index_of(self, nth: int) -> int:
        """Index the ``nth`` record (from 0) would have in an append made now."""
        ...

    def append(
        self,
        records: Sequence[Record],
        *,
        settle: Callable[[Outcome], None] | None = None,
        side_objects: Sequence[bytes] = (),
        urgent: bool = False,
    ) -> int:
        """Put records, which stay together in one frame, into the pool; return the index of the first.

        ``settle`` is called once on the event loop after the commit. Raises `LedgerDoubt` after a halt.
        """
        ...

    async def committed(self, index: int) -> None:
        """Wait until the record at ``index`` is durable; raise `LedgerDoubt` if it never will be."""
        ...

    async def follow(self, size: int) -> Committed | None:
        """Return the commit that starts at ``size``, waiting for it; None at the end of the run.

        Commits that have left memory are read from the store in pieces; pieces never overlap and never skip.
        """
        ...


class Stamp(Protocol):
    """Makes the head of a record: at_ns, boot_ns, the number of the newest clock record, dev."""

    def __call__(self, *, at_ns: int | None = None, boot_ns: int | None = None) -> dict[str, Any]:
        """Return ``{"at_ns":…, "boot_ns":…, "clock":…[, "dev": True]}`` to be spread into a record."""
        ...


class WebRequest(Struct, frozen=True, kw_only=True):
    """One attempt to deliver: exact bytes and headers; ``url`` only ever comes from approved configuration."""

    url: str
    body: bytes
    headers: dict[str, str]


class WebAnswer(Struct, frozen=True, kw_only=True):
    """What the other side said, or why it said nothing (``status`` None and ``cause`` the class of the failure)."""

    status: int | None
    body: bytes = b""
    cause: str | None = None
    retry_after_s: float | None = None
    location: str | None = None
    address: str | None = None
    certificate_sha256: str | None = None
    duration_ms: int = 0


class Webhook(Protocol):
    """Posts one request to one sink. No redirect, no cookie, no proxy from the environment; never raises for the world."""

    async def post(self, request: WebRequest) -> WebAnswer:
        """Send once, at most 20 s in all; answer bodies are cut at 4 kB."""
        ...


class CosignAnswer(Struct, frozen=True, kw_only=True):
    """What a witness said of one checkpoint, or why it said nothing (``status`` None and ``cause`` in a word).

    ``cosignature``: its line over exactly this checkpoint, verified with the configured key; nothing else ever counts.
    ``size``: the size a 409 names. ``text``: the first 200 characters of any other body.
    """

    status: int | None
    cosignature: Line | None = None
    size: int | None = None
    text: str = ""
    cause: str | None = None


class Witness(Protocol):
    """One C2SP witness, the server of another owner."""

    async def add_checkpoint(self, old: int, proof: Sequence[bytes], note: bytes) -> CosignAnswer:
        """Offer a checkpoint with the proof that it grew from ``old``; at most 5 s, never raises for the world.

        A 200 was kept durably on the other side before it was said, also when its answer is lost: then the next question
        gets a 409 with a size that we know. One question at a time a witness; no redirect, no proxy of the environment.
        """
        ...


class WitnessMemory(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of one witness: the newest note that it cosigned (whole), its refusals by code, what it said last."""

    note: str = ""
    refusals: dict[str, int] = {}
    said: str = ""


class ProjectionAnswer(Struct, frozen=True, kw_only=True):
    """What a projection target said of one write: ``verdict`` ok, refused, retry, stop or too_large."""

    verdict: str
    status: int | None = None
    body: str = ""
    retry_after_s: float | None = None
    bad_lines: tuple[int, ...] = ()


class ProjectionSink(Protocol):
    """A target that is fed from the ledger by a cursor; writes are idempotent there."""

    @property
    def fingerprint(self) -> str:
        """Hash of address, database and layout: a cursor belongs to one fingerprint."""
        ...

    async def write(self, lines: Sequence[bytes]) -> ProjectionAnswer:
        """Write lines; never raises for the world."""
        ...


__all__ = [
    "ClockReport",
    "ClockStep",
    "Committed",
    "CosignAnswer",
    "Entropy",
    "Fact",
    "FrozenNotes",
    "Inlet",
    "Journal",
    "LedgerStore",
    "Moment",
    "Outcome",
    "Parcel",
    "ProjectionAnswer",
    "ProjectionSink",
    "Resume",
    "Sealer",
    "Source",
    "Stamp",
    "StoreHead",
    "SystemClock",
    "TimeStamper",
    "WebAnswer",
    "WebRequest",
    "Webhook",
    "Witness",
    "WitnessMemory",
]
