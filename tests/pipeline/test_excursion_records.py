"""Excursion records: everything the page lists is there, the fold reads back what it needs, no batch and no client."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from gateway.domain.excursion_event import ExcursionEvent
from gateway.ledger.records import format_record, parse_record
from gateway.pipeline.excursion_records import excursion_record, told_of, written_of

HEAD = {"at_ns": 1792888280000000000, "boot_ns": 86480000000000, "clock": 1}
RAISED = ExcursionEvent(
    event="raised",
    condition="BR-201-CTL/temp:high.action",
    signal="BR-201-CTL/temp",
    class_="process",
    level="action",
    rule="BR-201-GROWTH@4",
    t0_ns=1792888220000000000,
    raised_ns=1792888280000000000,
    extreme=Decimal("38.4"),
    extreme_ns=1792888261000000000,
    breach_ns=60000000000,
    duration_ns=60000000000,
    crossings=1,
    degree_minutes=0.42,
    first=6,
    last=6,
    decided=6,
)


def record_of(event: ExcursionEvent, **more):
    return excursion_record(event, HEAD, gateway="gw-01", config="05b3abf2579a5eb6", **more)


def test_us_05_raised_record_is_the_pages_own():
    assert format_record(record_of(RAISED)).decode() == (
        '{"v":1,"kind":"excursion","at_ns":1792888280000000000,"boot_ns":86480000000000,"clock":1,"event":"raised",'
        '"excursion":"EXC-ROB4IJ65","condition":"BR-201-CTL/temp:high.action","signal":"BR-201-CTL/temp",'
        '"class":"process","level":"action","rule":"BR-201-GROWTH@4","config":"05b3abf2579a5eb6",'
        '"t0_ns":1792888220000000000,"raised_ns":1792888280000000000,"detected_ns":1792888280000000000,'
        '"extreme":38.4,"extreme_ns":1792888261000000000,"breach_ns":60000000000,"unknown_ns":0,"crossings":1,'
        '"degree_minutes":0.42,"first":6,"last":6,"decided":6,"facts":{"duration_ns":60000000000}}'
    )


def test_us_05_the_fold_reads_back_the_same_key():
    for event in (RAISED, msgspec.structs.replace(RAISED, event="crossing", cause="timer", test=True)):
        record = parse_record(format_record(record_of(event, parent="EXC-PARENT01")))
        written = written_of(9, record)
        assert (written.key, written.cause, written.signal) == (event.key, event.cause, event.signal)
        assert (record.parent, record.test is True) == ("EXC-PARENT01", event.test)
    assert written_of(9, msgspec.structs.replace(record_of(RAISED), event="ack")) is None


def test_al_10_condition_of_a_source_names_no_signal():
    lost = msgspec.structs.replace(
        RAISED,
        condition="line1:comm_lost.alert",
        signal="line1:comm_lost",
        rule=None,
        extreme=None,
        degree_minutes=None,
    )
    record = record_of(lost)
    assert record.signal is msgspec.UNSET
    assert written_of(3, record).signal == "line1:comm_lost"


def test_di_12_what_was_told_is_known_to_the_next_late_reading():
    returned = msgspec.structs.replace(
        RAISED, event="revised", t1_ns=1792888300000000000, onset_ns=1792888210000000000, doubts=("late",)
    )
    told = told_of(record_of(returned))
    assert (told.t1_ns, told.onset_ns, told.breach_ns) == (returned.t1_ns, returned.onset_ns, returned.breach_ns)
    short = told_of(record_of(msgspec.structs.replace(RAISED, event="short_breach", count=3, raised_ns=None)))
    assert short.raised_ns == RAISED.t0_ns
    assert told_of(msgspec.structs.replace(record_of(RAISED), facts=msgspec.UNSET)).onset_ns is None
    assert record_of(msgspec.structs.replace(RAISED, event="short_breach", count=3)).facts["count"] == 3
