"""Stamped heads: which time stamps a bundle carries, and at which of them it ends (`ledger.md` 5, bundle)."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import merge
from typing import Protocol

from msgspec import Struct

from gateway.ledger.bundle import StampedHead
from gateway.ledger.disclosed import is_reading
from gateway.ledger.disclosed_book import DisclosedBook
from gateway.ledger.entry import SALT_SIZE


class RecordedStamp(Struct, frozen=True, kw_only=True):
    """A frozen note with its time stamp, the index and entry of the record that names it, the authority's certificates.

    ``lists``: the authority's revocation lists of that time, PEM; empty if there were none.
    """

    index: int
    entry: bytes
    head: StampedHead
    authority: bytes
    lists: bytes = b""


class StampBook(Protocol):
    """The time stamps of the ledger. Blocking; answers by records below ``size`` alone, so that it answers twice alike."""

    def around(self, first: int, last: int, size: int) -> Sequence[RecordedStamp]:
        """Return, by size: the newest one recorded below ``first``, those between, the oldest one over more than ``last``."""
        ...


class BundleEnd(Struct, frozen=True, kw_only=True):
    """Where a bundle ends and what it carries: entries, size, note, its token, frozen notes inside, certificates, lists."""

    entries: Sequence[tuple[int, bytes]]
    size: int
    note: bytes
    token: bytes | None = None
    brackets: tuple[StampedHead, ...] = ()
    authority: bytes | None = None
    lists: bytes = b""


def span_of(entries: Sequence[tuple[int, bytes]]) -> tuple[int, int] | None:
    """Return the first and last index of the readings; of all entries where there is no reading, None where there are none."""
    found = [index for index, entry in entries if is_reading(entry[SALT_SIZE:])] or [index for index, _ in entries]
    return (found[0], found[-1]) if found else None


def end_bundle(
    entries: Sequence[tuple[int, bytes]], size: int, note: bytes, stamps: Sequence[RecordedStamp], *, only_note: bool
) -> BundleEnd:
    """Return how a bundle of these entries ends.

    It ends at the oldest stamped size over all of them, if there is one, else at ``size`` with ``note``; ``only_note``: the
    note has what frozen ones lack (a quorum) and stays. The record of the newest stamp below the readings is disclosed: it
    shows what they came after.
    """
    span = span_of(entries)
    if span is None or not stamps:
        return BundleEnd(entries=entries, size=size, note=note)
    below = {one.index: one.entry for one in stamps if one.index < span[0]}
    known = {index for index, _ in entries}
    below = {index: entry for index, entry in below.items() if index not in known}
    shown = DisclosedBook.of(merge(sorted(below.items()), entries)) if below else entries
    over = [one.head for one in stamps if shown[-1][0] < one.head.size <= size]
    stamped = next((one for one in over if one.size == size and one.note == note), None)
    if over and not only_note:
        stamped = over[0]
        size, note = stamped.size, stamped.note
    return BundleEnd(
        entries=shown,
        size=size,
        note=note,
        token=None if stamped is None else stamped.token,
        brackets=tuple(one.head for one in stamps if one.head.size < size),
        authority=b"".join(dict.fromkeys(one.authority for one in stamps)),
        lists=b"".join(dict.fromkeys(one.lists for one in stamps)),
    )
