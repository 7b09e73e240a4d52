"""Ports around the ledger: store, frozen notes, time stamps, seal, randomness, and the journal that others append to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from msgspec import Struct

from gateway.ledger.commit import PlannedFrame
from gateway.ledger.merkle import Tree
from gateway.ledger.proof import NodeReader
from gateway.ledger.records import Record
from gateway.ports.source import Outcome


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

    def pick(self, indexes: Sequence[int]) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield (index, salt, JSON) of the committed entries at ``indexes`` (ascending); takes no lock."""
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

    def keep(self, content: bytes) -> None:
        """Make a side object durable ahead of the record that will name it."""
        ...


class RevocationLists(Protocol):
    """Where an authority publishes which of its certificates no longer count. Slow, absent or hostile: bounded in time and bytes.

    What comes back proves nothing before it is checked. Nothing is tried again here.
    """

    async def fetch(self, address: str) -> bytes:
        """Return the content at an http address, or of a file of the configuration; raise `Unavailable` when there is none.

        At most 10 s and 4 MiB; no redirect, no proxy from the environment.
        """
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
