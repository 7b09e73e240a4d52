"""Between which two time stamps or cosignatures a record was sealed, read from a ledger folder without its index (`ledger.md` 4, anchors)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from gateway.adapters.segment_store.disk import Disk
from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.adapters.segment_store.frozen import FrozenFolder
from gateway.errors import EvidenceRefused
from gateway.ledger.checkpoint import parse_checkpoint
from gateway.ledger.crypto import verify_line
from gateway.ledger.note import VerifyKey, open_note
from gateway.ledger.policy import parse_policy
from gateway.ledger.records import Anchor, parse_record
from gateway.ledger.segment import SEGMENT_ENTRIES
from gateway.ledger.timestamp import parse_answer, parse_stamped
from gateway.ledger.witness import cosigned_second

LOOK_ENTRIES: Final = 2 * SEGMENT_ENTRIES
"""How far a cosigned anchor is looked for on each side; there is one a minute while anything is recorded."""
_PIECE: Final = 4_096
_ANCHOR: Final = b'{"v":1,"kind":"anchor",'
_NS: Final = 1_000_000_000


class Bracket(NamedTuple):
    """Times in ns since 1970; None where nothing stands on that side. Says what tokens say: `verify` checks them."""

    after_ns: int | None
    before_ns: int | None


def newest_stamped(folder: LedgerFolder) -> int:
    """Return the newest tree size with a stored time stamp, 0 if there is none."""
    frozen = FrozenFolder(Disk(), folder.layout)
    return next((size for size in frozen.sizes() if frozen.token(size) is not None), 0)


def bracket_of_record(folder: LedgerFolder, index: int) -> Bracket:
    """Return after: the newest time stamp or cosignature whose record stands below; before: the oldest over a tree with it.

    Cosignatures count by the witnesses of the folder's own policy, each anchor by the earliest of them.
    """
    stamped = _stamped(folder, index)
    witnesses = _witnesses(folder)
    if not witnesses:
        return stamped
    pieces = (range(max(index - back, 0), index - back + _PIECE) for back in range(_PIECE, LOOK_ENTRIES, _PIECE))
    below = (seen for piece in pieces if piece.stop > 0 for seen in reversed([*_cosigned(folder, piece, witnesses)]))
    after = next((ns for _, ns in below), None)
    above = _cosigned(folder, range(index + 1, index + LOOK_ENTRIES), witnesses)
    before = next((ns for size, ns in above if size > index), None)
    return Bracket(
        max((one for one in (stamped.after_ns, after) if one is not None), default=None),
        min((one for one in (stamped.before_ns, before) if one is not None), default=None),
    )


def _stamped(folder: LedgerFolder, index: int) -> Bracket:
    """Return what time stamps alone say."""
    frozen = FrozenFolder(Disk(), folder.layout)
    after = before = None
    for size in frozen.sizes():
        gen_ns = _time_of(frozen.token(size))
        if gen_ns is None:
            continue
        if size > index:
            before = gen_ns
        elif _recorded_below(folder, size, index):
            after = gen_ns
            break
    return Bracket(after, before)


def _witnesses(folder: LedgerFolder) -> list[VerifyKey]:
    try:
        return [one.key for one in parse_policy(folder.layout.policy.read_text()).witnesses]
    except (FileNotFoundError, EvidenceRefused):
        return []


def _cosigned(folder: LedgerFolder, indexes: range, witnesses: list[VerifyKey]) -> Iterator[tuple[int, int]]:
    """Yield size and earliest cosignature (ns) of the cosigned anchors that stand there, in order."""
    for anchor in anchors(content for _, _, content in folder.reader.read(indexes.start, indexes.stop)):
        if anchor.event != "cosigned" or not isinstance(anchor.note, str):
            continue
        try:
            opened = open_note(anchor.note.encode(), witnesses, verify_line)
            size = parse_checkpoint(opened.text).size
        except EvidenceRefused:
            continue
        yield size, min(cosigned_second(key, line) for key, line in opened.verified) * _NS


def anchors(records: Iterable[bytes]) -> Iterator[Anchor]:
    """Yield the anchors among records, in order; bytes that are no record are for `gateway verify` to name."""
    for content in records:
        if not content.startswith(_ANCHOR):
            continue
        try:
            record = parse_record(content)
        except (EvidenceRefused, msgspec.DecodeError):
            continue
        if isinstance(record, Anchor):
            yield record


def _time_of(answer: bytes | None) -> int | None:
    try:
        return None if answer is None else parse_stamped(parse_answer(answer).content).gen_ns
    except EvidenceRefused:
        return None


def _recorded_below(folder: LedgerFolder, size: int, index: int) -> bool:
    """Say whether the anchor of a size stands below an index: it follows soon after the size."""
    found = anchors(content for _, _, content in folder.reader.read(size, index))
    return any(anchor.event == "timestamped" and anchor.size == size for anchor in found)
