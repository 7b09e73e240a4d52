"""G6: group commit of sealed frames, against a plain write and fdatasync of the same bytes to a plain file."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from bench.goal import Row
from bench.ledger import PER_COMMIT, make_readings, open_ledger, plan, verified_readings
from gateway.ledger.records import format_record

if TYPE_CHECKING:
    from pathlib import Path

    from bench.machine import Machine
    from gateway.ledger.commit import CommitPlan

FLOOR, AIM = 0.5, 0.8


def run(folder: Path, machine: Machine, *, quick: bool, repeats: int) -> list[Row]:
    """Commit frames that were planned before the clock starts, and write their bytes to a plain file in turns."""
    del machine
    count = (5 if quick else 200) * PER_COMMIT
    measured: list[float] = []
    reference: list[float] = []
    for number in range(repeats):
        own, plain = _commit(folder / f"ledger-{number}", folder / f"plain-{number}", count)
        measured.append(count / own)
        reference.append(count / plain)
    ratio = [own / plain for own, plain in zip(measured, reference, strict=True)]
    note = f"{count // PER_COMMIT} commits of {PER_COMMIT:,} readings, in turns with the plain file"
    return [Row("G6", "group commit", "rows/s", measured, ratio, FLOOR, AIM, reference=reference, note=note)]


def _commit(path: Path, plain: Path, count: int) -> tuple[float, float]:
    """Return the seconds of both; they take turns, so that a slow moment of the disk meets both."""
    readings = [format_record(reading) for reading in make_readings(count)]
    store, tree = open_ledger(path)
    plans: list[CommitPlan] = []
    for first in range(0, count, PER_COMMIT):
        plans.append(plan(tree, readings[first : first + PER_COMMIT]))
        tree = plans[-1].head
    own = other = 0.0
    handle = os.open(plain, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for made in plans:
        began = time.perf_counter()
        store.commit(made.frames)
        between = time.perf_counter()
        os.write(handle, b"".join(frame.content for frame in made.frames))
        os.fdatasync(handle)
        own, other = own + between - began, other + time.perf_counter() - between
    os.close(handle)
    store.close()
    assert verified_readings(path) == count
    return own, other
