from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.findings import Place
from gateway.config.yaml_file import dotted, load_yaml, scalar


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),
        ("off", "off"),
        ("12:30", "12:30"),
        ("0123", 123),
        ("0o17", 15),
        ("0x30", 48),
        ("1_000", "1_000"),
        ("2027-03-31", "2027-03-31"),
        ("true", True),
        ("True", True),
        ("yes", "yes"),
        ("~", None),
        ("", None),
        ("null", None),
        ("36.0", Decimal("36.0")),
        ("-.5", Decimal("-0.5")),
        ("1e3", Decimal(1000)),
        (".inf", ".inf"),
        ("1e9999", "1e9999"),
        ("+7", 7),
    ],
)
def test_di_12_scalars_are_what_was_typed(text, value):
    found = scalar(text, plain=True)
    assert (found, type(found)) == (value, type(value))
    assert scalar(text, plain=False) == text


def test_di_12_decimals_keep_their_typed_digits():
    file = load_yaml("x", b"a: 36.50\nb: 0.10\n")
    assert {key: str(value) for key, value in file.tree.items()} == {"a": "36.50", "b": "0.10"}


def test_keys_are_text():
    assert load_yaml("x", b"{0: a, true: b, 1.5: c}").tree == {"0": "a", "true": "b", "1.5": "c"}


def test_every_value_and_key_has_its_place():
    file = load_yaml("x", b"a: {b: [1, 'two']}\n")
    assert file.keys[("a", "b")] == Place("x", 1, 5, 6)
    assert file.values[("a", "b", 1)] == Place("x", 1, 12, 17)
    assert file.place(("a", "b", 7)) == file.keys[("a", "b")]
    assert file.key_place(("a", "b", 1)) == file.values[("a", "b", 1)]
    assert file.source(1) == "a: {b: [1, 'two']}"
    assert file.source(2) is None


def test_paths_read_as_people_write_them():
    assert dotted(("rules", "temp", "signals", 0)) == "rules.temp.signals[0]"
    assert dotted(()) == ""


@given(st.binary(max_size=200))
def test_any_bytes_end_in_a_tree_or_in_findings(content):
    file = load_yaml("x", content)
    assert (file.tree is None) or not file.findings
    for found in file.findings:
        assert found.id.startswith("YML-")
        assert found.line >= 1
        assert found.column >= 1


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=6))
def test_di_12_a_typed_number_is_read_exactly(number):
    text = f"{number:f}"
    assert Decimal(load_yaml("x", f"a: {text}".encode()).tree["a"]) == number
