"""Sealed heads: frame checkpoints, anchors and the published note, with the keys and cosigners that hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from gateway.errors import EvidenceRefused
from gateway.ledger.checkpoint import Checkpoint, parse_checkpoint
from gateway.ledger.crypto import verify_line
from gateway.ledger.note import Note, VerifyKey, parse_note
from gateway.ledger.policy import Policy
from gateway.ledger.verify import texts
from gateway.ledger.verify.findings import Finding


class Head(NamedTuple):
    """A note read as a checkpoint, with the known keys whose lines hold and what is wrong with it.

    ``checkpoint`` is None when the note cannot be read; ``sealed`` says that one of the seal keys has signed it, ``seals``
    which of them have.
    """

    checkpoint: Checkpoint | None
    sealed: bool
    cosigners: tuple[VerifyKey, ...]
    findings: tuple[Finding, ...]
    seals: tuple[VerifyKey, ...] = ()


def read_head(content: bytes, size: int) -> tuple[Note, Checkpoint] | Finding:
    """Return note and checkpoint of a note's bytes, or why it is none; ``size`` is where to report it."""
    try:
        note = parse_note(content)
        return note, parse_checkpoint(note.text)
    except EvidenceRefused as error:
        return texts.bad_note(size, error.text)


def open_head(
    content: bytes,
    size: int,
    seal_keys: Iterable[VerifyKey],
    demanded: Iterable[VerifyKey] = (),
    witnesses: Iterable[VerifyKey] = (),
) -> Head:
    """Open a sealed note: a seal key must have signed, every ``demanded`` key too, no known key may fail."""
    read = read_head(content, size)
    if isinstance(read, Finding):
        return Head(None, False, (), (read,))
    note, checkpoint = read
    size = checkpoint.size
    seals, others = list(seal_keys), list(demanded)
    held, failed = _check_lines(note, [*seals, *others, *witnesses])
    findings = [texts.unsealed(size, str(key)) for key in failed]
    sealed = any(key in held for key in seals)
    if not sealed and not any(key in failed for key in seals):
        findings.append(texts.unsealed(size, _foreign_key(note, checkpoint.origin)))
    findings += [texts.unsealed(size, str(key)) for key in others if key not in held and key not in failed]
    cosigners = tuple(key for key in witnesses if key in held)
    return Head(checkpoint, sealed, cosigners, tuple(findings), tuple(key for key in seals if key in held))


def judge_quorum(policy: Policy | None, size: int, cosigners: tuple[VerifyKey, ...]) -> Finding | None:
    """Return the finding of a note that lacks the cosignatures its policy asks."""
    if policy is None or policy.satisfied_by(cosigners):
        return None
    return texts.unwitnessed(size, len(cosigners), policy.required)


def _check_lines(note: Note, keys: list[VerifyKey]) -> tuple[set[VerifyKey], list[VerifyKey]]:
    """Return the keys whose line holds and those whose line fails; the first line of a key speaks for it."""
    known = {(key.name, key.key_id): key for key in keys}
    held: set[VerifyKey] = set()
    failed: list[VerifyKey] = []
    for line in note.lines:
        key = known.pop((line.name, line.key_id), None)
        if key is None:
            continue
        if verify_line(key, note.text, line.signature):
            held.add(key)
        else:
            failed.append(key)
    return held, failed


def _foreign_key(note: Note, origin: str) -> str:
    """Name the key that stands where a seal key of ours should: the line that bears the origin, else the origin."""
    own = [line for line in note.lines if line.name == origin]
    return f"{origin}+{own[0].key_id.hex()}" if own else origin
