"""Entries and frames: the worked example byte for byte, any flipped bit refused."""

from __future__ import annotations

import struct
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import EvidenceRefused
from gateway.ledger.entry import build_entries, derive_salt, derive_salts, make_entry, split_entry
from gateway.ledger.frame import (
    FRAME_BYTES_MAX,
    format_body,
    format_frame,
    frame_entries,
    parse_frame,
    parse_frame_header,
    restore_frame,
    split_body,
    strip_frame,
)
from gateway.ledger.merkle import hash_leaf
from gateway.ledger.segment import FILE_HEADER_SIZE, PlacedFrame, format_file_header, iterate_frames, parse_file_header
from tests.ledger.vector_files import FRAME_SEEDS, records, vector

FILE = "00000000000000000000.seg"
SEED = FRAME_SEEDS[1]


def test_us_01_salt_and_leaf_of_reading_6():
    assert derive_salt(SEED, 6).hex() == "fc4ff527ed6934986b66b96165c77db2"
    entry = make_entry(SEED, 6, records()[6])
    assert entry == vector("reading-6.entry")
    assert hash_leaf(entry).hex() == "134db89664e6c834973fbbb719282809593b8f096346432e05af737db8100f87"
    assert split_entry(entry) == (derive_salt(SEED, 6), records()[6])


@given(st.binary(min_size=32, max_size=32), st.integers(0, 2**63), st.lists(st.binary(max_size=40), max_size=9))
def test_entries_in_bulk_are_the_entries_one_by_one(seed, first, jsons):
    entries, leaves = build_entries(seed, first, jsons)
    assert entries == [make_entry(seed, first + i, json) for i, json in enumerate(jsons)]
    assert leaves == [hash_leaf(entry) for entry in entries]
    assert derive_salts(seed, first, len(jsons)) == [entry[:16] for entry in entries]


def test_us_01_sealed_form_of_the_worked_example():
    whole, stripped = vector(FILE), vector("stripped.seg")
    frames = list(iterate_frames(whole))
    made = format_file_header(parse_file_header(whole)._replace(stripped=True))
    assert made + b"".join(strip_frame(placed.frame) for placed in frames) == stripped
    back = b"".join(restore_frame(placed.frame) for placed in iterate_frames(stripped))
    assert back == whole[FILE_HEADER_SIZE:]


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=20), st.integers(0, 2**60), st.binary(max_size=100))
def test_us_01_frame_round_trip_whole_and_stripped(jsons, first, checkpoint):
    entries, leaves = build_entries(SEED, first, jsons)
    content = format_frame(first, SEED, format_body(entries), leaves, checkpoint)
    frame = parse_frame(b"before" + content + b"after", 6)
    assert (frame.first, frame.n, frame.stop, frame.seed) == (first, len(jsons), first + len(jsons), SEED)
    assert (frame_entries(frame), frame.checkpoint) == (entries, checkpoint)
    assert frame.prefixes == b"".join(leaf[:4] for leaf in leaves)
    assert split_body(frame.body, frame.n) == entries
    slim = parse_frame(strip_frame(frame))
    assert slim.stripped
    assert frame_entries(slim) == entries
    assert restore_frame(slim) == restore_frame(frame) == content


@given(st.data())
def test_us_01_any_flipped_bit_of_a_frame_is_refused(data):
    content = bytearray(vector(FILE)[FILE_HEADER_SIZE:])
    first = parse_frame_header(bytes(content)).length
    bit = data.draw(st.integers(0, first * 8 - 1))
    content[bit // 8] ^= 1 << bit % 8
    with pytest.raises(EvidenceRefused):
        parse_frame(bytes(content))


def frame_with(flags: int = 0, version: int = 1, n: int = 1, body: int = 2) -> bytes:
    head = struct.pack(">4sHHQIII32s", b"GWFR", version, flags, 0, n, body, 0, bytes(32))
    return head + struct.pack(">I", crc32(head))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"GWFR", "no frame begins here"),
        (b"X" * 100, "no frame begins here"),
        (frame_with(version=2), "version 2"),
        (frame_with(flags=2), "flags 0x0002"),
        (frame_with(n=0), "0 entries"),
        (frame_with(body=FRAME_BYTES_MAX), "1 entries in 67,"),
        (frame_with(), "cut: 64 of 78"),
        (frame_with()[:-1] + b"\0", "CRC differs"),
    ],
)
def test_headers_that_are_not_understood_are_refused(content, why):
    with pytest.raises(EvidenceRefused, match=why):
        parse_frame(content)


@pytest.mark.parametrize(("body", "n"), [(b"\0", 0), (b"\0\2a", 1), (b"\0\1a", 2), (b"\0\1a\0\0", 1), (b"", 1)])
def test_a_body_ends_with_its_last_entry(body, n):
    with pytest.raises(EvidenceRefused, match=f"{n} whole entries"):
        split_body(body, n)


def test_a_frame_over_the_bound_is_our_mistake():
    with pytest.raises(AssertionError, match="split the pool"):
        format_frame(0, SEED, bytes(FRAME_BYTES_MAX), [bytes(32)], b"")
    with pytest.raises(AssertionError, match="frame seed"):
        format_frame(0, b"", b"", [bytes(32)], b"")


def test_the_worked_example_iterates():
    assert [type(found) for found in iterate_frames(vector(FILE))] == [PlacedFrame, PlacedFrame]
