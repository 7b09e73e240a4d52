"""Every record kind reproduces its line of the worked example; bounds and the forms of Bytes."""

from __future__ import annotations

from hashlib import sha256

import msgspec
import pytest

from gateway.domain.sample import Raw
from gateway.errors import RecordTooLarge
from gateway.ledger.records import (
    KINDS,
    Content,
    Quarantine,
    format_content,
    format_raw,
    format_record,
    format_records,
    kind_of,
    parse_content,
    parse_record,
)
from tests.ledger.vector_files import records


def test_di_01_every_kind_is_reproduced_byte_for_byte():
    lines = records()
    assert {kind_of(line) for line in lines} == set(KINDS)
    assert [format_record(parse_record(line)) for line in lines] == lines


def test_a_record_over_its_bound_is_refused_whole():
    record = parse_record(records()[8])
    assert isinstance(record, Quarantine)
    long = msgspec.structs.replace(record, content=Content(utf8="x" * 65_519))
    with pytest.raises(
        RecordTooLarge, match=r"record too large: 65,\d{3} of 65,519 bytes \(quarantine\); nothing written"
    ):
        format_record(long)
    with pytest.raises(RecordTooLarge, match=r"\(quarantine\); nothing written"):
        format_records([record, long])
    assert format_records([record, record]) == [format_record(record)] * 2
    assert format_records([]) == []


def test_kind_is_found_where_a_foreign_writer_put_it():
    assert kind_of(b'{"v":1,"at_ns":1792888200000000000,"kind":"gap"}') == "gap"
    assert kind_of(b'{"v":1,"kind":"a\\u0062' + b"c" * 60 + b'"}') == "ab" + "c" * 60


@pytest.mark.parametrize(
    ("content", "member"),
    [
        (b"plain\ttext\r\n", Content(utf8="plain\ttext\r\n")),
        (b"\x00", Content(b64="AA==")),
        (b"\xff", Content(b64="/w==")),
        (b"", Content(utf8="")),
    ],
)
def test_bytes_in_the_record(content, member):
    assert format_content(content) == (member, None)
    assert parse_content(member) == content


@pytest.mark.parametrize("content", [b"x" * 49_153, bytes(36_865)])
def test_long_bytes_become_a_side_object(content):
    member, side = format_content(content)
    assert (side, member.len, member.sha256) == (content, len(content), sha256(content).hexdigest())
    assert parse_content(member) is None


def test_raw_values():
    assert format_raw(Raw("f32", "439b1852")) == {"f32": "439b1852"}
    assert format_raw(Raw("arr", [Raw("bool", True), Raw("i8", "-1")])) == {"arr": [{"bool": True}, {"i8": "-1"}]}
