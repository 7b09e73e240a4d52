"""Source times: exact to the nanosecond, never rewritten, and honest about the hours that are unsure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.mqtt.times import NO_INSTANT, NO_TIME, SourceTime, compile_time
from gateway.domain.plan import TimeRule
from gateway.domain.sample import Raw
from gateway.errors import SourceRefused

NOON = 1_795_348_800_000_000_000  # 2026-11-22T12:00:00Z


def read(form: str, value: Any, received_ns: int = NOON, zone: str | None = None) -> SourceTime:
    return compile_time(TimeRule(path="at", format=form, zone=zone))(value, received_ns)


def num(text: str) -> Raw:
    return Raw("num", text)


@pytest.mark.parametrize(
    ("form", "value", "ns"),
    [
        ("epoch_s", num("1795348800"), NOON),
        ("epoch_s", num("1795348800.123456789"), NOON + 123_456_789),
        ("epoch_s", num("1795348800.1234567891"), NOON + 123_456_789),
        ("epoch_s", num("1.7953488e9"), NOON),
        ("epoch_ms", num("1795348800001"), NOON + 1_000_000),
        ("epoch_ms", num("1795348800000.000001"), NOON + 1),
        ("epoch_us", num("1795348800000001"), NOON + 1_000),
        ("epoch_ns", num("1795348800000000001"), NOON + 1),
        ("epoch_s", num("-1"), -1_000_000_000),
        ("epoch_ms", num("0"), 0),
        ("iso8601", "2026-11-22T12:00:00Z", NOON),
        ("iso8601", "2026-11-22t12:00:00.000000001z", NOON + 1),
        ("iso8601", "2026-11-22T12:00:00.1234567899Z", NOON + 123_456_789),
        ("iso8601", "2026-11-22 13:00:00,5+01:00", NOON + 500_000_000),
        ("iso8601", "2026-11-22T13:00:00+0100", NOON),
        ("iso8601", "2026-11-22T06:30:00-05:30", NOON),
        ("iso8601", "2026-11-22T13:00:00+01", NOON),
        ("strptime:%d.%m.%Y %H:%M:%S %z", "22.11.2026 13:00:00 +0100", NOON),
        ("strptime:%Y%m%d%H%M%S.%f%z", "20261122120000.250+0000", NOON + 250_000_000),
    ],
)
def test_di_07_time_is_exact(form: str, value: Any, ns: int) -> None:
    assert read(form, value) == SourceTime(ns)


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("epoch_s", "1795348800"),
        ("epoch_s", num("1e30")),
        ("epoch_s", num("1e999999999")),
        ("epoch_s", num("99999999999999999999")),
        ("epoch_ns", num("9223372036854775808")),
        ("epoch_ms", True),
        ("iso8601", num("1795348800")),
        ("iso8601", "2026-11-22T12:00:00"),
        ("iso8601", "2026-02-30T12:00:00Z"),
        ("iso8601", "2026-11-22T24:00:00Z"),
        ("iso8601", "2026-11-22T12:00:61Z"),
        ("iso8601", "2026-11-22T12:00:00+24:00"),
        ("iso8601", "2026-11-22"),
        ("iso8601", "yesterday"),
        ("iso8601", "0001-01-01T00:00:00Z"),
        ("iso8601", "9999-12-31T23:59:59Z"),
        ("iso8601", "٢٠٢٦-11-22T12:00:00Z"),
        ("strptime:%H:%M", "noon"),
        ("strptime:%Y-%m-%d", "2026-11-22"),
    ],
)
def test_time_that_is_no_instant_leaves_the_received_time(form: str, value: Any) -> None:
    assert read(form, value) == NO_INSTANT


@pytest.mark.parametrize("form", ["epoch_s", "iso8601", "strptime:%Y"])
def test_null_time_is_no_time(form: str) -> None:
    assert read(form, None) == NO_TIME


def test_none_never_gives_a_time() -> None:
    assert read("none", "2026-11-22T12:00:00Z") == NO_TIME


@pytest.mark.parametrize(
    ("form", "text"),
    [("iso8601", "2016-12-31T23:59:60Z"), ("strptime:%Y-%m-%d %H:%M:%S %z", "2016-12-31 23:59:60 +0000")],
)
def test_second_60_is_clamped_and_flagged(form: str, text: str) -> None:
    minute_ends = int(datetime(2017, 1, 1, tzinfo=UTC).timestamp()) * 10**9
    assert read(form, text) == SourceTime(minute_ends - 1, "", clamped=True)


ZURICH = "Europe/Zurich"
FIRST = int(datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()) * 10**9  # 02:30 summer time
SECOND = FIRST + 3_600_000_000_000  # 02:30 winter time


@pytest.mark.parametrize("form", ["iso8601", "strptime:%Y-%m-%dT%H:%M:%S"])
@pytest.mark.parametrize(("received", "ns"), [(FIRST + 10**9, FIRST), (SECOND + 10**9, SECOND)])
def test_autumn_fold_takes_the_nearer_hour_and_says_so(form: str, received: int, ns: int) -> None:
    assert read(form, "2026-10-25T02:30:00", received, ZURICH) == SourceTime(ns, "time_ambiguous")


def test_spring_gap_never_was() -> None:
    assert read("iso8601", "2026-03-29T02:30:00", NOON, ZURICH) == NO_INSTANT


def test_zone_in_the_text_wins_over_the_zone_of_the_profile() -> None:
    assert read("iso8601", "2026-11-22T12:00:00Z", NOON, ZURICH) == SourceTime(NOON)
    assert read("iso8601", "2026-11-22T13:00:00", NOON, ZURICH) == SourceTime(NOON)


@pytest.mark.parametrize(
    "rule", [TimeRule(path="a", format="unix"), TimeRule(path="a", format="iso8601", zone="Europe/Nowhere")]
)
def test_unknown_format_or_zone_is_refused(rule: TimeRule) -> None:
    with pytest.raises(SourceRefused):
        compile_time(rule)


@given(st.integers(-(2**62), 2**62))
def test_any_epoch_ns_comes_back(ns: int) -> None:
    assert read("epoch_ns", num(str(ns))).ns == ns


@given(st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1)), st.integers(0, 999), st.integers(-1439, 1439))  # noqa: DTZ001
def test_any_iso_instant_comes_back(local: datetime, sub_ns: int, minutes: int) -> None:
    sign, (hours, rest) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
    text = f"{local:%Y-%m-%dT%H:%M:%S.%f}{sub_ns:03d}{sign}{hours:02d}:{rest:02d}"
    wall = (local - datetime(1970, 1, 1)) // timedelta(microseconds=1) * 1000 + sub_ns  # noqa: DTZ001
    assert read("iso8601", text).ns == wall - minutes * 60 * 10**9


MOMENTS = st.integers(0, 292 * 365 * 86_400).map(lambda s: datetime.fromtimestamp(s + 0.25, UTC))


@given(st.lists(MOMENTS, min_size=1, max_size=4), st.integers(0, 9))
def test_times_of_one_minute_are_read_as_if_each_were_the_first(moments, digits):
    made = compile_time(TimeRule(path="at", format="iso8601"))
    for moment in [one for at in moments for one in (at, at.replace(second=(at.second + 7) % 60))]:
        fraction = "." + f"{moment.microsecond:06d}123"[:digits] if digits else ""
        text = f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"
        assert made(text, 0) == compile_time(TimeRule(path="at", format="iso8601"))(text.replace("Z", "+00:00"), 0)
