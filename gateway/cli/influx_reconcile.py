"""Reconciling a projection: readings of the ledger against those the target says it holds, by signal and day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from gateway.cli.progress import progress_bar
from gateway.ledger.records import Reading, parse_record
from gateway.pipeline.reading_views import view_of

if TYPE_CHECKING:
    from gateway.adapters.influx_counts import Counts

SHOWN: Final = 20
STEP: Final = 5_000


class Difference(NamedTuple):
    """A signal's day on which both sides do not have the same count."""

    signal: str
    day: str
    ledger: int
    influxdb: int


class Reconciled(NamedTuple):
    """Both sides in all, and where they differ."""

    sink: str
    ledger: int
    influxdb: int
    differences: tuple[Difference, ...]

    def lines(self) -> list[str]:
        """Return what people read."""
        said = [f"{self.sink}  ledger {self.ledger:,}, InfluxDB {self.influxdb:,}"]
        said += [
            f"  {d.day}  {d.signal}  ledger {d.ledger:,}, InfluxDB {d.influxdb:,}" for d in self.differences[:SHOWN]
        ]
        if len(self.differences) > SHOWN:
            said.append(f"  and {len(self.differences) - SHOWN:,} more days")
        if self.differences:
            said.append(f"  fix: gateway influx replay {self.sink}")
        return said

    def document(self) -> dict[str, Any]:
        """Return the object of `--json`."""
        return {
            "ledger": self.ledger,
            "influxdb": self.influxdb,
            "differences": [one._asdict() for one in self.differences],
        }


class Projected(NamedTuple):
    """The readings of a ledger folder below an index, by signal and day, and the times they span, ns."""

    counts: Counts
    from_ns: int
    to_ns: int


def count_ledger(ledger: Path, stop: int) -> Projected:
    """Count the readings below ``stop``, as the projection sees them."""
    from gateway.adapters.segment_store.folder import LedgerFolder

    counts: Counter[tuple[str, str]] = Counter()
    first, last = None, 0
    with progress_bar("entries counted") as progress:
        for index, _, content in LedgerFolder(ledger).reader.read(0, stop):
            record = parse_record(content)
            if isinstance(record, Reading):
                te_ns = view_of(index, record).te_ns
                counts[record.signal, _day(te_ns)] += 1
                first, last = te_ns if first is None else min(first, te_ns), max(last, te_ns)
            if index % STEP == 0:
                progress(index + 1, stop)
    return Projected(dict(counts), 0 if first is None else first, last + 1)


def reconcile(sink: str, before: Counts, after: Counts, held: Counts) -> Reconciled:
    """Compare; ``before`` and ``after`` are the ledger's counts at the cursor before and after the target was asked.

    A target that is being written to has a count between the two.
    """
    found = [
        Difference(signal, day, after.get((signal, day), 0), held.get((signal, day), 0))
        for signal, day in sorted({*after, *held})
        if not before.get((signal, day), 0) <= held.get((signal, day), 0) <= after.get((signal, day), 0)
    ]
    return Reconciled(sink, _sum(after.values()), _sum(held.values()), tuple(found))


def _sum(counts: Iterable[int]) -> int:
    return sum(counts)


def _day(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d")
