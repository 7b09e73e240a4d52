"""G14: what an append costs when the ledger has grown: readings a second at 10⁴, 10⁶, 10⁷ and 10⁸ entries, in turns."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.goal import Row, Spread
from bench.history import SIGNALS, History
from bench.ledger import ORIGIN, open_ledger, plan, policy
from bench.pruned import make_pruned
from bench.store import index_store, make_store
from gateway.adapters.index import IndexFollower
from gateway.adapters.segment_store.verify_folder import verify_folder
from gateway.ledger.segment import segment_of

if TYPE_CHECKING:
    from bench.machine import Machine
    from bench.store import Made

SIZES, FEW = (10_000, 1_000_000, 10_000_000), (2_000, 20_000, 70_000)
FLOOR, AIM = 0.9, 0.97
PRUNED, FEW_PRUNED = 100_000_000, 300_000
SCANS, FEW_SCANS = 200, 10
CPU = "readings a second of the processor: what the disk and others on the machine do not change"
TURNS = 7
"""An append of one turn takes a fifth of a second: a disturbance of one must not be the median."""


def run(folder: Path, machine: Machine, *, quick: bool, repeats: int) -> list[Row]:
    """Append the same records to a copy of each store, one after the other in turns; then verify what was appended."""
    del machine
    sizes, scans = (FEW, FEW_SCANS) if quick else (SIZES, SCANS)
    grown = [_copied(make_store(folder, size), folder / str(size)) for size in sizes]
    grown.append(_pruned(folder / "pruned", FEW_PRUNED if quick else PRUNED))
    for turn in range(repeats if quick else max(repeats, TURNS)):
        for one in grown if turn % 2 else reversed(grown):
            one.append(scans)
    for one in grown:
        one.close()
    note = (
        f"{scans * SIGNALS:,} readings a turn in commits of a scan, planned, sealed, synced; their records are encoded before; "
        f"stores of {', '.join(f'{size:,}' for size in sizes)} readings"
    )
    return [row for one in grown[1:] for row in one.rows(grown[0], note)]


def _copied(made: Made, path: Path) -> _Grown:
    """Return a copy of a store and its index; packed files are linked, for nothing writes to them."""
    index_store(made)
    shutil.copytree(made.path, path, copy_function=_link_packed)
    return _Grown(path, made.readings, made.readings // SIGNALS, made.entries, indexed=True)


def _pruned(path: Path, size: int) -> _Grown:
    """Return a ledger of so many entries whose older ones are pruned."""
    scan = size // SIGNALS
    make_pruned(path / "ledger", size, next(History(1, first=scan).pools()))
    return _Grown(path, size, scan + 1, segment_of(size), indexed=False)


class _Grown:
    """A ledger that grows, with what it took: readings a second, and a second of the processor, without and with the index."""

    def __init__(self, path: Path, size: int, scan: int, before: int, *, indexed: bool) -> None:
        self.size = size
        self.rates: list[float] = []
        self.cpu: list[float] = []
        self.with_index: list[float] = []
        self._path = path
        self._scan = scan
        self._before = before
        self._store, self._tree = open_ledger(path / "ledger")
        self._follower = IndexFollower(path / "state" / "index.db", ORIGIN, self._store.reader) if indexed else None
        if self._follower is not None:
            assert self._follower.open(self._tree.size), "the copied index does not fit"

    def append(self, scans: int) -> None:
        """Append so many scans; seconds, and seconds of the processor with and without the index that follows."""
        pools = list(History(scans, first=self._scan).pools())
        self._scan += scans
        began, cpu = time.perf_counter(), time.process_time()
        for pool in pools:
            made = plan(self._tree, pool)
            self._store.commit(made.frames)
            self._tree = made.head
        self.rates.append(scans * SIGNALS / (time.perf_counter() - began))
        self.cpu.append(scans * SIGNALS / (time.process_time() - cpu))
        if self._follower is not None:
            self._follower.follow(self._tree.size)
            self.with_index.append(scans * SIGNALS / (time.process_time() - cpu))

    def close(self) -> None:
        """Close the store; another way than the one that was timed says that the readings are there."""
        if self._follower is not None:
            self._follower.close()
        self._store.close()
        result = verify_folder(self._path / "ledger", policy=policy(), first=self._before)
        assert result.exit_code == 0, result.last_line
        assert result.size == self._tree.size
        shutil.rmtree(self._path)

    def rows(self, small: _Grown, note: str) -> list[Row]:
        """Return the rows of this ledger against a small one."""
        more = "" if self._follower is not None else "; a pruned ledger: tiles of all, the newest segment's entries"
        rows = [
            self._row(f"append at {self.size:,}", self.rates, small, small.rates, note + more),
            self._row(f"append at {self.size:,}, CPU", self.cpu, small, small.cpu, CPU),
        ]
        if self.with_index:
            rows.append(self._row(f"and index at {self.size:,}, CPU", self.with_index, small, small.with_index, CPU))
        return rows

    def _row(self, what: str, own: list[float], small: _Grown, reference: list[float], note: str) -> Row:
        ratio = [mine / other for mine, other in zip(own, reference, strict=True)]
        unit = f"× at {small.size:,}"
        middle = [Spread.of(reference).middle]
        return Row("G14", what, "readings/s", own, ratio, FLOOR, AIM, unit, reference=middle, note=note)


def _link_packed(source: str, target: str) -> None:
    if source.endswith(".zst"):
        os.link(source, target)
    else:
        shutil.copyfile(source, target)
        Path(target).chmod(Path(source).stat().st_mode & 0o777)
