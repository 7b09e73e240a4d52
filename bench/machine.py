"""Machine: what this run has to work with: cores, hashes a CPU second (B), the disk's fdatasync; sampled in the same run."""

from __future__ import annotations

import hashlib
import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

from bench.goal import quantile

HASHES = 200_000
SYNCS = 200
SYNC_BYTES = 4096


@dataclass(frozen=True)
class Machine:
    """The figures that ratios are taken against. Seconds and counts a CPU second."""

    cores: int
    processor: str
    load: float
    hashes_s: float
    fdatasync_p50_s: float
    fdatasync_p99_s: float


def measure_machine(folder: Path, *, quick: bool) -> Machine:
    """Return the machine as it is now; the disk is the one that holds ``folder``."""
    syncs = sync_times(folder, SYNCS // 4 if quick else SYNCS)
    return Machine(
        cores=os.cpu_count() or 1,
        processor=platform.processor() or platform.machine(),
        load=os.getloadavg()[0],
        hashes_s=max(hashes_a_second(HASHES // 10 if quick else HASHES) for _ in range(3)),
        fdatasync_p50_s=quantile(syncs, 0.5),
        fdatasync_p99_s=quantile(syncs, 0.99),
    )


def hashes_a_second(count: int = HASHES) -> float:
    """Return B: `sha256(100 bytes).digest()` calls per CPU second in a Python loop."""
    content, sha256 = bytes(100), hashlib.sha256
    began = time.process_time()
    for _ in range(count):
        sha256(content).digest()
    return count / (time.process_time() - began)


def sync_times(folder: Path, count: int = SYNCS) -> list[float]:
    """Return the seconds of each write of 4 KiB with its fdatasync, appended to a new file in ``folder``."""
    path, content, times = folder / "fdatasync", bytes(SYNC_BYTES), []
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        for _ in range(count):
            os.write(handle, content)
            began = time.perf_counter()
            os.fdatasync(handle)
            times.append(time.perf_counter() - began)
    finally:
        os.close(handle)
        path.unlink()
    return times
