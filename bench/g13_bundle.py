"""G13: the bundle of a batch of 100,000 readings out of a large store, and the other questions an inspection waits for."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

from bench.goal import Row, quantile
from bench.history import PER_SERVER, History
from bench.process import watch
from bench.store import index_store, make_store
from gateway.adapters.index import IndexQuery
from gateway.adapters.segment_store.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path

    from bench.machine import Machine
    from bench.store import Made

READINGS, FEW = 10_000_000, 70_000
FLOOR_S, AIM_S = 10.0, 3.0
MEMORY_FLOOR_MIB, MEMORY_AIM_MIB = 200.0, 150.0
RECORD_FLOOR_MS, RECORD_AIM_MS = 20.0, 5.0
RANGE_FLOOR_S, RANGE_AIM_S = 0.3, 0.15
RANGE_READINGS = 10_000
RECORDS = 50


def run(folder: Path, machine: Machine, *, quick: bool, repeats: int) -> list[Row]:
    """Build the bundle in a process of its own; `gateway verify` of the zip is the witness. Then ask the index."""
    del machine
    store = make_store(folder, FEW if quick else READINGS)
    index_store(store)
    count = PER_SERVER * ((store.batch_ns[1] - store.batch_ns[0]) // 1_000_000_000)
    seconds: list[float] = []
    memory: list[float] = []
    cpu: list[float] = []
    size = 0
    for _ in range(repeats):
        words = [store.ledger, folder, *store.batch_ns]
        told = json.loads(watch([sys.executable, "-m", "bench.build_bundle", *map(str, words)]).output)
        seconds.append(told["seconds"])
        memory.append(told["peak_mib"])
        cpu.append(told["cpu_s"])
        size = told["bytes"]
    verified = watch([sys.executable, "-m", "gateway", "verify", folder / "bundle.zip", "--quiet"]).output
    assert int(verified.split()[1].replace(",", "")) >= count, verified
    note = (
        f"{count:,} readings of {PER_SERVER} signals, between those of {len(History(0).ids) - PER_SERVER} others, out of "
        f"{store.readings:,} packed ones (a store of 100 M: --keep DIR with a store-100000000 in it); zip {size / 1e6:.1f} MB, "
        f"verified before it is packed; {min(cpu):.1f} CPU seconds"
    )
    return [
        Row(
            "G13", "batch bundle", "s", seconds, seconds, FLOOR_S, AIM_S, "s", more_is_better=False, note=note,
        ),
        Row(
            "G13", "bundle, peak memory", "MiB", memory, memory, MEMORY_FLOOR_MIB, MEMORY_AIM_MIB, "MiB",
            more_is_better=False, note="whole process, its modules and the open store included",
        ),
        *_questions(store, repeats),
    ]  # fmt: skip


def _questions(store: Made, repeats: int) -> list[Row]:
    """Ask for single records all over the store, and for a run of readings of one signal."""
    query = IndexQuery(store.database, Layout(store.ledger))
    signal = History(0).ids[0]
    count = min(RANGE_READINGS, store.readings // len(History(0).ids) - 10)
    records: list[float] = []
    ranges: list[float] = []
    for number in range(repeats):
        took: list[float] = []
        for place in range(RECORDS):
            began = time.perf_counter()
            assert query.record((place * 7_919 + number) * store.entries // (RECORDS * 7_919 + repeats), store.entries)
            took.append((time.perf_counter() - began) * 1e3)
        records.append(quantile(took, 0.5))
        began = time.perf_counter()
        found = query.readings(signal, 0, 1 << 62, store.entries, limit=count)
        ranges.append(time.perf_counter() - began)
        assert len(found) == count
    query.close()
    return [
        Row(
            "G13", "record by index", "ms", records, records, RECORD_FLOOR_MS, RECORD_AIM_MS, "ms",
            more_is_better=False, note=f"median of {RECORDS} records all over the packed store",
        ),
        Row(
            "G13", f"{count:,} readings of a signal", "s", ranges, ranges, RANGE_FLOOR_S, RANGE_AIM_S, "s",
            more_is_better=False, note="from packed segments, in each of which 400 signals take turns",
        ),
    ]  # fmt: skip
