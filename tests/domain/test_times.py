from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.times import format_time, parse_time
from gateway.errors import Refused

AT_NS = 1_795_316_480_000_000_000
"""2026-11-22T03:01:20Z."""


@pytest.mark.parametrize(
    ("text", "at_ns"),
    [
        ("2026-11-22T03:01:20Z", AT_NS),
        ("2026-11-22t03:01:20z", AT_NS),
        ("2026-11-22T03:01:20.5Z", AT_NS + 500_000_000),
        ("2026-11-22T03:01:20.000000001Z", AT_NS + 1),
        ("2026-11-22T04:01:20+01:00", AT_NS),
        ("2026-11-21T21:31:20-05:30", AT_NS),
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59.25Z", -750_000_000),
        ("2016-12-31T23:59:60Z", 1_483_228_799_000_000_000),
    ],
)
def test_time_with_zone_is_exact_to_the_nanosecond(text: str, at_ns: int) -> None:
    assert parse_time(text) == at_ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-22",
        "2026-11-22T03:01:20",
        "2026-11-22 03:01:20Z",
        "2026-11-22T03:01:20,5Z",
        "2026-11-22T03:01:20.0000000001Z",
        "2026-11-22T03:01:20Z\n",
        "2026-11-22T03:01:20+24:00",
        "2026-11-22T03:01:20+01:60",
        "2026-11-22T03:01:61Z",
        "2026-11-22T24:00:00Z",
        "2026-02-29T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "٢٠٢٦-11-22T03:01:20Z",
    ],
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(Refused, match=re.escape(repr(text))) as refused:
        parse_time(text)
    assert refused.value.code == "BAT-004"
    assert "2026-11-22T03:01:20.5Z" in refused.value.remedy


@pytest.mark.parametrize(
    ("at_ns", "text"),
    [
        (AT_NS, "2026-11-22T03:01:20Z"),
        (AT_NS + 500_000_000, "2026-11-22T03:01:20.500Z"),
        (AT_NS + 1_000, "2026-11-22T03:01:20.000001Z"),
        (AT_NS + 1, "2026-11-22T03:01:20.000000001Z"),
        (-750_000_000, "1969-12-31T23:59:59.250Z"),
    ],
)
def test_time_has_as_many_digits_as_it_needs(at_ns: int, text: str) -> None:
    assert format_time(at_ns) == text


@given(st.integers(-(2**60), 2**62))
def test_time_comes_back_as_it_went(at_ns: int) -> None:
    assert parse_time(format_time(at_ns)) == at_ns
