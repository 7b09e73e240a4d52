from __future__ import annotations

import math
import struct
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.decimals import (
    double_of_bits,
    exact,
    round_once,
    same_text,
    shortest_single,
    single_of_bits,
    written_as,
)

SINGLES = st.floats(width=32, allow_nan=False, allow_infinity=False)


def _bits(value: float) -> bytes:
    return struct.pack(">f", value)


def _digits(value: float) -> int:
    return len(Decimal(repr(value)).normalize().as_tuple().digits)


@given(SINGLES)
def test_di_01_shortest_single_names_the_same_bits(value):
    assert _bits(shortest_single(value)) == _bits(value)


@given(SINGLES)
def test_di_01_no_shorter_decimal_names_the_same_bits(value):
    digits = _digits(shortest_single(value))
    if digits > 1 and value:
        exponent = Decimal(value).adjusted()
        step = Decimal(1).scaleb(exponent - (digits - 1) + 1)
        floor = (Decimal(value) // step) * step
        for near in (floor - step, floor, floor + step):
            try:
                assert _bits(float(near)) != _bits(value)
            except OverflowError:
                continue


@pytest.mark.parametrize(
    ("bits", "text"),
    [
        ("3dcccccd", "0.1"),
        ("439b1852", "310.19"),
        ("4101999a", "8.1"),
        ("00000001", "1e-45"),
        ("7f7fffff", "3.4028235e+38"),
        ("c1a00000", "-20.0"),
        ("447a0001", "1000.00006"),  # nine digits are needed
        ("4b800000", "16777216.0"),
        ("80000000", "-0.0"),
        ("0f800000", "1.2621775e-29"),
    ],
)
def test_di_01_single_by_its_shortest_decimal(bits, text):
    assert repr(single_of_bits(bits)) == text


@pytest.mark.parametrize("exponent", range(-149, 128))
def test_di_01_powers_of_two_keep_their_bits(exponent):
    value = 2.0**exponent
    assert _bits(shortest_single(value)) == _bits(value)
    assert _bits(shortest_single(-value)) == _bits(-value)


def test_special_singles_stay_special():
    assert math.isnan(single_of_bits("7fc00000"))
    assert single_of_bits("7f800000") == math.inf
    assert double_of_bits("fff0000000000000") == -math.inf


@given(st.fractions(min_value=-(10**12), max_value=10**12))
def test_di_12_rounded_once_to_fifteen_digits_half_to_even(value):
    found = Fraction(repr(round_once(value)))
    if value:
        magnitude = Decimal(value.numerator) / Decimal(abs(value.denominator))
        step = Fraction(10) ** (magnitude.adjusted() - 14)
        assert abs(found - value) <= step / 2


def test_di_12_half_goes_to_even():
    assert round_once(Fraction("1.000000000000005")) == 1.0
    assert repr(round_once(Fraction("1.000000000000015"))) == "1.00000000000002"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_is_the_number_its_digits_say(value):
    assert exact(value) == Fraction(repr(value))


def test_an_integer_is_itself():
    assert exact(7) == 7


@pytest.mark.parametrize(
    ("value", "text"),
    [(37.0, "37.0"), (0.00001, "0.00001"), (9.9e-6, "9.9e-6"), (1e16, "1e16"), (1e15, "1000000000000000.0")],
)
def test_di_01_decimals_are_written_as_the_page_says(value, text):
    assert written_as(value) == text
    assert same_text(value, text)


def test_other_digits_are_other_text():
    assert not same_text(20.3, "20.30")
    assert not same_text(45.0, "45")
