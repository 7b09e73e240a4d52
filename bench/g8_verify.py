"""G8: `gateway verify` of a packed ledger with its signatures, against `openssl dgst -sha256` of the same bytes."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

from bench.goal import Row
from bench.process import watch
from bench.store import make_store
from gateway.adapters.segment_store.layout import Layout
from gateway.adapters.segment_store.unpacked import read_pieces

if TYPE_CHECKING:
    from pathlib import Path

    from bench.machine import Machine
    from bench.store import Made

READINGS, FEW = 10_000_000, 70_000
FLOOR_S, AIM_S = 30.0, 12.0
MEMORY_FLOOR_MIB, MEMORY_AIM_MIB = 300.0, 200.0
SAMPLE_FILES = 20


def run(folder: Path, machine: Machine, *, quick: bool, repeats: int) -> list[Row]:
    """Verify the store by the command; hash the unpacked bytes of some of its files by openssl in each repeat."""
    store = make_store(folder, FEW if quick else READINGS)
    seconds: list[float] = []
    memory: list[float] = []
    reference: list[float] = []
    cpu: list[float] = []
    share, sample = _sample(store, folder / "sample")
    for _ in range(repeats):
        done = watch([sys.executable, "-m", "gateway", "verify", store.ledger, "--quiet"])
        assert done.output.startswith(f"VERIFIED  {store.entries:,} records"), done.output
        seconds.append(done.seconds)
        memory.append(done.peak_mib)
        cpu.append(done.cpu_s)
        reference.append(_openssl_seconds(sample) / share)
    note = (
        f"{store.readings:,} readings in {store.entries:,} records, packed, {machine.cores} cores, {min(cpu):.1f} CPU seconds; "
        f"signatures of each file's last frame; reference: openssl dgst -sha256 of {share:.0%} of the unpacked bytes, scaled"
    )
    return [
        Row(
            "G8", "gateway verify", "s", seconds, seconds, FLOOR_S, AIM_S, "s",
            reference=reference, more_is_better=False, note=note,
        ),
        Row(
            "G8", "verify, peak memory", "MiB", memory, memory, MEMORY_FLOOR_MIB, MEMORY_AIM_MIB, "MiB",
            more_is_better=False, note="resident memory of all its processes together",
        ),
    ]  # fmt: skip


def _sample(store: Made, path: Path) -> tuple[float, Path]:
    """Write the unpacked bytes of the first files; return their share of all entries, and where they lie."""
    layout = Layout(store.ledger)
    names = layout.segments()
    taken = names[: min(SAMPLE_FILES, len(names) - 1)]
    with path.open("wb") as out:
        for name in taken:
            out.writelines(read_pieces(layout.segment(name), packed=name.packed))
    return names[len(taken)].first / store.entries, path


def _openssl_seconds(path: Path) -> float:
    began = time.perf_counter()
    subprocess.run(["openssl", "dgst", "-sha256", str(path)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began
