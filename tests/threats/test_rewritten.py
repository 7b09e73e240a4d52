"""Threat: root seals everything again, clones the box, puts an old image back, cuts what was published.

Beside this: `tests/integration/test_witness.py` (rewrite, clone, old image at a start; a witness that saw more during a run).
"""

from __future__ import annotations

import json
import shutil

import pytest

from gateway.adapters.segment_store.verify_folder import verify_folder
from gateway.ledger.authority import Authority
from tests.threats.box import Clone, reasons, record_at, records_of, until
from tests.threats.thief import altered, cut_back, seal_again

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@pytest.mark.fault
@pytest.mark.req("AC-03")
def test_of_two_clones_that_both_started_without_a_witness_one_halts_once_it_is_back(attacked, tmp_path):
    gateway, witness = attacked.box.gateway, attacked.box.witnesses[0]
    witness.kill()
    clone = Clone(gateway, tmp_path / "clone")
    gateway.start()
    clone.start()
    try:
        witness.start()
        until(lambda: reasons(gateway.port) or reasons(clone.port), "one of the two halts")
        told = [*reasons(gateway.port), *reasons(clone.port)]
        assert len(told) == 1
        assert told[0].startswith("halted: ")
        assert "witness w0" in told[0]
    finally:
        clone.kill()
        gateway.stop()


@pytest.mark.fault
@pytest.mark.req("AC-03")
def test_what_was_sealed_again_has_no_token_older_than_the_rewrite(attacked):
    """The witness is quiet. What was stamped before contradicts the files; without those files the age begins with the rewrite."""
    box = attacked.box
    old = box.anchors("timestamped")[-1]
    box.witnesses[0].kill()
    kept = attacked.image / "ledger" / "cp"
    records = altered(box.gateway.ledger)
    records += [records[-1]] * (old.size - len(records) + 3)
    seal_again(box.gateway, records)
    shutil.copytree(kept, box.gateway.ledger / "cp", dirs_exist_ok=True)
    assert "fork: size" in box.refuse_to_start()
    assert "was time-stamped" in box.refuse_to_start()

    shutil.rmtree(box.gateway.ledger / "cp")
    (box.gateway.ledger / "HALTED").unlink(missing_ok=True)
    box.gateway.start()
    until(lambda: box.anchors("timestamped"), "a new time stamp")
    box.gateway.stop()
    tsa = Authority(box.authority.ca.read_bytes())
    result = verify_folder(box.gateway.ledger, policy=attacked.policy, authority=tsa)
    assert result.bracket is None or (result.bracket[0] or old.gen_ns + 1) > old.gen_ns
    first = box.anchors("timestamped")[0]
    assert first.gen_ns > old.gen_ns, "nothing of the rewritten ledger is older than the rewrite"
    index = next(index for index, content in records_of(box.gateway.ledger) if b'"batch":"B-9"' in content)
    told = box.gateway.run("ledger", "prove", str(index), "--path", str(box.gateway.ledger), "--json")
    bracket = json.loads(told)["bracket"]
    assert bracket["after_ns"] is None
    assert bracket["before_ns"] == first.gen_ns > old.gen_ns
    assert record_at(box.gateway.ledger, index).at_ns < old.gen_ns, "it says that it is older"


@pytest.mark.req("AC-03")
@pytest.mark.parametrize("forget", [True, False])
def test_a_ledger_cut_below_what_was_published_does_not_start(attacked, forget):
    """All traces on the box go with it; the witness alone is enough, and without it what the box remembers of it is."""
    box = attacked.box
    whole = box.size()
    left = cut_back(box.gateway.ledger, 3)
    if forget:
        shutil.rmtree(box.state)
    else:
        box.witnesses[0].kill()
    assert verify_folder(box.gateway.ledger).exit_code == 0, "in itself it is whole"
    assert f"rollback: ledger ends at {left:,}, witness w0 has seen {whole:,}" in box.refuse_to_start()
    assert box.size() == left


@pytest.mark.req("AC-03")
def test_a_tail_that_was_cut_and_a_checkpoint_that_was_left_fail_without_any_witness(attacked):
    box = attacked.box
    whole, note = box.size(), (box.gateway.ledger / "checkpoint").read_bytes()
    left = cut_back(box.gateway.ledger, 2)
    (box.gateway.ledger / "checkpoint").write_bytes(note)
    box.witnesses[0].kill()
    shutil.rmtree(box.state)
    said = box.gateway.run("verify", str(box.gateway.ledger), code=1).splitlines()[-1]
    assert said == f"FAILED at record {left}: ledger ends here, {whole} were published"
    assert f"rollback: ledger ends at {left:,}, {whole:,} were published" in box.refuse_to_start()
