"""Standing: what a start takes up from a carry is what the run before it knew."""

from __future__ import annotations

import msgspec
import pytest

from gateway.ledger.records import Anchor, parse_record
from gateway.pipeline.opening import carry
from gateway.pipeline.stamp import Stamper
from gateway.pipeline.standing import Standing
from tests.fakes.clock import StillClock
from tests.fakes.log import NOON_NS


def anchor(event: str) -> Anchor:
    return Anchor(at_ns=NOON_NS, boot_ns=1, clock=1, event=event, size=1, root="00" * 32)


@pytest.mark.parametrize(
    ("events", "named"),
    [((), None), (("cosigned",), 0), (("cosigned", "timestamped"), 1), (("timestamped", "previous"), 0)],
)
def test_a_carry_names_the_newest_anchor(events, named):
    before = Standing()
    for index, event in enumerate(events):
        before.apply(index, anchor(event))
    record, _ = carry(before, Stamper(StillClock(), dev=False, run=1, clock_number=1), "gw-01")
    after = Standing()
    after.apply(65_536, parse_record(msgspec.json.encode(record)))
    assert after.anchor == named
    assert after.carry_facts().get("anchor_index") == named
