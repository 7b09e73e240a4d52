"""kill -9 at random times on a real process and a real disk: what was said stays true (DI-19)."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.adapters.segment_store import SegmentStore
from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.adapters.segment_store.verify_folder import verify_folder
from gateway.errors import DiskFull
from gateway.ledger.policy import Policy
from tests.fakes.clock import StillClock
from tests.fakes.log import ORIGIN, SEALER, plan, reading
from tests.paths import ROOT

POLICY = Policy((SEALER.key,))


def run_and_kill(folder: Path, after_s: float) -> list[str]:
    """Start the appender, kill it ``after_s`` after its first word; return what it said."""
    command = [sys.executable, str(Path(__file__).with_name("appender.py")), str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        first = process.stdout.readline()
        time.sleep(after_s)
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate()
    return [line for line in (first + rest).splitlines(keepends=True) if line.endswith("\n")]


def check_told(folder: Path, told: list[str]) -> None:
    reader = LedgerFolder(folder)
    for line in told:
        word, size, *root = line.split()
        if word in {"ack", "pub"}:
            head = reader.head(int(size) - 1)
            assert head is not None
            assert (head.checkpoint.size, head.checkpoint.root.hex()) == (int(size), root[0])
    pub = [int(line.split()[1]) for line in told if line.startswith("pub")]
    if pub:
        published = reader.published()
        assert published is not None
        assert published.checkpoint.size >= pub[-1]


def kill_and_check(folder: Path, rounds: int, seed: int) -> None:
    chance = random.Random(seed)
    told: list[str] = []
    for _ in range(rounds):
        said = run_and_kill(folder, chance.uniform(0.0, 0.12))
        told += said
        acknowledged = max((int(line.split()[1]) for line in told), default=0)
        result = verify_folder(folder, policy=POLICY, all_seals=True)
        assert result.exit_code == 0, result.last_line
        assert result.size >= acknowledged
        check_told(folder, [*told[-40:]])
    check_told(folder, told)


def test_di_19_killed_three_times_nothing_acknowledged_is_missing(tmp_path):
    kill_and_check(tmp_path / "ledger", rounds=3, seed=1)


@pytest.mark.fault
def test_di_19_killed_often_nothing_acknowledged_is_missing(tmp_path):
    kill_and_check(tmp_path / "ledger", rounds=25, seed=2)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MiB; needs root."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    point = tmp_path / "small"
    point.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(point)], check=False)
    if mounted.returncode:
        pytest.skip("this machine does not let us mount a small file system")
    yield point
    subprocess.run(["umount", "-l", str(point)], check=True)


@pytest.mark.fault
def test_di_19_a_disk_that_fills_takes_nothing_and_goes_on_when_there_is_space(small_disk):
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(300_000))
    store = SegmentStore(small_disk / "ledger", ORIGIN, StillClock(), vkeys=[SEALER.vkey], reserve_bytes=65_536)
    tree = store.open().tree
    n = 0
    while True:
        made = plan(tree, [reading(number) for number in range(n + 1, n + 101)])
        try:
            store.commit(made.frames)
        except DiskFull:
            break
        tree, n = made.head, n + 100
    assert n > 0
    assert store.size == n
    with pytest.raises(DiskFull):
        store.commit(made.frames)
    assert store.reserve.held
    assert store.reserve.release()
    store.commit(made.frames)  # what matters most still fits
    n += 100
    ballast.unlink()
    made = plan(made.head, [reading(number) for number in range(n + 1, n + 101)])
    store.commit(made.frames)
    store.reserve.build()
    assert store.reserve.held
    assert [record for _, _, record in store.read(0, n + 100)] == [reading(number) for number in range(1, n + 101)]
    store.close()
    assert verify_folder(small_disk / "ledger", policy=POLICY).exit_code == 0


@pytest.mark.fault
def test_a_reserve_that_does_not_fit_leaves_nothing_behind(small_disk):
    store = SegmentStore(small_disk / "ledger", ORIGIN, StillClock(), reserve_bytes=1 << 23)
    store.open()
    assert not store.reserve.held
    assert not (small_disk / "ledger" / "reserve").exists()
    with pytest.raises(OSError, match="No space") as caught:
        store.reserve.build()
    assert caught.value.errno == errno.ENOSPC
    store.close()
