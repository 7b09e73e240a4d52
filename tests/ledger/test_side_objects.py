"""Side objects that a record names are found in its bytes, and nothing that people wrote looks like one."""

from __future__ import annotations

import msgspec

from gateway.ledger.records import Anchor, Config, Content, Gateway, format_content, format_record
from gateway.ledger.side_objects import side_objects_of

HEAD = {"at_ns": 1, "boot_ns": 1, "clock": 1}
DIGEST = "5" * 64


def test_long_content_is_found_wherever_it_stands_and_short_content_is_none():
    long, side = format_content(b"x" * 60_000)
    short, none = format_content(b"short")
    assert (side, none) == (b"x" * 60_000, None)
    for content, found in ((long, [long.sha256]), (short, [])):
        record = Config(**HEAD, event="file", change_set="CS-1", sha256=DIGEST, path="a", content=content)
        assert side_objects_of(format_record(record)) == found
    carried = Gateway(**HEAD, event="carry", gateway="gw", run=1, carry=Content(sha256=DIGEST, len=7))
    assert side_objects_of(format_record(carried)) == [DIGEST]


def test_certificates_of_a_time_stamp_are_found():
    anchor = Anchor(**HEAD, event="timestamped", size=1, root="0" * 64, note_sha256=DIGEST, token_sha256=DIGEST)
    named = msgspec.structs.replace(anchor, facts={"authority_sha256": "6" * 64})
    assert side_objects_of(format_record(anchor)) == []
    assert side_objects_of(format_record(named)) == ["6" * 64]


def test_text_that_quotes_a_record_names_nothing():
    quoted = '{"sha256":"' + DIGEST + '","len":7} "authority_sha256":"' + DIGEST + '"'
    record = Gateway(**HEAD, event="notice", gateway="gw", run=1, facts={"text": quoted})
    assert side_objects_of(format_record(record)) == []
