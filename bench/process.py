"""Process: run a command as a person would, and watch the resident memory of it and of all that it starts."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

_EVERY_S = 0.02


class Done(NamedTuple):
    """What a command printed, the seconds it took, the largest sum of resident memory, MiB, and its processor time."""

    output: str
    seconds: float
    peak_mib: float
    cpu_s: float


def watch(command: Sequence[str | Path], *, expected: int = 0) -> Done:
    """Run a command to its end; its children's memory is added to its own, pages that they share counted each time."""
    began = time.perf_counter()
    process = subprocess.Popen([str(word) for word in command], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    peak = 0
    ticks: dict[int, int] = {}
    while process.poll() is None:
        family = _family(process.pid)
        peak = max(peak, sum(map(_resident_kib, family)))
        ticks |= {pid: used for pid in family if (used := _ticks(pid))}
        time.sleep(_EVERY_S)
    seconds = time.perf_counter() - began
    assert process.stdout is not None
    output = process.stdout.read()
    assert process.returncode == expected, output
    return Done(output, seconds, peak / 1024, sum(ticks.values()) / os.sysconf("SC_CLK_TCK"))


def _family(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    found, at = [pid], 0
    while at < len(found):
        try:
            for task in Path(f"/proc/{found[at]}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            pass  # it has ended
        at += 1
    return found


def _resident_kib(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    _, _, rest = status.partition("VmRSS:")
    return int(rest.split()[0]) if rest else 0


def _ticks(pid: int) -> int:
    """Return the processor time of a process so far: what a busy machine changes least."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])
