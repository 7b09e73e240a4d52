"""G5: the ledger's append alone: encode, salt, hash, tree, seal, fdatasync, against plain hashing of the same machine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench.goal import Row
from bench.ledger import PER_COMMIT, make_readings, open_ledger, plan, verified_readings
from bench.machine import hashes_a_second
from gateway.ledger.records import format_record

if TYPE_CHECKING:
    from pathlib import Path

    from bench.machine import Machine

FLOOR, AIM = 0.10, 0.25


def run(folder: Path, machine: Machine, *, quick: bool, repeats: int) -> list[Row]:
    """Append readings in commits of a thousand; B is sampled before each repeat."""
    del machine
    count = (5 if quick else 200) * PER_COMMIT
    measured: list[float] = []
    reference: list[float] = []
    for number in range(repeats):
        reference.append(hashes_a_second())
        measured.append(_append(folder / f"ledger-{number}", count))
    ratio = [own / plain for own, plain in zip(measured, reference, strict=True)]
    note = f"{count:,} readings in commits of {PER_COMMIT:,}, one thread; reference: B in this run"
    return [Row("G5", "append", "readings/s", measured, ratio, FLOOR, AIM, "× B", reference=reference, note=note)]


def _append(path: Path, count: int) -> float:
    readings = make_readings(count)
    store, tree = open_ledger(path)
    began = time.perf_counter()
    for first in range(0, count, PER_COMMIT):
        made = plan(tree, [format_record(reading) for reading in readings[first : first + PER_COMMIT]])
        store.commit(made.frames)
        tree = made.head
    seconds = time.perf_counter() - began
    store.close()
    assert verified_readings(path) == count
    return count / seconds
