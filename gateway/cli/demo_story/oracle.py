"""The oracle: every value the freezer ever measured, held against what stands in the ledger. Pure.

The freezer keeps its own log of source times and values; nothing of the gateway's is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from gateway.ledger.records import Reading


class Written(NamedTuple):
    """One value as the freezer wrote it: source time, ns since 1970, and value."""

    source_ns: int
    value: float


class Verdict(NamedTuple):
    """Values lost, recorded twice, and recorded otherwise than written; readings that came by Republish or history."""

    lost: int
    doubled: int
    wrong: int
    republished: int
    historical: int

    @property
    def clean(self) -> bool:
        """Tell whether each value stands in the ledger once, as written."""
        return not (self.lost or self.doubled or self.wrong)


def judge(written: Iterable[Written], readings: Iterable[Reading], first_ns: int, last_ns: int) -> Verdict:
    """Compare the values written in ``[first_ns, last_ns]`` with the readings of that signal by source time."""
    expected = {one.source_ns: one.value for one in written if first_ns <= one.source_ns <= last_ns}
    inside = [(r.source_ns, r) for r in readings if isinstance(r.source_ns, int) and first_ns <= r.source_ns <= last_ns]
    counted = Counter(at for at, _ in inside)
    return Verdict(
        lost=sum(1 for at in expected if at not in counted),
        doubled=sum(count - 1 for count in counted.values()),
        wrong=sum(1 for at, reading in inside if at not in expected or expected[at] != reading.value),
        republished=sum(1 for _, reading in inside if reading.provenance == "republished"),
        historical=sum(1 for _, reading in inside if reading.provenance == "historical"),
    )
