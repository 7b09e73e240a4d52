"""Pool: the leaves that wait for a commit, with those who wait for them. Records of one append stay in one frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.ledger.records import Record, format_records
from gateway.ports import Outcome

Settle = Callable[[Outcome], None]


@dataclass(slots=True)
class Pool:
    """Records and their JSON bytes from index ``first`` on, in the order of their indexes."""

    first: int
    opened_ns: int
    records: list[Record] = field(default_factory=list[Record])
    contents: list[bytes] = field(default_factory=list[bytes])
    settles: list[Settle] = field(default_factory=list[Settle])
    side_objects: list[bytes] = field(default_factory=list[bytes])

    def add(self, records: Sequence[Record], settle: Settle | None, side_objects: Sequence[bytes]) -> int:
        """Take records whole or not at all; return the index of the first."""
        contents = format_records(records)
        index = self.first + len(self.contents)
        self.records.extend(records)
        self.contents.extend(contents)
        if settle is not None:
            self.settles.append(settle)
        self.side_objects.extend(side_objects)
        return index

    @property
    def next_index(self) -> int:
        """The index after the last leaf."""
        return self.first + len(self.contents)
