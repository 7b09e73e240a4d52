"""Retention rules as tables: the latest wins, a hold wins over all, and what is missing means keep (US-04)."""

from __future__ import annotations

from datetime import date

import pytest

from gateway.domain.retention import RECORDED_ON, Kept, Rule, Term, add_years, keep_batch, keep_record
from tests.fakes.log import NOON_NS

SITE = {
    "site-01": Rule((Term("implanted_on", 15),)),
    "site-02": Rule((Term(RECORDED_ON, 10),)),
    "site-03": Rule((Term(RECORDED_ON, 12),)),
}
DATES = {"expires_on": "2030-05-01", "certified_on": "2026-04-01", "released_on": "2026-03-01"}


@pytest.mark.parametrize(
    ("header", "until", "why"),
    [
        ({}, None, "no retention rule"),
        ({"retention_rules": " , "}, None, "no retention rule"),
        ({**DATES, "retention_rules": "eu-gmp"}, date(2031, 5, 1), "eu-gmp"),
        ({**DATES, "certified_on": "2029-04-01", "retention_rules": "eu-gmp"}, date(2034, 4, 1), "eu-gmp"),
        ({"expires_on": "2030-05-01", "retention_rules": "eu-gmp"}, None, "eu-gmp: certified_on missing"),
        ({**DATES, "expires_on": "soon", "retention_rules": "eu-gmp"}, None, "eu-gmp: expires_on 'soon' is no date"),
        ({**DATES, "retention_rules": "us-drug"}, date(2031, 5, 1), "us-drug"),
        ({"distributed_on": "2026-01-31", "retention_rules": "us-drug"}, date(2029, 1, 31), "us-drug"),
        ({"retention_rules": "us-drug"}, None, "us-drug: distributed_on missing"),
        ({"trial_ended_on": "2024-02-29", "retention_rules": "eu-imp"}, date(2029, 3, 1), "eu-imp"),
        (
            {"device_lifetime_ends_on": "2027-01-01", "released_on": "2026-03-01", "retention_rules": "device"},
            date(2028, 3, 1),
            "device",
        ),
        ({**DATES, "retention_rules": "us-drug, eu-gmp"}, date(2031, 5, 1), "us-drug"),
        ({**DATES, "implanted_on": "2026-01-01", "retention_rules": "eu-gmp site-01"}, date(2041, 1, 1), "site-01"),
        ({**DATES, "retention_rules": "eu-gmp site-01"}, None, "site-01: implanted_on missing"),
        ({**DATES, "retention_rules": "eu-gmp gb-old"}, None, "rule gb-old is not known"),
        ({**DATES, "retention_rules": "eu-gmp", "legal_hold": "LH-3"}, None, "hold LH-3"),
    ],
)
def test_us_04_a_batch_is_kept_by_its_longest_rule_and_without_end_where_anything_is_missing(header, until, why):
    assert keep_batch(header, SITE) == Kept(until, why)


def test_us_04_a_record_without_batch_is_kept_by_the_longest_rule_of_the_site_or_for_ever():
    assert keep_record(NOON_NS, SITE) == Kept(date(2038, 10, 25), "site-03")
    assert keep_record(NOON_NS, {"site-01": SITE["site-01"]}) == Kept(None, "no rule from recorded_on")


def test_us_04_the_last_day_still_counts():
    kept = Kept(date(2031, 5, 1), "eu-gmp")
    assert not kept.past(date(2031, 5, 1))
    assert kept.past(date(2031, 5, 2))
    assert not Kept(None, "hold LH-3").past(date(9999, 1, 1))
    assert kept.text() == "keep until 2031-05-01 (eu-gmp)"
    assert Kept(None, "hold LH-3").text() == "keep without end (hold LH-3)"


def test_a_leap_day_is_kept_a_day_longer():
    assert add_years(date(2024, 2, 29), 4) == date(2028, 2, 29)
    assert add_years(date(2024, 2, 29), 1) == date(2025, 3, 1)
