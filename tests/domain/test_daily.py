"""A time of day in a zone: the newest moment it came, also around both changes of the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.daily import last_due

ZURICH = ZoneInfo("Europe/Zurich")


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1_000_000_000


def offset_s(at_ns: int) -> int:
    return int(datetime.fromtimestamp(at_ns / 1e9, UTC).astimezone(ZURICH).utcoffset().total_seconds())


@pytest.mark.parametrize(
    ("at", "now", "due"),
    [
        ("02:00", "2026-11-24T01:00:00+00:00", "2026-11-24T01:00:00+00:00"),
        ("02:00", "2026-11-24T00:59:59+00:00", "2026-11-23T01:00:00+00:00"),
        ("23:59", "2026-06-30T21:59:00+00:00", "2026-06-30T21:59:00+00:00"),
        ("00:00", "2026-07-01T12:00:00+00:00", "2026-06-30T22:00:00+00:00"),
        # 2026-03-29: 02:00 becomes 03:00; what is left out comes an hour later
        ("02:30", "2026-03-29T12:00:00+00:00", "2026-03-29T01:30:00+00:00"),
        ("02:30", "2026-03-29T01:29:59+00:00", "2026-03-28T01:30:00+00:00"),
        ("03:30", "2026-03-29T12:00:00+00:00", "2026-03-29T01:30:00+00:00"),
        ("01:30", "2026-03-29T12:00:00+00:00", "2026-03-29T00:30:00+00:00"),
        # 2026-10-25: 02:30 comes twice, the first counts
        ("02:30", "2026-10-25T12:00:00+00:00", "2026-10-25T00:30:00+00:00"),
        ("02:30", "2026-10-25T00:29:59+00:00", "2026-10-24T00:30:00+00:00"),
        ("03:30", "2026-10-25T12:00:00+00:00", "2026-10-25T02:30:00+00:00"),
    ],
)
def test_the_newest_moment_not_after_now(at, now, due):
    assert last_due(at, ns(now), offset_s) == ns(due)


@given(st.datetimes(timezones=st.just(UTC)), st.integers(0, 23), st.integers(0, 59))
def test_it_comes_once_a_day(now, hour, minute):
    now_ns = ns(now.replace(year=2024 + now.year % 6, day=min(now.day, 28), microsecond=0).isoformat())
    due_ns = last_due(f"{hour:02d}:{minute:02d}", now_ns, offset_s)
    assert 0 <= now_ns - due_ns <= timedelta(hours=25, minutes=1).total_seconds() * 1e9
    shown = datetime.fromtimestamp(due_ns / 1e9, UTC).astimezone(ZURICH)
    assert (shown.hour, shown.minute) in {(hour, minute), ((hour + 1) % 24, minute)}
    assert last_due(f"{hour:02d}:{minute:02d}", due_ns, offset_s) == due_ns
