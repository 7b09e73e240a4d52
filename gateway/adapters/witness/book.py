"""The witness's book: one note file per origin, compared and replaced under one lock, durable before anything is answered.

::

    <state>/LOCK                        one process
    <state>/notes/<origin>.note         the checkpoint cosigned last, with our cosignature (origin percent-encoded)
    <state>/conflicts/<name>.kept       what we had cosigned when a conflict came
    <state>/conflicts/<name>.sent       what was sent instead; <name> = <origin>.<KIND>.<size>.<8 hex of the text's hash>
    <state>/conflicts/<name>.called     a person was told
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Final, NamedTuple
from urllib.parse import quote

from gateway.adapters.segment_store.disk import Disk
from gateway.adapters.segment_store.durable import make_folder, write_durably
from gateway.errors import ConfigurationRefused
from gateway.ledger.checkpoint import Checkpoint, format_checkpoint, parse_checkpoint
from gateway.ledger.crypto import cosigner, verify_line
from gateway.ledger.note import Line, VerifyKey, add_lines, format_line, parse_note
from gateway.ledger.witness import CONFLICT, SIZE_TYPE, UNPROVED, Verdict, decide, parse_question

NAME_MAX: Final = 180
CONFLICTS_MAX: Final = 1_000
"""Conflicts kept of all logs; more are counted by nobody: the first ones are the evidence."""


class Conflict(NamedTuple):
    """A conflict of one log: kind, what we had cosigned, what was sent instead, and the name of its files."""

    kind: str
    origin: str
    kept: Checkpoint
    sent: Checkpoint
    name: str


class BookAnswer(NamedTuple):
    """What the client gets, and what it means: the sealed checkpoint that was sent, a conflict not met before."""

    status: int
    body: bytes
    content_type: str
    seen: Checkpoint | None
    conflict: Conflict | None


class WitnessBook:
    """Answers questions; may be called by many threads. ``logs``: origin → seal keys."""

    def __init__(
        self,
        folder: Path,
        logs: Mapping[str, Collection[VerifyKey]],
        key: VerifyKey,
        seed: bytes,
        disk: Disk | None = None,
    ) -> None:
        self._notes, self._conflicts = folder / "notes", folder / "conflicts"
        self._logs = dict(logs)
        self._key = key
        self._seed = seed
        self._disk = disk or Disk()
        self._lock = Lock()
        for origin in self._logs:
            if len(file_name(origin)) > NAME_MAX:
                raise ConfigurationRefused(
                    f"origin {origin[:80]} is too long", remedy="name a log with a shorter origin"
                )
        for part in (self._notes, self._conflicts):
            make_folder(self._disk, part)

    @property
    def origins(self) -> list[str]:
        """Return the origins of all logs, in order."""
        return sorted(self._logs)

    def kept(self, origin: str) -> bytes | None:
        """Return the note cosigned last, None if there is none."""
        try:
            return (self._notes / f"{file_name(origin)}.note").read_bytes()
        except FileNotFoundError:
            return None

    def checkpoint(self, origin: str) -> Checkpoint | None:
        """Return the checkpoint cosigned last."""
        note = self.kept(origin)
        return None if note is None else checkpoint_of(note)

    def answer(self, body: bytes, now_s: int) -> BookAnswer:
        """Decide, keep, then answer. An `OSError` of the disk leaves without an answer: nothing was cosigned."""
        with self._lock:
            verdict = decide(body, self.kept, lambda origin: self._logs.get(origin, ()), verify_line)
            if verdict.keep is not None:
                line = self._cosign(verdict.keep, now_s)
                self._replace(verdict, line)
                return BookAnswer(verdict.status, format_line(line), "text/plain", verdict.seen, None)
            conflict = self._take_conflict(verdict, body) if verdict.conflict else None
        kind = SIZE_TYPE if verdict.status == CONFLICT else "text/plain"
        return BookAnswer(verdict.status, verdict.body, kind, verdict.seen, conflict)

    def _cosign(self, note: bytes, now_s: int) -> Line:
        text = parse_note(note).text
        return Line(self._key.name, self._key.key_id, cosigner(self._seed, now_s)(text))

    def _replace(self, verdict: Verdict, line: Line) -> None:
        assert verdict.keep is not None, "there is something to keep"
        assert verdict.seen is not None, "what is kept was sealed"
        path = self._notes / f"{file_name(verdict.seen.origin)}.note"
        write_durably(self._disk, path, add_lines(verdict.keep, [line]))

    def uncalled(self) -> list[Conflict]:
        """Return the conflicts of which no person has been told, oldest first."""
        sent = sorted(self._conflicts.glob("*.sent"), key=lambda path: path.stat().st_mtime_ns)
        return [_read_conflict(path) for path in sent if not path.with_suffix(".called").exists()]

    def called(self, conflict: Conflict) -> None:
        """Note that a person was told: this conflict never calls again."""
        write_durably(self._disk, self._conflicts / f"{conflict.name}.called", b"")

    def _take_conflict(self, verdict: Verdict, body: bytes) -> Conflict | None:
        """Keep what was cosigned and what was sent, once for each conflict."""
        assert verdict.seen is not None, "only a sealed checkpoint conflicts"
        kept = self.kept(verdict.seen.origin)
        assert kept is not None or not verdict.seen.size, "a conflict is with something"
        # A proof that does not hold is evidence itself; else the note alone says all.
        content = body if verdict.status == UNPROVED else parse_question(body).note
        return self._keep_conflict(verdict.conflict, verdict.seen, kept, content)

    def mirrored(self, kind: str, kept: bytes, sent: bytes) -> Conflict | None:
        """Keep a conflict that our mirror met: a sealed note that it holds, and the one that was shown instead."""
        with self._lock:
            return self._keep_conflict(kind, checkpoint_of(sent), kept, sent)

    def _keep_conflict(self, kind: str, sent: Checkpoint, kept: bytes | None, content: bytes) -> Conflict | None:
        digest = sha256(format_checkpoint(sent)).hexdigest()[:8]
        name = f"{file_name(sent.origin)}.{kind}.{sent.size}.{digest}"
        path = self._conflicts / f"{name}.sent"
        if kept is None or path.exists() or sum(1 for _ in self._conflicts.glob("*.sent")) >= CONFLICTS_MAX:
            return None
        write_durably(self._disk, self._conflicts / f"{name}.kept", kept)
        write_durably(self._disk, path, content)
        return Conflict(kind, sent.origin, checkpoint_of(kept), sent, name)


def _read_conflict(path: Path) -> Conflict:
    content = path.read_bytes()
    sent = checkpoint_of(parse_question(content).note if content.startswith(b"old ") else content)
    kept = checkpoint_of(path.with_suffix(".kept").read_bytes())
    return Conflict(path.name.split(".")[-4], sent.origin, kept, sent, path.name.removesuffix(".sent"))


def file_name(origin: str) -> str:
    """Return an origin as a file name: nothing in it leaves the folder."""
    return quote(origin, safe="")


def checkpoint_of(note: bytes) -> Checkpoint:
    """Return the checkpoint of a kept note."""
    return parse_checkpoint(parse_note(note).text)


def logs_of(vkeys: Collection[VerifyKey], origins: Collection[str] = ()) -> dict[str, list[VerifyKey]]:
    """Return origin → keys: a log's key bears its origin, unless ``origins`` names one for each key, in order."""
    if origins and len(origins) != len(vkeys):
        raise ConfigurationRefused(
            f"{len(origins)} origins for {len(vkeys)} keys", remedy="give --origin once for each --log, or not at all"
        )
    logs: dict[str, list[VerifyKey]] = {}
    for key, origin in zip(vkeys, origins or [one.name for one in vkeys], strict=True):
        logs.setdefault(origin, []).append(key)
    return logs
