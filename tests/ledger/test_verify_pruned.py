"""A ledger whose beginning was pruned: told, proved by what stays of it, and never taken for damage or the other way round."""

from __future__ import annotations

from gateway.ledger.verify import LedgerVerifier, scan_file
from tests.ledger.logs import reading, small_log
from tests.ledger.test_damage import PLAIN
from tests.ledger.test_verify_ledger import HEAD


def pruned_ledger(root, last=34):
    """A ledger whose first file was pruned by a record that names ``root``; the tree before the rest, and the scans."""
    log = small_log()
    tree = log.head.copy()
    log.new_file()
    facts = b'"facts":{"first":0,"last":%d,"root":"%s"}}' % (last, root(tree).encode())
    log.commit([reading(31), HEAD % b"gateway" + b'"event":"pruned","gateway":"gw-01","run":1,' + facts])
    return tree, [scan_file(name, content) for name, content in list(log.files.items())[1:]]


def judged(tree, scans, **given):
    verifier = LedgerVerifier(policy=PLAIN, start=tree, pruned=True, **given)
    for scan in scans:
        verifier.add(scan)
    return verifier


def test_us_04_a_pruned_beginning_is_told_and_the_roots_after_it_are_computed_from_its_tiles():
    tree, scans = pruned_ledger(lambda tree: tree.root().hex())
    result = judged(tree, scans).finish()
    assert result.lines() == ["note: pruned 0..34 by record 36", "VERIFIED  2 records, 1 head"]
    assert result.size == 37
    assert result.root


def test_us_04_a_pruned_beginning_of_which_files_are_left_is_told_as_far_as_it_is_gone():
    tree, scans = pruned_ledger(lambda _: "", last=99)
    assert judged(tree, scans).finish().lines()[0] == "note: pruned 0..34 by record 36"


def test_us_01_tiles_with_another_root_than_the_record_of_pruning_are_two_trees():
    tree, scans = pruned_ledger(lambda _: "11" * 32)
    lines = judged(tree, scans).finish().lines()
    assert lines[-1] == f"FAILED at size 35: two sealed trees, roots {tree.root().hex()[:8]} and 11111111"


def test_us_01_a_beginning_that_no_record_prunes_is_missing():
    tree, scans = pruned_ledger(lambda _: "no hex", last=33)
    assert judged(tree, scans).finish().last_line == "FAILED at record 0: 35 records missing"


def test_us_01_lost_tiles_of_what_was_pruned_fail():
    tree, scans = pruned_ledger(lambda tree: tree.root().hex())
    verifier = judged(tree, scans)
    verifier.lack_tiles(35)
    assert verifier.finish().last_line == "FAILED at size 35: tiles of what was pruned are missing"
