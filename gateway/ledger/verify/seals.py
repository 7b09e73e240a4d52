"""Seals of a ledger's frames: each by a key that counts for its size; what a key sealed after its end waits for another."""

from __future__ import annotations

from collections.abc import Callable

from gateway.ledger.keys import KeyRing
from gateway.ledger.note import VerifyKey
from gateway.ledger.verify import texts
from gateway.ledger.verify.findings import Finding, amount
from gateway.ledger.verify.heads import open_head


class FrameSeals:
    """Judges seals while the key records are still being read: a later record may end a key for sizes it has sealed.

    ``heads`` takes the sizes of sealed heads, ``fail`` each finding.
    """

    def __init__(self, ring: KeyRing, heads: set[int], fail: Callable[[Finding], None]) -> None:
        self._ring = ring
        self._heads = heads
        self._fail = fail
        self._sealed: dict[tuple[VerifyKey, ...], list[int]] = {}

    def check(self, note: bytes, size: int) -> None:
        """Take the note of the frame that ends at ``size``."""
        head = open_head(note, size, [*self._ring.counting("seal", size), *self._ring.ended_before(size)])
        for finding in head.findings:
            self._fail(finding)
        if head.sealed:
            self._heads.add(size)
            self._sealed.setdefault(head.seals, []).append(size)

    def finish(self) -> Finding | None:
        """Judge what keys sealed after their end; return a note where a later head by a key that counts covers it."""
        late = sorted(
            (size, str(keys[0]))
            for keys, sizes in self._sealed.items()
            for size in sizes
            if size > max(self._ring.end_of(key) for key in keys)
        )
        self._heads.difference_update(size for size, _ in late)
        newest = max(self._heads, default=0)
        for size, key in late:
            if size > newest:
                self._fail(texts.unsealed(size, key))
        covered = [one for one in late if one[0] < newest]
        if not covered:
            return None
        (first, key), (last, _) = covered[0], covered[-1]
        sizes = f"size {first:,}" if first == last else f"sizes {first:,}..{last:,}"
        heads = amount(len(covered), "head")
        return texts.note(f"{heads} at {sizes} only by {key} after its end; the one at {newest:,} holds what they hold")
