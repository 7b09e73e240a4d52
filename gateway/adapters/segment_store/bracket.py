"""Between which two time stamps a record was sealed, read from a ledger folder without its index (`ledger.md` 4, anchors)."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from gateway.adapters.segment_store.disk import Disk
from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.adapters.segment_store.frozen import FrozenFolder
from gateway.errors import EvidenceRefused
from gateway.ledger.records import Anchor, parse_record
from gateway.ledger.timestamp import parse_answer, parse_stamped

_ANCHOR: Final = b'{"v":1,"kind":"anchor",'


class Bracket(NamedTuple):
    """Times in ns since 1970; None where no time stamp stands on that side. Says what tokens say: `verify` checks them."""

    after_ns: int | None
    before_ns: int | None


def newest_stamped(folder: LedgerFolder) -> int:
    """Return the newest tree size with a stored time stamp, 0 if there is none."""
    frozen = FrozenFolder(Disk(), folder.layout)
    return next((size for size in frozen.sizes() if frozen.token(size) is not None), 0)


def bracket_of_record(folder: LedgerFolder, index: int) -> Bracket:
    """Return after: the newest time stamp whose record stands below; before: the oldest one over a tree that holds it."""
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


def _time_of(answer: bytes | None) -> int | None:
    try:
        return None if answer is None else parse_stamped(parse_answer(answer).content).gen_ns
    except EvidenceRefused:
        return None


def _recorded_below(folder: LedgerFolder, size: int, index: int) -> bool:
    """Say whether the anchor of a size stands below an index: it follows soon after the size."""
    for _, _, content in folder.reader.read(size, index):
        if not content.startswith(_ANCHOR):
            continue
        try:
            record = parse_record(content)
        except (EvidenceRefused, msgspec.DecodeError):
            continue
        if isinstance(record, Anchor) and record.event == "timestamped" and record.size == size:
            return True
    return False
