"""Mirror: pulls a log's frames and side objects as they are, verifies before keeping, never takes a rewrite (`ledger.md` 4).

A round: the published checkpoint must be sealed, no smaller than what is kept, and prove that it grew from it; then frames
are verified against our own tree and appended up to its size. Anything else calls a person as the witness does.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Mapping
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Final

import structlog

from gateway.adapters.log_client import LogClient
from gateway.adapters.segment_store.disk import SyncFailed
from gateway.adapters.witness.book import Conflict, WitnessBook, checkpoint_of, file_name
from gateway.adapters.witness.mirror_folder import REFETCH, MirrorFolder, Piece, Place
from gateway.errors import EvidenceRefused, GatewayError, LedgerDoubt, Refused, Unavailable
from gateway.ledger.checkpoint import Checkpoint, parse_checkpoint
from gateway.ledger.crypto import verify_line
from gateway.ledger.merkle import EMPTY_ROOT
from gateway.ledger.note import VerifyKey, open_note
from gateway.ledger.proof import check_consistency
from gateway.ledger.records import Anchor
from gateway.ledger.witness import FORK, ROLLBACK

EVERY_S: Final = 5.0
"""A commit is published within 10 s and pulled within 5 s more."""
REFUSED_S: Final = 300.0
"""Whoever may not read asks rarely: each refusal is a record over there."""
SHOW_S: Final = 10.0
FOLDER: Final = "mirror"

_log = structlog.get_logger(component="mirror")


class Mirror:
    """One log's copy at another owner's. ``logs``: origin → seal keys; which log answers at the URL its checkpoint says.

    ``tell`` shows a line to people; ``call`` has a conflict told, as one that the witness met.
    """

    def __init__(
        self,
        client: LogClient,
        state: Path,
        book: WitnessBook,
        logs: Mapping[str, Collection[VerifyKey]],
        call: Callable[[Conflict], None],
        tell: Callable[[str], None],
    ) -> None:
        self._client = client
        self._state = state
        self._book = book
        self._logs = logs
        self._call = call
        self._tell = tell
        self._folder: MirrorFolder | None = None
        self._open = False
        self._off = False
        self._problem = ""
        self._told_size = -1
        self._waiting: set[str] = set()
        self._stamped: list[Anchor] = []
        self.pause_s = EVERY_S
        self._shown_s = monotonic()
        self._ending = threading.Event()

    async def run(self) -> None:
        """Pull until cancelled; a round that has begun ends first."""
        loop = asyncio.get_running_loop()
        try:
            while not self._off:
                conflict = await loop.run_in_executor(None, self.round)
                if conflict is not None:
                    self._call(conflict)
                await asyncio.sleep(self.pause_s)
        finally:
            self._ending.set()

    def round(self) -> Conflict | None:
        """Pull once; return a conflict not met before. Every other trouble is told once and tried again."""
        self.pause_s = EVERY_S
        try:
            conflict = self._pull()
        except (LedgerDoubt, SyncFailed) as doubt:
            self._off, self._open = True, False
            self._trouble(f"mirror is off: {doubt}", "keep its folder, mend what is named, start again")
            return None
        except GatewayError as error:
            self.pause_s = REFUSED_S if isinstance(error, Refused) else EVERY_S
            self._trouble(error.text, error.remedy)
            return None
        except OSError as error:
            self._open = False
            self._trouble(f"mirror cannot be written: {error}", "make space or mend the disk; it goes on by itself")
            return None
        finally:
            self._client.close()
        if self._problem and conflict is None and not self._waiting and not self._stamped:
            self._problem = ""
            self._tell(f"mirror of {self._client.url} goes on")
        return conflict

    def _pull(self) -> Conflict | None:
        cosigned = {origin: self._book.kept(origin) for origin in self._logs}  # first: what is published is no older
        note = self._client.checkpoint()
        if note is None:
            raise Unavailable(f"{self._client.url}: nothing was published yet", remedy="it is asked again")
        head = self._sealed(note)
        folder = self._ready(head.origin)
        for kept in (folder.note, cosigned[head.origin] or b""):
            kind = self._broken(kept, head)
            if kind:
                return self._conflict(kind, kept, note)
        while folder.size < head.size and not self._ending.is_set():
            piece = self._next(folder, head)
            if piece.tree.size == head.size and piece.tree.root() != head.root:
                folder.drop()
                return self._conflict(FORK, piece.note, note)
            self._fetch(folder, piece.side_objects)
            folder.keep(piece)
            self._tell_progress(folder.size, head)
            self._stamped += [one for one in piece.told if isinstance(one, Anchor) and one.event == "timestamped"]
        self._fetch(folder, list(self._waiting))
        self._fetch_stamps(folder)
        self._finish(folder, head, note)
        return None

    def _sealed(self, note: bytes) -> Checkpoint:
        """Return the checkpoint of a note that a key of a log we watch has sealed."""
        head = checkpoint_of(note)
        folder = self._folder
        keys = self._logs.get(head.origin, ()) if folder is None or folder.origin != head.origin else folder.seals
        if not keys:
            raise EvidenceRefused(
                f"{self._client.url} is the log {head.origin}, which is not watched here",
                remedy="name its seal key with --log",
            )
        return parse_checkpoint(open_note(note, keys, verify_line).text)

    def _ready(self, origin: str) -> MirrorFolder:
        """Return the open folder; after trouble with the disk it is checked again from the start."""
        if self._folder is None:
            root = self._state / FOLDER / file_name(origin)
            root.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
            self._folder = MirrorFolder(root, origin, list(self._logs[origin]))
        if self._folder.origin != origin:
            raise EvidenceRefused(f"{self._client.url} was {self._folder.origin} and is {origin} now", remedy=REFETCH)
        if not self._open:
            self._folder.open()
            self._open = True
            self._waiting, self._stamped = self._folder.unfinished()
        return self._folder

    def _broken(self, kept: bytes, head: Checkpoint) -> str:
        """Compare what is published with a note of ours: ROLLBACK, FORK, or empty when it grew from it."""
        before = checkpoint_of(kept) if kept else Checkpoint(head.origin, 0, EMPTY_ROOT)
        if head.size < before.size:
            return ROLLBACK
        proof = self._client.consistency(before.size, head.size) if 0 < before.size < head.size else ()
        try:
            if before.size:
                check_consistency(before.size, head.size, before.root, head.root, proof)
        except EvidenceRefused:
            return FORK
        return ""

    def _conflict(self, kind: str, kept: bytes, sent: bytes) -> Conflict | None:
        """Keep both notes and refuse; told by the caller once, here as the standing trouble."""
        before, head = checkpoint_of(kept), checkpoint_of(sent)
        self._trouble(
            f"{kind} {head.origin}: size {head.size:,} root {head.root.hex()[:8]} is shown, "
            f"size {before.size:,} root {before.root.hex()[:8]} is kept; nothing more is taken",
            "keep conflicts/ and this folder, call the plant's QA",
        )
        return self._book.mirrored(kind, kept, sent)

    def _next(self, folder: MirrorFolder, head: Checkpoint) -> Piece:
        """Return the next frames: of the open file, else of the one that begins where we end."""
        for place in dict.fromkeys((folder.place, Place(folder.size, 0))):
            content = self._client.segment(*place)
            piece = folder.judge(place, content, head.size) if content else None
            if piece is not None:
                return piece
        raise EvidenceRefused(f"{self._client.url} has no bytes of record {folder.size:,}", remedy=REFETCH)

    def _fetch(self, folder: MirrorFolder, digests: Collection[str]) -> None:
        """Bring side objects before the frames that name them; one that is not to be had is asked for again."""
        for digest in digests:
            if folder.has_blob(digest):
                self._waiting.discard(digest)
                continue
            content = self._client.blob(digest)
            if content is not None and sha256(content).hexdigest() == digest:
                folder.save_blob(content)
                self._waiting.discard(digest)
            else:
                self._waiting.add(digest)
                how = "is missing" if content is None else "differs"
                self._trouble(f"side object {digest[:8]} {how} at {self._client.url}", "run gateway verify there")

    def _fetch_stamps(self, folder: MirrorFolder) -> None:
        """Bring the frozen notes and time stamps that the records name."""
        for anchor in list(self._stamped):
            note, token = self._client.note(anchor.size), self._client.token(anchor.size)
            found = [sha256(one).hexdigest() if one is not None else "" for one in (note, token)]
            if note is None or token is None or found != [anchor.note_sha256, anchor.token_sha256]:
                self._trouble(f"time stamp over size {anchor.size:,} is missing or differs", "run gateway verify there")
                continue
            folder.frozen.freeze(anchor.size, note)
            folder.frozen.save_token(anchor.size, token)
            self._stamped.remove(anchor)

    def _finish(self, folder: MirrorFolder, head: Checkpoint, note: bytes) -> None:
        if folder.size != head.size:
            return
        folder.publish(note)
        policy = self._client.policy()
        if policy is not None:
            folder.save_policy(policy)
        folder.pack()
        if self._told_size < 0:
            self._tell(f"{head.origin} mirrored {folder.size:,}")
        self._told_size = folder.size

    def _tell_progress(self, size: int, head: Checkpoint) -> None:
        """Show how far a long catching-up is, every ten seconds."""
        if monotonic() - self._shown_s >= SHOW_S and size < head.size:
            self._shown_s = monotonic()
            self._tell(f"mirroring {head.origin}: {size:,} of {head.size:,}")

    def _trouble(self, text: str, remedy: str) -> None:
        if text != self._problem:
            self._problem = text
            self._tell(f"mirror: {text}")
            _log.error("mirror.stopped", error=text, remedy=remedy or "it is tried again")
