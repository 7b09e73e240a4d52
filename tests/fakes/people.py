"""Names of people in memory (port `People`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import Refused
from gateway.ledger.names import NAME_BYTES_MAX, SALT_BYTES, Opening, make_opening
from gateway.ports import Person

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class MemoryPeople:
    """What the real one does, without a file; its salts are counted, not random."""

    def __init__(self) -> None:
        self._rows: list[Person] = []
        self._openings: dict[str, Opening] = {}

    def add(self, text: str, at_ns: int, *, person: str | None = None, above: int = 0) -> Person:
        if not text.strip() or len(text.encode()) > NAME_BYTES_MAX or not text.isprintable():
            raise Refused("no name", code="ACC-011")
        if person is not None and not any(row.person == person and row.text is not None for row in self._rows):
            raise Refused("no account", code="ACC-010")
        opening = make_opening(text, len(self._rows).to_bytes(SALT_BYTES))
        reference = person or f"P-{1 + max(above, self.last()):06d}"
        row = Person(person=reference, name=opening.name, text=opening.text, added_ns=at_ns)
        self._rows.append(row)
        self._openings[opening.name] = opening
        return row

    def openings(self, names: Iterable[str]) -> Sequence[Opening]:
        return [self._openings[name] for name in sorted(set(names)) if name in self._openings]

    def find(self, name: str) -> Person | None:
        return next((row for row in self._rows if row.name == name), None)

    def newest(self, person: str) -> Person | None:
        return next((row for row in reversed(self._rows) if row.person == person), None)

    def all(self) -> Sequence[Person]:
        return sorted(self._rows, key=lambda row: row.person)

    def last(self) -> int:
        return max((int(row.person[2:]) for row in self._rows), default=0)

    def erase(self, person: str, at_ns: int) -> int:
        found = [row for row in self._rows if row.person == person]
        if not found:
            raise Refused("no account", code="ACC-010")
        count = sum(row.text is not None for row in found)
        self._rows = [
            row
            if row.person != person or row.text is None
            else Person(person=person, name=row.name, text=None, added_ns=row.added_ns, erased_ns=at_ns)
            for row in self._rows
        ]
        for row in found:
            self._openings.pop(row.name, None)
        return count
