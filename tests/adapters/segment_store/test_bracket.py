"""Between which cosignatures a record was sealed, where there is no time stamp: the nearest anchor on each side."""

from __future__ import annotations

import pytest

from gateway.adapters.segment_store.bracket import Bracket, bracket_of_record
from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.ledger.crypto import cosigner
from gateway.ledger.note import Line, add_lines, parse_note
from gateway.ledger.policy import format_policy
from gateway.ledger.records import Anchor, format_record
from tests.adapters.segment_store.publication import POLICY, SEED, WITNESS, open_store
from tests.fakes.log import NOON_NS, plan, reading

S = 1_000_000_000


@pytest.fixture
def folder(tmp_path):
    """Readings 0..2, anchor 3 over 3 (cosigned at 1000), readings 4..5003, anchor 5004 over 5004 (at 2000), reading 5005."""
    store = open_store(tmp_path / "ledger")
    tree = store.open().tree
    for pool, second in ((range(1, 4), 1000), (range(4, 5004), 2000), ([5004], None)):
        made = plan(tree, [reading(n) for n in pool])
        store.commit(made.frames)
        tree = made.head
        if second is not None:
            note = made.frames[-1].note
            line = Line(WITNESS.name, WITNESS.key_id, cosigner(SEED, second)(parse_note(note).text))
            head = {"at_ns": NOON_NS, "boot_ns": 1, "clock": 1}
            size, root, text = tree.size, tree.root().hex(), add_lines(note, [line]).decode()
            anchor = Anchor(**head, event="cosigned", size=size, root=root, note=text)
            foreign = Anchor(**head, event="cosigned", size=size, root=root, note=note.decode())
            made = plan(tree, [format_record(anchor), format_record(foreign)])
            store.commit(made.frames)
            tree = made.head
    store.save_policy(format_policy(POLICY))
    store.close()
    return LedgerFolder(tmp_path / "ledger")


@pytest.mark.req("AC-03")
@pytest.mark.parametrize(
    ("index", "after", "before"),
    [(0, None, 1000), (2, None, 1000), (5, 1000, 2000), (4500, 1000, 2000), (5007, 2000, None)],
)
def test_the_nearest_cosignatures_bound_a_record(folder, index, after, before):
    ns = [None if one is None else one * S for one in (after, before)]
    assert bracket_of_record(folder, index) == Bracket(*ns)


def test_without_a_policy_no_cosignature_counts(folder):
    folder.layout.policy.unlink()
    assert bracket_of_record(folder, 5) == Bracket(None, None)
