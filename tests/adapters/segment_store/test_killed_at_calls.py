"""A real process, killed by the kernel on entering its k-th call of every kind, and at a thousand random moments (`ledger.md` 9)."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.adapters.segment_store.verify_folder import verify_folder
from tests.adapters.segment_store.test_killed import POLICY, check_told
from tests.adapters.segment_store.told import check_told as check_publication
from tests.counterparts.missing import need
from tests.paths import ROOT

CALLS = (
    "openat",
    "pwrite64",
    "write",
    "fdatasync",
    "fsync",
    "rename",
    "unlink",
    "ftruncate",
    "fallocate",
    "fchmod",
    "mkdir",
)
LINE = re.compile(r"^\d+\s+(\w+)\((.*)")
HERE = Path(__file__).parent
ENV = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}


def traced(folder: Path, *words: str) -> list[str]:
    """Run the publication under strace; return what it said in whole lines."""
    script = [sys.executable, str(HERE / "publication.py"), str(folder / "ledger")]
    command = [need("strace"), "-f", "-qq", "-o", str(folder / "trace"), *words, *script]
    done = subprocess.run(command, capture_output=True, text=True, env=ENV, check=False, timeout=60)
    return [line for line in done.stdout.splitlines(keepends=True) if line.endswith("\n")]


def places(folder: Path) -> list[tuple[str, int]]:
    """Which calls of which number touch the ledger: all but the opening of files elsewhere."""
    told = traced(folder, "-e", f"trace={','.join(CALLS)}")
    assert len(told) > 15
    found, counts = [], dict.fromkeys(CALLS, 0)
    for line in (folder / "trace").read_text().splitlines():
        match = LINE.match(line)
        if match is None:
            continue
        call = match[1]
        counts[call] += 1
        if call != "openat" or str(folder) in match[2]:
            found.append((call, counts[call]))
    return found


STEPS = [pytest.param(13, id="every_13th"), pytest.param(1, id="every_one", marks=pytest.mark.fault)]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("step", STEPS)
def test_di_19_killed_on_entering_any_call_nothing_said_is_untrue(tmp_path, step):
    sound = tmp_path / "sound"
    sound.mkdir()
    killed = places(sound)[::step]
    assert len(killed) > 100 // step
    for call, nth in killed:
        folder = tmp_path / f"{call}.{nth}"
        folder.mkdir()
        told = traced(folder, "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={nth}")
        assert "+++ killed by SIGKILL +++" in (folder / "trace").read_text(), f"{call} {nth} was not reached"
        check_publication(folder / "ledger", told)
        shutil.rmtree(folder)


@pytest.mark.fault
@pytest.mark.timeout(300)
def test_di_19_killed_at_a_thousand_random_moments_nothing_acknowledged_is_missing(tmp_path):
    """A new ledger every 25th time, so that starts of all kinds are among them; every state is verified with all seals."""
    chance = random.Random(19)
    command = [sys.executable, str(HERE / "nursery.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENV) as nursery:
        for number in range(1000):
            folder, said = tmp_path / str(number // 25), tmp_path / f"{number // 25}.told"
            nursery.stdin.write(f"{folder} {said}\n")
            nursery.stdin.flush()
            pid = int(nursery.stdout.readline())
            time.sleep(chance.uniform(0.0, 0.03))
            os.kill(pid, signal.SIGKILL)
            assert nursery.stdout.readline() == "dead\n"
            told = said.read_text().splitlines(keepends=True) if said.exists() else []
            told = [line for line in told if line.endswith("\n")]
            if not folder.exists() or not (folder / "seg").is_dir():
                continue
            result = verify_folder(folder, policy=POLICY, all_seals=True)
            assert result.exit_code == 0, result.last_line
            assert result.size >= max((int(line.split()[1]) for line in told), default=0)
            check_told(folder, told if number % 25 == 24 else told[-5:])
        nursery.stdin.close()
