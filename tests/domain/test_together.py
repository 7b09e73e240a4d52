from __future__ import annotations

from gateway.domain.together import together
from tests.domain.plans import num, sample


def _groups(*rows):
    samples = [sample(num("1"), address=address, source_ns=source) for address, source in rows]
    return [[one.address for one in group] for group in together(samples)]


def test_one_record_stays_together():
    assert _groups(("a", 1), ("b", 1), ("c", 1)) == [["a", "b", "c"]]


def test_an_address_that_comes_again_begins_a_record():
    assert _groups(("a", None), ("b", None), ("a", None), ("b", None)) == [["a", "b"], ["a", "b"]]


def test_another_source_time_begins_a_record():
    assert _groups(("a", 1), ("b", 2), ("b", 3)) == [["a"], ["b"], ["b"]]


def test_nothing_gives_nothing():
    assert _groups() == []
