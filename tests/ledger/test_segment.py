"""Segment files: names, header, whole frames, torn tails against damage, free space."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import EvidenceRefused
from gateway.ledger.merkle import EMPTY_ROOT
from gateway.ledger.segment import (
    FILE_HEADER_SIZE,
    Damage,
    PlacedFrame,
    find_frame,
    format_file_header,
    format_name,
    iterate_frames,
    make_file_header,
    parse_file_header,
    parse_name,
    segment_of,
    segment_room,
)
from tests.ledger.vector_files import ORIGIN, vector

FILE = "00000000000000000000.seg"
SECOND = 2485
END = 8032


def test_names_and_places():
    assert format_name(0) == FILE
    assert format_name(131_072, packed=True) == "00000000000000131072.seg.zst"
    assert parse_name(format_name(7)) == (7, False)
    assert parse_name(format_name(7, packed=True)) == (7, True)
    for bad in ("0.seg", FILE + ".tmp", "x" + FILE, FILE + "\n"):
        with pytest.raises(EvidenceRefused, match="no segment file name"):
            parse_name(bad)
    assert (segment_of(65_535), segment_of(65_536), segment_room(65_535), segment_room(65_536)) == (
        0,
        65_536,
        1,
        65_536,
    )


def test_us_01_header_of_the_worked_example():
    content = vector(FILE)
    assert make_file_header(ORIGIN, 0, EMPTY_ROOT) == content[:FILE_HEADER_SIZE]
    header = parse_file_header(content)
    assert (header.first, header.root, header.stripped) == (0, EMPTY_ROOT, False)
    assert format_file_header(header) == content[:FILE_HEADER_SIZE]


@given(st.integers(0, FILE_HEADER_SIZE * 8 - 1))
def test_us_01_any_flipped_bit_of_a_header_is_refused(bit):
    content = bytearray(vector(FILE)[:FILE_HEADER_SIZE])
    content[bit // 8] ^= 1 << bit % 8
    with pytest.raises(EvidenceRefused):
        parse_file_header(bytes(content))


def test_a_cut_header_is_none():
    with pytest.raises(EvidenceRefused, match="first 128 bytes"):
        parse_file_header(vector(FILE)[:127])


def offsets(content: bytes) -> list:
    return [
        found.offset if isinstance(found, PlacedFrame) else (found.offset, found.length, found.torn)
        for found in iterate_frames(content)
    ]


@pytest.mark.parametrize("free", [0, 1, 4096])
def test_zeros_to_the_end_are_free_space(free):
    assert offsets(vector(FILE) + bytes(free)) == [FILE_HEADER_SIZE, SECOND]
    assert offsets(vector(FILE)[:FILE_HEADER_SIZE] + bytes(free)) == []


@pytest.mark.parametrize("cut", [SECOND + 1, SECOND + 63, SECOND + 64, END - 1])
@pytest.mark.parametrize("free", [0, 4096])
def test_us_01_a_torn_tail_is_told_from_damage(cut, free):
    content = vector(FILE)[:cut] + bytes(free)
    first, tail = iterate_frames(content)
    assert isinstance(first, PlacedFrame)
    assert isinstance(tail, Damage)
    assert (tail.offset, tail.torn) == (SECOND, True)


def test_us_01_a_bad_frame_before_a_valid_one_is_damage():
    content = bytearray(vector(FILE))
    content[FILE_HEADER_SIZE + 100] ^= 1
    assert offsets(bytes(content)) == [(FILE_HEADER_SIZE, SECOND - FILE_HEADER_SIZE, False), SECOND]


def test_us_01_bytes_between_frames_are_damage():
    content = vector(FILE)
    content = content[:SECOND] + b"GWFR and more" + content[SECOND:]
    assert offsets(content) == [FILE_HEADER_SIZE, (SECOND, 13, False), SECOND + 13]
    assert find_frame(content, SECOND + 14) is None


def test_a_magic_number_alone_is_no_frame():
    content = vector(FILE)
    assert find_frame(b"GWFR" + content[SECOND:], 0) == 4
    assert find_frame(b"GWFR GWFR", 0) is None
