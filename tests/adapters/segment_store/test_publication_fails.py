"""Each system call of a publication and of a segment's end fails once, in every way; then a restart (`ledger.md` 9)."""

from __future__ import annotations

import errno
import os
import shutil

import pytest

from gateway.errors import DiskFull, LedgerDoubt
from gateway.ledger.segment import SEGMENT_ENTRIES
from tests.adapters.segment_store.publication import Run, again, open_store, play
from tests.adapters.segment_store.test_every_call_fails import WAYS
from tests.adapters.segment_store.told import check_told
from tests.fakes.disk import FaultyDisk, Killed
from tests.fakes.log import plan, reading

FILLER = b'{"v":1,"kind":"note","n":%d}'


def fail_at(path, disk) -> list[str]:
    """Play the run on a failing disk; what it told until then."""
    told: list[str] = []
    stores = []
    try:
        play(path, disk, told.append, stores.append)
    except Killed:
        for store in stores:
            if store._lock._fd is not None:
                os.close(store._lock._fd)
    except (LedgerDoubt, DiskFull):
        for store in stores:
            store.close()
    return told


def calls_of_a_sound_run(path) -> list[str]:
    disk = FaultyDisk()
    told = fail_at(path, disk)
    assert [line.split()[0] for line in told] == ["ack", "pub", "pub", "tok", "ack", "cur"] * 3
    check_told(path, told)
    return disk.calls


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("how", "number"), [one if one[0] == "kill" else pytest.param(*one, marks=pytest.mark.fault) for one in WAYS]
)
def test_di_19_a_publication_may_fail_at_any_call(tmp_path, how, number):
    calls = calls_of_a_sound_run(tmp_path / "sound" / "ledger")
    assert len(calls) > 120
    for k in range(1, len(calls) + 1):
        path = tmp_path / str(k) / "ledger"
        path.parent.mkdir()
        disk = FaultyDisk(k, how, number)
        told = fail_at(path, disk)
        assert disk.failed is not None
        check_told(path, told)
        shutil.rmtree(path.parent)


@pytest.fixture(scope="module")
def nearly_full(tmp_path_factory):
    """A ledger with room for three more records in its first segment."""
    path = tmp_path_factory.mktemp("full") / "ledger"
    store = open_store(path)
    made = plan(store.open().tree, [FILLER % n for n in range(SEGMENT_ENTRIES - 3)])
    store.commit(made.frames)
    store.close()
    return path


SOME = [pytest.param("kill_after", 0, 20, id="kill_after_every_20th")]
ALL = [
    pytest.param(how, number, 1, id=f"{how}_{errno.errorcode.get(number, '')}", marks=pytest.mark.fault)
    for how, number in [("kill_after", 0), ("not_applied", errno.EIO), ("not_applied", errno.ENOSPC)]
]


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("how", "number", "step"), [*SOME, *ALL])
def test_di_19_the_end_of_a_segment_may_fail_at_any_call(nearly_full, tmp_path, how, number, step):
    """One pool over the end: last frame, new file, header, first frame, finished file, tile; then `checkpoint`."""
    k, reached = 1, True
    while reached:
        path = tmp_path / str(k) / "ledger"
        shutil.copytree(nearly_full, path)
        disk = FaultyDisk()
        told: list[str] = []
        store = open_store(path, disk)
        run = Run(path, store, store.open().tree, told.append)
        disk.calls.clear()
        disk.fail_at, disk.how, disk.number = k, how, number
        try:
            note = run.commit(*[reading(n) for n in range(1, 9)])
            again(store.publish, note, store.size)
            told.append(f"pub {store.size} {run.root}")
        except Killed:
            os.close(store._lock._fd)
        except (LedgerDoubt, DiskFull):
            store.close()
        else:
            store.close()
        reached = disk.failed is not None
        check_told(path, told, starts=1)
        shutil.rmtree(path.parent)
        k += step
    assert k > 20
