"""Effective time is one thing: evaluation, index and projection must say the same of every reading (`ingest.md` 8)."""

from __future__ import annotations

from itertools import product

import pytest

from gateway.adapters.index.reading_view import DECODER
from gateway.ledger.records import parse_record
from gateway.pipeline.influx_lines import LineWriter
from gateway.pipeline.influx_syntax import SignalTags
from gateway.pipeline.reading_views import view_of
from tests.fakes.log import NOON_NS, reading

FLAGS = ([], ["initial"], ["initial", "source_step_back"], ["qos0"])


class Nothing:
    def newest_ns(self, signal, before):
        return None

    def count_at(self, signal, effective_ns, before):
        return 0


@pytest.mark.parametrize(("clock", "flags", "source"), list(product(["", "unset"], FLAGS, [True, False])))
def test_di_04_effective_time_is_the_same_everywhere(clock, flags, source):
    changes = {"source_clock": clock} if clock else {}
    changes |= {"flags": flags} if flags else {}
    changes |= {} if source else {"source_ns": -1}
    content = reading(1, received_ns=NOON_NS + 7_000_000_000, **changes)
    if not source:
        content = content.replace(b'"source_ns":-1,', b"")
    record = parse_record(content)
    view = view_of(0, record)
    on_source = source and not clock and "initial" not in flags
    assert view.te_ns == (record.source_ns if on_source else record.received_ns)
    assert DECODER.decode(content).effective_ns == view.te_ns
    writer = LineWriter("gw-01", lambda *_: SignalTags("e", "r", "Cel"), Nothing(), lambda _: 0)
    [line] = writer.readings(0, [record])
    assert int(line.rpartition(b" ")[2]) == view.te_ns
    assert f'basis="{view.basis}"'.encode() in line
