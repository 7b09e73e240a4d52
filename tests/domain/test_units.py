from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.units import ALIASES, UNITS, conversion, convert, convert_span, convertible, unit_id, units_of_id

PAIRS = [(a, b) for a in UNITS for b in UNITS if convertible(a, b)]
NUMBERS = st.fractions(min_value=-(10**9), max_value=10**9)


@given(st.sampled_from(PAIRS), NUMBERS)
def test_di_12_conversion_is_exact_both_ways(pair, value):
    a, b = pair
    assert convert(convert(value, a, b), b, a) == value


@given(st.sampled_from(PAIRS), NUMBERS, NUMBERS)
def test_di_12_spans_convert_without_offset(pair, one, other):
    a, b = pair
    assert convert_span(one - other, a, b) == convert(one, a, b) - convert(other, a, b)


@pytest.mark.parametrize(
    ("value", "wire", "record", "expected"),
    [
        ("310.214", "K", "Cel", "37.064"),
        ("212", "[degF]", "Cel", "100"),
        ("-40", "[degF]", "Cel", "-40"),
        ("0", "Cel", "K", "273.15"),
        ("0.15", "mbar", "Pa", "15"),
        ("1", "bar", "mbar", "1000"),
        ("1", "[psi]", "Pa", Fraction("4.4482216152605") / Fraction("0.00064516")),
        ("1", "mm[Hg]", "Pa", "133.322"),
        ("1", "[in_i'H2O]", "Pa", "249.08891"),
        ("5", "ubar", "Pa", "0.5"),
        ("1", "/[cft_i]", "/m3", 1 / Fraction("0.028316846592")),
        ("1", "10*6/mL", "/m3", "1000000000000"),
        ("50", "%", "1", "0.5"),
        ("3", "[ppm]", "[ppb]", "3000"),
        ("28.3", "L/min", "m3/h", "1.698"),
        ("1", "[cft_i]/min", "L/min", "28.316846592"),
        ("20", "uS/cm", "mS/cm", "0.02"),
        ("90", "min", "h", "1.5"),
        ("1500", "mg/L", "g/L", "1.5"),
        ("2500", "mV", "V", "2.5"),
    ],
)
def test_di_12_known_conversions(value, wire, record, expected):
    assert convert(Fraction(value), wire, record) == Fraction(expected)


def test_di_12_units_of_another_dimension_do_not_convert():
    assert not convertible("Cel", "Pa")
    assert not convertible("%", "%{RH}")
    assert not convertible("{#}", "1")
    assert not convertible("g/L", "mmol/L")
    assert not convertible("L/min", "m/s")


def test_the_same_unit_needs_no_conversion():
    assert all(conversion(code, code) is None for code in UNITS)


def test_di_12_opc_ua_unit_ids_are_cefact_bytes():
    assert unit_id("CEL") == 4408652
    assert units_of_id(4408652) == ("Cel",)
    assert units_of_id(unit_id("P1")) == ("%", "%{RH}")
    assert units_of_id(unit_id("C62")) == ("1", "{#}")
    assert units_of_id(unit_id("M46")) == ("{rev}/min",)
    assert units_of_id(unit_id("A97")) == ("mbar",)
    assert units_of_id(unit_id("59")) == ("[ppm]",)
    assert units_of_id(0) == ()
    assert units_of_id(-1) == ()
    assert units_of_id(unit_id("ZZZ")) == ()


def test_every_code_with_a_cefact_code_is_found_by_its_unit_id():
    for code, unit in UNITS.items():
        if unit.cefact is not None:
            assert code in units_of_id(unit_id(unit.cefact))


def test_an_alias_is_never_itself_a_code_and_always_names_one():
    assert set(ALIASES).isdisjoint(UNITS)
    assert set(ALIASES.values()) <= set(UNITS)
    assert (ALIASES["°C"], ALIASES["hPa"], ALIASES["rpm"]) == ("Cel", "mbar", "{rev}/min")
