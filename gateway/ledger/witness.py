r"""C2SP tlog-witness: the body of `add-checkpoint`, the answers, and what a witness decides (https://c2sp.org/tlog-witness).

::

    old <size>\n
    <base64 hash>\n          0 to 63 lines: the consistency proof from the old size
    \n
    <checkpoint note>

Pure: the caller keeps the one note of each origin and makes compare and replace one step.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Collection, Sequence
from typing import Final, NamedTuple

from gateway.errors import EvidenceRefused
from gateway.ledger.checkpoint import SIZE_MAX, Checkpoint, parse_checkpoint
from gateway.ledger.cosignature import ED25519_SIGNATURE_SIZE, ML_DSA_44_SIGNATURE_SIZE, parse_cosignature
from gateway.ledger.merkle import EMPTY_ROOT, HASH_SIZE
from gateway.ledger.note import (
    COSIGNATURE_ML_DSA_44,
    Line,
    Note,
    Verify,
    VerifyKey,
    add_lines,
    open_note,
    parse_base64,
    parse_note,
)
from gateway.ledger.policy import Policy
from gateway.ledger.proof import check_consistency

PROOF_LINES_MAX: Final = 63
BODY_BYTES_MAX: Final = 65_536
SIZE_TYPE: Final = "text/x.tlog.size"
ROLLBACK: Final = "ROLLBACK"
FORK: Final = "FORK"

OK, BAD, FORBIDDEN, UNKNOWN, CONFLICT, UNPROVED = 200, 400, 403, 404, 409, 422
_OLD: Final = re.compile(rb"old (0|[1-9][0-9]{0,18})")
_FROM_NOTHING: Final = b"a proof from the empty tree is empty\n"
_SIZE: Final = re.compile(rb"(0|[1-9][0-9]{0,18})\n")


class Question(NamedTuple):
    """One `add-checkpoint`: the size proved from, the proof, and the note as it was sent."""

    old: int
    proof: tuple[bytes, ...]
    note: bytes


class Verdict(NamedTuple):
    """What a witness answers. ``keep``: the note that replaces the kept one *before* 200 is said.

    ``seen`` is the checkpoint when a log key has sealed it; ``conflict`` is `ROLLBACK`, `FORK` or empty.
    """

    status: int
    body: bytes = b""
    keep: bytes | None = None
    seen: Checkpoint | None = None
    conflict: str = ""


def format_question(old: int, proof: Sequence[bytes], note: bytes) -> bytes:
    """Return the body of `add-checkpoint`."""
    assert len(proof) <= PROOF_LINES_MAX, f"{len(proof)} hashes"
    hashes = b"".join(base64.b64encode(one) + b"\n" for one in proof)
    return b"old %d\n%b\n%b" % (old, hashes, note)


def parse_question(body: bytes) -> Question:
    """Return the parts of a body; refuse whatever the grammar does not allow. The note is not opened."""
    head, empty, note = body.partition(b"\n\n")
    first, *lines = head.split(b"\n")
    found = _OLD.fullmatch(first)
    if not empty or found is None or int(found[1]) > SIZE_MAX:
        raise EvidenceRefused("body does not begin with `old <size>`, proof lines and an empty line")
    if len(lines) > PROOF_LINES_MAX:
        raise EvidenceRefused(f"body has {len(lines)} proof lines, at most {PROOF_LINES_MAX} are read")
    proof = tuple(parse_base64(line, "proof line") for line in lines)
    if any(len(one) != HASH_SIZE for one in proof):
        raise EvidenceRefused("a proof line is no hash")
    return Question(int(found[1]), proof, note)


def format_size(size: int) -> bytes:
    """Return the body of a 409."""
    return b"%d\n" % size


def parse_size(body: bytes) -> int | None:
    """Return the size that a 409 names, None if it names none."""
    found = _SIZE.fullmatch(body)
    return int(found[1]) if found is not None and int(found[1]) <= SIZE_MAX else None


def read_cosignatures(body: bytes, text: bytes, key: VerifyKey, verify: Verify) -> tuple[Line, ...]:
    """Return the first line of ``key`` in the body of a 200 that holds over the checkpoint text; () if there is none.

    Lines of other keys are passed over; a line of the key that fails counts for nothing.
    """
    try:
        lines = parse_note(text + b"\n" + body).lines
    except EvidenceRefused:
        return ()
    own = [line for line in lines if (line.name, line.key_id) == (key.name, key.key_id)]
    return tuple(line for line in own[:1] if verify(key, text, line.signature))


def cosigned_second(key: VerifyKey, line: Line) -> int:
    """Return the second since 1970 at which a witness of type 04 or 06 cosigned; refuse another length."""
    size = ML_DSA_44_SIGNATURE_SIZE if key.type == COSIGNATURE_ML_DSA_44 else ED25519_SIGNATURE_SIZE
    return parse_cosignature(line.signature, size).seconds


def cosigners_of(note: bytes, policy: Policy, verify: Verify) -> set[VerifyKey]:
    """Return the witnesses of the policy whose cosignature of the note holds."""
    try:
        opened = open_note(note, [one.key for one in policy.witnesses], verify)
    except EvidenceRefused:
        return set()
    return {key for key, _ in opened.verified}


def decide(
    question: bytes,
    kept: Callable[[str], bytes | None],
    keys: Callable[[str], Collection[VerifyKey]],
    verify: Verify,
) -> Verdict:
    """Return the answer to one `add-checkpoint` body.

    ``kept``: origin → the note this witness cosigned last; ``keys``: origin → seal keys of that log, none if it is unknown.
    """
    try:
        asked = parse_question(question)
        note = parse_note(asked.note)
        checkpoint = parse_checkpoint(note.text)
    except EvidenceRefused as error:
        return Verdict(BAD, _sentence(error.text))
    known = keys(checkpoint.origin)
    if not known:
        return Verdict(UNKNOWN, _sentence(f"log {checkpoint.origin[:120]} is not known here"))
    try:
        opened = open_note(asked.note, known, verify)
    except EvidenceRefused as error:
        return Verdict(FORBIDDEN, _sentence(error.text))
    sealed = add_lines(note.text + b"\n", [line for _, line in opened.verified])
    if asked.old > checkpoint.size:
        return Verdict(BAD, _sentence(f"old size {asked.old} is larger than {checkpoint.size}"), seen=checkpoint)
    before = kept(checkpoint.origin)
    return _compare(asked, checkpoint, sealed, None if before is None else _checkpoint_of(before))


def _compare(asked: Question, new: Checkpoint, sealed: bytes, old: Checkpoint | None) -> Verdict:
    """Compare a sealed checkpoint with the one kept: sizes first, then roots, then the proof between them."""
    size, root = (0, EMPTY_ROOT) if old is None else (old.size, old.root)
    if new.size < size:
        return Verdict(CONFLICT, format_size(size), seen=new, conflict=ROLLBACK)
    if new.size == size and new.root != root:
        return Verdict(CONFLICT, format_size(size), seen=new, conflict=FORK)
    if asked.old != size:
        return Verdict(CONFLICT, format_size(size), seen=new)
    if not size:
        good = not asked.proof
        return Verdict(OK, keep=sealed, seen=new) if good else Verdict(UNPROVED, _FROM_NOTHING, seen=new)
    try:
        check_consistency(size, new.size, root, new.root, asked.proof)
    except EvidenceRefused as error:
        return Verdict(UNPROVED, _sentence(error.text), seen=new, conflict=FORK)
    return Verdict(OK, keep=sealed, seen=new)


def _checkpoint_of(note: bytes) -> Checkpoint:
    parsed: Note = parse_note(note)
    return parse_checkpoint(parsed.text)


def _sentence(text: str) -> bytes:
    return text.encode() + b"\n"
