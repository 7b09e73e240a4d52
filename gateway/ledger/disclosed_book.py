"""Disclosed entries held once, in the bytes of ``entries.bin``, and looked at one by one: a bundle of 100,000 fits small memory."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from itertools import pairwise
from typing import Final, overload

from gateway.ledger.disclosed import Disclosed
from gateway.ledger.entry import LEAF_PREFIX_SIZE
from gateway.ledger.merkle import hash_leaf

_HEAD_SIZE: Final = 14
_PREFIX_AT: Final = 8
_TOLD_BY: Final = 1_000
"""After so many entries their mean length is known."""


class DisclosedBook(Sequence[tuple[int, bytes]]):
    """A sequence of (index, entry) over ``content``; `disclosed` is the same as a sequence of `Disclosed`."""

    def __init__(self, content: bytes) -> None:
        """Read ``entries.bin`` as far as its entries go; ``whole`` says whether they end where it ends."""
        self.content = content
        self.indexes = array("Q")
        self._stops = array("Q", [0])
        stop, size = 0, len(content)
        while stop + _HEAD_SIZE <= size:
            start = stop
            stop = start + _HEAD_SIZE + int.from_bytes(content[start + 12 : start + _HEAD_SIZE], "big")
            if stop > size:
                break
            self.indexes.append(int.from_bytes(content[start : start + _PREFIX_AT], "big"))
            self._stops.append(stop)
        self.whole = self._stops[-1] == size

    @classmethod
    def of(cls, entries: Iterable[tuple[int, bytes]], count: int = 0) -> DisclosedBook:
        """Return the book of (index, entry) pairs; a book is returned as it is.

        ``count``: how many there will be; with it room is taken once, as the first of them tell, for bytes that grow are
        copied again and again and leave holes in memory.
        """
        if isinstance(entries, DisclosedBook):
            return entries
        out = BytesIO()
        for at, (index, entry) in enumerate(entries):
            if at == _TOLD_BY:
                _make_room(out, out.tell() * count // at)
            prefix = hash_leaf(entry)[:LEAF_PREFIX_SIZE]
            out.write(b"".join((index.to_bytes(8, "big"), prefix, len(entry).to_bytes(2, "big"), entry)))
        out.truncate()
        return cls(out.getvalue())

    @property
    def ascending(self) -> bool:
        """Say whether every index is larger than the one before."""
        return all(a < b for a, b in pairwise(self.indexes))

    def disclosed(self) -> Sequence[Disclosed]:
        """Return the entries with the 4-byte hashes that stand beside them."""
        return _View(self)

    def at(self, place: int) -> Disclosed:
        """Return what stands at a place, 0 the first."""
        start, stop = self._stops[place], self._stops[place + 1]
        prefix = self.content[start + _PREFIX_AT : start + _PREFIX_AT + LEAF_PREFIX_SIZE]
        return Disclosed(self.indexes[place], prefix, self.content[start + _HEAD_SIZE : stop])

    def __len__(self) -> int:
        return len(self.indexes)

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        content, start = self.content, 0
        for index, stop in zip(self.indexes, self._stops[1:], strict=True):
            yield index, content[start + _HEAD_SIZE : stop]
            start = stop

    @overload
    def __getitem__(self, place: int) -> tuple[int, bytes]: ...
    @overload
    def __getitem__(self, place: slice) -> list[tuple[int, bytes]]: ...
    def __getitem__(self, place: int | slice) -> tuple[int, bytes] | list[tuple[int, bytes]]:
        places = range(len(self))[place]
        if isinstance(places, int):
            found = self.at(places)
            return found.index, found.entry
        return [self[one] for one in places]


def _make_room(out: BytesIO, size: int) -> None:
    """Let ``out`` hold ``size`` bytes and a twentieth more, without writing any."""
    here = out.tell()
    out.seek(max(size + size // 20, here))
    out.write(b"\0")
    out.seek(here)


class _View(Sequence[Disclosed]):
    """The entries of a book as `Disclosed`, made when they are looked at."""

    def __init__(self, book: DisclosedBook) -> None:
        self._book = book

    def __len__(self) -> int:
        return len(self._book)

    def __iter__(self) -> Iterator[Disclosed]:
        return map(self._book.at, range(len(self._book)))

    @overload
    def __getitem__(self, place: int) -> Disclosed: ...
    @overload
    def __getitem__(self, place: slice) -> list[Disclosed]: ...
    def __getitem__(self, place: int | slice) -> Disclosed | list[Disclosed]:
        places = range(len(self))[place]
        return self._book.at(places) if isinstance(places, int) else [self._book.at(one) for one in places]
