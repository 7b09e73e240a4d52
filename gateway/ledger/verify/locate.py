"""Names the damaged record of one frame: by salts where they are stored, by 4-byte leaf hashes where they are stripped.

The root in the checkpoint says *that* a frame was changed; this says *where*, as well as it can still be known. A salt
fits exactly one index of its frame, so an entry that was moved, dropped or added gives itself away.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.ledger.entry import SALT_SIZE, derive_salts
from gateway.ledger.frame import PREFIX_SIZE, Frame
from gateway.ledger.merkle import hash_leaf
from gateway.ledger.verify import texts
from gateway.ledger.verify.findings import Finding

_BEYOND: Final = 256
"""How far past its frame a record's index is looked for."""
_NEAR: Final = 64
"""How far around its place a stripped record's index is looked for."""


def split_loosely(body: bytes) -> tuple[list[bytes], bool]:
    """Return the items of a body as far as they go, and whether they end where it ends."""
    items: list[bytes] = []
    position = 0
    while position + 2 <= len(body):
        stop = position + 2 + (body[position] << 8 | body[position + 1])
        if stop > len(body):
            return items, False
        items.append(body[position + 2 : stop])
        position = stop
    return items, position == len(body)


def locate(frame: Frame, items: Sequence[bytes], whole: bool, file: str, offset: int) -> tuple[list[Finding], int]:
    """Return the findings of a frame's items and the index after the last one, as the salts tell.

    ``whole`` is false when the lengths in the body are damaged: then only the first misfit is named.
    """
    walk = _Walk(frame, items, file, offset)
    walk.run(first_only=not whole)
    return walk.findings, walk.index


class _Walk:
    """Goes through the items of one frame with the index that is due next."""

    def __init__(self, frame: Frame, items: Sequence[bytes], file: str, offset: int) -> None:
        self.first = frame.first
        self.stripped = frame.stripped
        self.items = items
        self.place = {"file": file, "offset": offset}
        self.prefixes = [frame.prefixes[i : i + PREFIX_SIZE] for i in range(0, len(frame.prefixes), PREFIX_SIZE)]
        self.salts = derive_salts(frame.seed, frame.first, max(frame.n, len(items)) + _BEYOND)
        self.by_salt = {salt: frame.first + i for i, salt in enumerate(self.salts)}
        self.found = [self._index_of(i) for i in range(len(items))]
        self.index = frame.first
        self.findings: list[Finding] = []

    def run(self, *, first_only: bool) -> None:
        """Judge item after item; stop at the first finding if the rest has lost its alignment."""
        for at in range(len(self.items)):
            self._judge(at)
            if first_only and self.findings:
                return

    def _judge(self, at: int) -> None:
        due, found = self.index, self.found[at]
        if found == due:
            if not self._content_fits(at, due):
                self._altered(at)
            self.index += 1
        elif found is None or (found < due and found in self.found[:at]):
            # No salt of this frame, or one already seen: added if the item that is due comes next, else changed.
            if at + 1 < len(self.items) and self.found[at + 1] == due:
                self.findings.append(texts.inserted(due, **self.place))
            else:
                self._altered(at)
                self.index += 1
        elif found < due or due in self.found[at + 1 :]:
            self.findings.append(texts.reordered(due, found, **self.place))
            self.index += 1
        else:
            self.findings.append(texts.missing(due, found - due, **self.place))
            self.index = found
            self._judge(at)

    def _altered(self, at: int) -> None:
        item = self.items[at]
        record = item if self.stripped else item[SALT_SIZE:]
        self.findings.append(texts.altered(self.index, record, **self.place))

    def _index_of(self, at: int) -> int | None:
        """Return the index the item itself speaks for, None if there is none."""
        if not self.stripped:
            return self.by_salt.get(self.items[at][:SALT_SIZE])
        near = sorted(range(-_NEAR, _NEAR + 1), key=abs)
        places = [at + away for away in near if 0 <= at + away < len(self.salts)]
        return next((self.first + place for place in places if self._content_fits(at, self.first + place)), None)

    def _content_fits(self, at: int, index: int) -> bool:
        """Say whether the item, taken as entry ``index``, has the 4-byte hash kept for it, by place or by index."""
        item = self.items[at]
        place = index - self.first
        entry = self.salts[place] + item if self.stripped else item
        prefix = hash_leaf(entry)[:PREFIX_SIZE]
        return prefix in (*self.prefixes[at : at + 1], *self.prefixes[place : place + 1])
