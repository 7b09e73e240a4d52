"""G14: what an append costs when the ledger has grown: readings a second at 10⁴, 10⁶ and 10⁷ entries, in turns."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.goal import Row, Spread
from bench.history import SIGNALS, History
from bench.ledger import ORIGIN, open_ledger, plan, policy
from bench.store import index_store, make_store
from gateway.adapters.index import IndexFollower
from gateway.adapters.segment_store.verify_folder import verify_folder

if TYPE_CHECKING:
    from bench.machine import Machine
    from bench.store import Made

SIZES, FEW = (10_000, 1_000_000, 10_000_000), (2_000, 20_000, 70_000)
FLOOR, AIM = 0.9, 0.97
SCANS, FEW_SCANS = 200, 10
TURNS = 7
"""An append of one turn takes a fifth of a second: a disturbance of one must not be the median."""


def run(folder: Path, machine: Machine, *, quick: bool, repeats: int) -> list[Row]:
    """Append the same records to a copy of each store, one after the other in turns; then verify what was appended."""
    del machine
    sizes, scans = (FEW, FEW_SCANS) if quick else (SIZES, SCANS)
    grown = [_Grown(make_store(folder, size), folder / str(size)) for size in sizes]
    for _ in range(repeats if quick else max(repeats, TURNS)):
        for one in grown:
            one.append(scans)
    for one in grown:
        one.close()
    note = (
        f"{scans * SIGNALS:,} readings a turn in commits of a scan, planned, sealed and synced ({{}}); real stores of "
        f"{', '.join(f'{size:,}' for size in sizes)} readings, no 10⁸; the records are encoded before"
    )
    rows: list[Row] = []
    for one in grown[1:]:
        for what, own, small in (
            ("append", one.rates, grown[0].rates),
            ("append and index", one.indexed, grown[0].indexed),
        ):
            ratio = [mine / other for mine, other in zip(own, small, strict=True)]
            rows.append(
                Row(
                    "G14",
                    f"{what} at {one.size:,}",
                    "readings/s",
                    own,
                    ratio,
                    FLOOR,
                    AIM,
                    f"× at {grown[0].size:,}",
                    reference=[Spread.of(small).middle],
                    note=note.format("then followed by the index" if own is one.indexed else "no index"),
                )
            )
    return rows


class _Grown:
    """A copy of a store that grows; packed files are linked, for nothing writes to them."""

    def __init__(self, made: Made, path: Path) -> None:
        index_store(made)
        shutil.copytree(made.path, path, copy_function=_link_packed)
        self.size = made.readings
        self.rates: list[float] = []
        self.indexed: list[float] = []
        self._before = made.entries
        self._scan = made.readings // SIGNALS
        self._path = path
        self._store, self._tree = open_ledger(path / "ledger")
        self._follower = IndexFollower(path / "state" / "index.db", ORIGIN, self._store.reader)
        assert self._follower.open(self._tree.size), "the copied index does not fit"

    def append(self, scans: int) -> None:
        """Append so many scans; the seconds of commits and of the index that follows are counted apart."""
        pools = list(History(scans, first=self._scan).pools())
        self._scan += scans
        commits = index = 0.0
        for pool in pools:
            began = time.perf_counter()
            made = plan(self._tree, pool)
            self._store.commit(made.frames)
            commits += time.perf_counter() - began
            self._tree = made.head
        began = time.perf_counter()
        self._follower.follow(self._tree.size)
        index = time.perf_counter() - began
        self.rates.append(scans * SIGNALS / commits)
        self.indexed.append(scans * SIGNALS / (commits + index))

    def close(self) -> None:
        """Close the store; another way than the one that was timed says that the readings are there."""
        self._follower.close()
        self._store.close()
        result = verify_folder(self._path / "ledger", policy=policy(), first=self._before)
        assert result.exit_code == 0, result.last_line
        assert result.size == self._tree.size
        shutil.rmtree(self._path)


def _link_packed(source: str, target: str) -> None:
    if source.endswith(".zst"):
        os.link(source, target)
    else:
        shutil.copyfile(source, target)
        Path(target).chmod(Path(source).stat().st_mode & 0o777)
