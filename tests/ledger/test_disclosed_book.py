"""A book of disclosed entries says what the list says, from the bytes alone."""

from __future__ import annotations

import pytest

from gateway.ledger.disclosed import format_disclosed, parse_disclosed, render_readings
from gateway.ledger.disclosed_book import DisclosedBook
from tests.ledger.logs import reading

PAIRS = [(index, bytes([index]) * 16 + reading(index)) for index in (1, 4, 5, 200)]
CONTENT = format_disclosed(PAIRS)


def test_a_book_is_the_bytes_of_entries_bin_and_the_pairs_in_them():
    book = DisclosedBook.of(PAIRS)
    assert (book.content, book.whole, book.ascending) == (CONTENT, True, True)
    assert list(book) == PAIRS
    assert (len(book), book[-1], book[1:3]) == (4, PAIRS[-1], PAIRS[1:3])
    assert DisclosedBook.of(book) is book
    assert list(book.indexes) == [1, 4, 5, 200]


@pytest.mark.parametrize("count", [0, 500, 1_300, 5_000])
def test_room_that_is_taken_beforehand_changes_no_byte(count):
    pairs = [(index, bytes(16) + reading(index)) for index in range(1_300)]
    assert DisclosedBook.of(iter(pairs), count).content == format_disclosed(pairs)


def test_a_view_is_the_parsed_list():
    view, parsed = DisclosedBook(CONTENT).disclosed(), parse_disclosed(CONTENT)[0]
    assert list(view) == parsed
    assert (len(view), view[2], view[-1], view[1:]) == (4, parsed[2], parsed[-1], parsed[1:])
    assert render_readings(view) == render_readings(parsed)
    with pytest.raises(IndexError):
        view[4]


def test_bytes_that_end_inside_an_entry_are_not_whole():
    for cut in range(1, len(CONTENT) + 1):
        book, (parsed, whole) = DisclosedBook(CONTENT[:-cut]), parse_disclosed(CONTENT[:-cut])
        assert (list(book.disclosed()), book.whole) == (parsed, whole)


def test_order_is_told():
    assert not DisclosedBook(format_disclosed([PAIRS[1], PAIRS[0]])).ascending
    assert not DisclosedBook(format_disclosed([PAIRS[0], PAIRS[0]])).ascending
    assert DisclosedBook(b"").ascending


def test_a_cell_with_a_separator_is_quoted():
    for value, cell in (('"a,b"', '"a,b"'), ('"a\\"b"', '"a""b"'), ('"a\\nb"', '"a\nb"'), ('"ab"', "ab")):
        record = reading(3).replace(b'"value":3.5', b'"value":%b' % value.encode())
        row = render_readings(parse_disclosed(format_disclosed([(9, bytes(16) + record)]))[0]).partition(b"\n")[2]
        assert row.split(b",good")[0].endswith(b"," + cell.encode())
