"""Any life of a ledger of several segments: packed, pruned, killed in the middle of either, started again; the rest proves itself."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from gateway.adapters.segment_store.verify_folder import verify_folder
from gateway.errors import DiskFull, LedgerDoubt
from gateway.ledger.records import Gateway, format_record
from gateway.ledger.segment import SEGMENT_ENTRIES
from tests.adapters.segment_store.publication import SEALED, open_store
from tests.fakes.disk import FaultyDisk, Killed
from tests.fakes.log import NOON_NS, gateway, plan

FILLER = b'{"v":1,"kind":"note","n":%d}'
BORN = 2 * SEGMENT_ENTRIES + 100
KILLS = st.none() | st.tuples(st.integers(1, 16), st.sampled_from(["kill", "kill_after"]))


@pytest.fixture(scope="module")
def born(tmp_path_factory) -> Path:
    """Two full segments and a little more, published."""
    path = tmp_path_factory.mktemp("born") / "ledger"
    store = open_store(path)
    tree = store.open().tree
    for first in range(0, BORN, 16_384):
        made = plan(tree, [FILLER % n for n in range(first, min(first + 16_384, BORN))])
        store.commit(made.frames)
        tree = made.head
    store.publish(made.frames[-1].note, tree.size)
    store.close()
    return path


class LongLife(RuleBasedStateMachine):
    """``acknowledged``: every record that was committed, also those that are pruned by now."""

    born: Path

    @initialize()
    def birth(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ledger-long-life-"))
        self.path = self.folder / "ledger"
        shutil.copytree(self.born, self.path)
        self.acknowledged = [FILLER % n for n in range(BORN)]
        self.pruned_by: int | None = None
        self.start()

    def start(self) -> None:
        self.disk = FaultyDisk()
        self.store = open_store(self.path, self.disk)
        self.tree = self.store.open().tree
        assert self.tree.size == len(self.acknowledged)
        first = self.store.reader.first_index()
        assert first in {0, SEGMENT_ENTRIES}
        if first:
            assert self.pruned_by is not None, "nothing goes without its record"
        assert [content for _, _, content in self.store.read(first, self.tree.size)] == self.acknowledged[first:]

    def end(self, *, killed: bool) -> None:
        if killed:
            assert self.store._lock._fd is not None
            os.close(self.store._lock._fd)
        else:
            self.store.close()

    def append(self, records: list[bytes]) -> None:
        made = plan(self.tree, records)
        self.store.commit(made.frames)
        self.store.publish(made.frames[-1].note, made.head.size)
        self.acknowledged += records
        self.tree = made.head

    @rule(count=st.integers(1, 300))
    def grow(self, count: int) -> None:
        self.append([FILLER % n for n in range(self.tree.size, self.tree.size + count)])

    @rule(stopped=st.booleans(), killed=st.booleans())
    def restart(self, *, stopped: bool, killed: bool) -> None:
        if stopped:
            self.append([gateway("stop")])
        self.end(killed=killed)
        self.start()

    @rule(kill=KILLS)
    def pack(self, kill: tuple[int, str] | None) -> None:
        self.dying(kill, self.store.pack)

    @precondition(lambda self: self.pruned_by is None)
    @rule()
    def decide_to_prune(self) -> None:
        root = self.store.upkeep.root_at(SEGMENT_ENTRIES).hex()
        facts = {"count": SEGMENT_ENTRIES, "first": 0, "last": SEGMENT_ENTRIES - 1, "policy": "site-01", "root": root}
        head = {"at_ns": NOON_NS, "boot_ns": 1, "clock": 1}
        self.pruned_by = self.tree.size
        self.append([format_record(Gateway(**head, event="pruned", gateway="gw-01", run=1, facts=facts))])

    @precondition(lambda self: self.pruned_by is not None)
    @rule(kill=KILLS)
    def prune(self, kill: tuple[int, str] | None) -> None:
        self.dying(kill, lambda: self.store.upkeep.remove(SEGMENT_ENTRIES, self.pruned_by))

    def dying(self, kill: tuple[int, str] | None, work) -> None:
        """Do it; with ``kill`` the process ends at one of its calls, if it makes so many."""
        self.disk.calls.clear()
        self.disk.fail_at, self.disk.how = kill or (0, "kill")
        killed = False
        try:
            work()
        except Killed:
            killed = True
        except (LedgerDoubt, DiskFull):
            pytest.fail("a sound disk raises no doubt")
        self.disk.fail_at = 0
        if killed:
            self.end(killed=True)
            self.start()

    def teardown(self) -> None:
        if not hasattr(self, "folder"):
            return
        result = verify_folder(self.path, policy=SEALED, all_seals=True)
        assert result.exit_code == 0, result.last_line
        first = self.store.reader.first_index()
        for index in (first, SEGMENT_ENTRIES, self.tree.size - 1):
            assert self.store.prove(index, self.tree.size)
        self.end(killed=False)
        shutil.rmtree(self.folder)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.req("DI-19")
@pytest.mark.req("US-04")
def test_any_life_of_several_segments_keeps_what_is_not_pruned(born):
    machine = type("Machine", (LongLife,), {"born": born})
    some = settings(max_examples=12, stateful_step_count=8, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=some)
