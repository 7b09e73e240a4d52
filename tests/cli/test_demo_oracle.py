"""The demo's oracle: it finds what is lost, doubled and wrong, and nothing in a clean run."""

from __future__ import annotations

import pytest

from gateway.cli.demo_story.oracle import Verdict, Written, judge
from gateway.ledger.records import Reading

WRITTEN = [Written(100, -28.7), Written(200, -28.69), Written(300, -28.0), Written(400, -20.1)]


def reading(source_ns: int | None, value: float, provenance: str = "live") -> Reading:
    return Reading(
        received_ns=1, boot_ns=1, clock=1, signal="FRZ-01/temp", config="c", n=1, value=value, quality="good",
        clock_state="synced", provenance=provenance, incarnation=1, epoch=1, position=1, source_ns=source_ns,
    )  # fmt: skip


RECORDED = [reading(100, -28.7), reading(200, -28.69), reading(300, -28, "republished"), reading(400, -20.1)]


def test_a_clean_run_is_clean_and_its_republished_readings_are_counted():
    assert judge(WRITTEN, RECORDED, 100, 400) == Verdict(0, 0, 0, 1, 0)


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        ([*RECORDED[:2], RECORDED[3]], (1, 0, 0)),
        ([*RECORDED, RECORDED[1]], (0, 1, 0)),
        ([*RECORDED[:3], reading(400, -20.2)], (0, 0, 1)),
        ([*RECORDED, reading(350, -20.2)], (0, 0, 1)),
        ([], (4, 0, 0)),
    ],
)
def test_lost_doubled_and_wrong_are_found(recorded, expected):
    verdict = judge(WRITTEN, recorded, 100, 400)
    assert (verdict.lost, verdict.doubled, verdict.wrong) == expected
    assert not verdict.clean


def test_only_the_stretch_that_was_asked_for_counts():
    assert judge(WRITTEN, RECORDED[1:3], 200, 300).clean
    assert not judge(WRITTEN, RECORDED[1:3], 100, 300).clean
