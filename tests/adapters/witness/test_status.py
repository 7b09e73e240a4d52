"""What files say of our witnesses: size and age of each, what the quorum has seen, and who is stale."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gateway.adapters.ledger_status import read_status
from gateway.adapters.segment_store import SegmentStore
from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.adapters.witness.memory import MemoryFolder
from gateway.adapters.witness.status import quorum_size, read_unwitnessed, read_witnesses
from gateway.ledger.crypto import cosigner
from gateway.ledger.note import Line, add_lines, parse_note
from gateway.ledger.policy import Witness, format_policy, make_policy
from gateway.ports import WitnessMemory
from tests.fakes.clock import StillClock
from tests.fakes.log import ORIGIN, SEALER, plan, reading
from tests.fakes.witness import FakeWitness

WITNESSES = [FakeWitness(n) for n in range(3)]
POLICY = make_policy([SEALER.key], [], [Witness(f"w{n}", one.key) for n, one in enumerate(WITNESSES)])


def cosigned(note: bytes, number: int, age_s: int = 0) -> bytes:
    second = int(time.clock_gettime(time.CLOCK_REALTIME)) - age_s
    line = cosigner(bytes([0x80 + number]) * 32, second)(parse_note(note).text)
    return add_lines(note, [Line(WITNESSES[number].key.name, WITNESSES[number].key.key_id, line)])


@pytest.fixture
def ledger(tmp_path: Path):
    """A ledger of sizes 3 and 7, published at 7, with the notes of both heads."""
    root = tmp_path / "ledger"
    store = SegmentStore(
        root, ORIGIN, StillClock(), vkeys=[SEALER.vkey], check_place=lambda _: None, reserve_bytes=4096
    )
    first = plan(store.open().tree, [reading(n) for n in (1, 2, 3)])
    store.commit(first.frames)
    second = plan(first.head, [reading(n) for n in (4, 5, 6, 7)])
    store.commit(second.frames)
    store.save_policy(format_policy(POLICY))
    store.publish(second.frames[-1].note, 7)
    store.close()
    return root, first.frames[-1].note, second.frames[-1].note


def test_each_witness_has_size_age_and_what_it_refused(ledger):
    root, older, newer = ledger
    memory = MemoryFolder(root.parent / "state")
    memory.keep("w0", WitnessMemory(note=cosigned(newer, 0, 4).decode()))
    said = "witness w1 refused: 503"
    memory.keep("w1", WitnessMemory(note=cosigned(older, 1, 90).decode(), refusals={"503": 2, "silent": 1}, said=said))
    found = read_witnesses(root)
    assert [(one.name, one.size, one.behind, one.stale) for one in found] == [
        ("w0", 7, 0, False),
        ("w1", 3, 4, True),
        ("w2", 0, 7, True),
    ]
    assert found[0].line() in {"w0 7 4 s", "w0 7 5 s"}
    assert (
        found[1]
        .line()
        .endswith(" s, 4 published entries not seen, refused 2 x 503, 1 x silent: witness w1 refused: 503")
    )
    assert found[2].line() == "w2 never cosigned"
    assert quorum_size(POLICY, found) == 3, "two of three have seen three entries"
    stretch = read_unwitnessed(root)
    assert stretch is not None
    assert stretch.line() == "unwitnessed: records 3..6, 4 of 7 published entries have no quorum"
    assert stretch.document() == {"from_size": 3, "published": 7}
    status = read_status(LedgerFolder(root))
    assert (status.witnesses, status.witnesses_asked, status.witnessed) == (0, 3, 3)
    assert "0 of 3 witnesses, 4 without their quorum" in status.line()


def test_a_note_that_the_witness_has_not_cosigned_counts_for_nothing(ledger):
    root, _, newer = ledger
    memory = MemoryFolder(root.parent / "state")
    memory.keep("w0", WitnessMemory(note=cosigned(newer, 1).decode()))
    (root.parent / "state" / "witnesses" / "w1.json").write_text("no json")
    assert [one.size for one in read_witnesses(root)] == [0, 0, 0]
    assert quorum_size(POLICY, read_witnesses(root)) == 0


def test_the_published_checkpoint_alone_tells_too(ledger):
    root, _, newer = ledger
    (root / "checkpoint").write_bytes(cosigned(newer, 2))
    assert [one.size for one in read_witnesses(root)] == [0, 0, 7]


def test_what_the_quorum_has_seen_to_its_end_leaves_no_stretch(ledger):
    root, _, newer = ledger
    memory = MemoryFolder(root.parent / "state")
    for number in (0, 1):
        memory.keep(f"w{number}", WitnessMemory(note=cosigned(newer, number).decode()))
    assert read_unwitnessed(root) is None


def test_without_a_policy_there_is_no_witness(ledger):
    root, _, _ = ledger
    assert read_unwitnessed(root) is not None
    (root / "keys" / "policy").unlink()
    assert (read_witnesses(root), read_unwitnessed(root)) == ([], None)
    assert "no witness" in read_status(LedgerFolder(root)).line()
