"""Threat: root edits, deletes, inserts, reorders stored data. Found by any proof, by `gateway verify`, by the next start."""

from __future__ import annotations

import json

import pytest

from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.errors import EvidenceRefused, LedgerDoubt
from tests.ledger.damage import edit_value
from tests.threats.box import records_of
from tests.threats.thief import StoredLog, change_frame

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def edited(items):
    return [edit_value(one, b'"batch":"B-1"', b'"batch":"B-9"') if b'"batch":"B-1"' in one else one for one in items]


def deleted(items):
    return items[1:]


def inserted(items):
    return [items[0], items[0][:16] + b'{"v":1,"kind":"note"}', *items[1:]]


def reordered(items):
    return [*items[1:], items[0]]


ATTACKS = {"edited": edited, "deleted": deleted, "inserted": inserted, "reordered": reordered}
CLASSES = {"edited": "altered", "deleted": "missing", "inserted": "inserted", "reordered": "reordered"}


def victim(ledger, attack: str) -> tuple[int, int]:
    """Frame to attack, and a record in it: the batch's start; a frame of several records where one is moved."""
    log = StoredLog(ledger)
    if attack == "edited":
        index = next(index for index, content in records_of(ledger) if b'"batch":"B-1"' in content)
        return log.frame_of(index), index
    number = next(n for n, (_, found) in enumerate(log.placed) if found.frame.n > 2)
    return number, log.first_of(number)


@pytest.mark.parametrize("attack", ATTACKS)
def test_us_01_stored_data_that_was_changed_is_named_by_verify_by_a_proof_and_by_the_next_start(attacked, attack):
    gateway = attacked.box.gateway
    number, index = victim(gateway.ledger, attack)
    change_frame(gateway.ledger, number, ATTACKS[attack])

    said = gateway.run("verify", str(gateway.ledger), "--json", code=1)
    finding = json.loads(said)["findings"][0]
    assert finding["class"] in {CLASSES[attack], "altered"}
    assert abs(finding["first"] - index) <= 3

    with pytest.raises((EvidenceRefused, LedgerDoubt)):
        LedgerFolder(gateway.ledger).prove(index)
    told = gateway.run("ledger", "prove", str(index), "--path", str(gateway.ledger), code=1)
    assert "error" in told

    assert "damaged: " in attacked.box.refuse_to_start()
