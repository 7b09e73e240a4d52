"""Retention: until when a batch, or a record, is kept by its rules and dates (`records-and-review.md` 8). Pure.

The latest of all rules and holds wins; what is missing or cannot be read means *keep*.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final

from msgspec import Struct

RULES_FIELD: Final = "retention_rules"
"""Header field that names a batch's rules, separated by spaces or commas."""
HOLD_FIELD: Final = "legal_hold"
"""Header field with the id of a legal hold, empty or absent when there is none."""
RECORDED_ON: Final = "recorded_on"
"""Date field of a site's rule that every record has: the day on which it was written."""


class Term(Struct, frozen=True):
    """A date field of the header and the years that are added."""

    field: str
    years: int


class Rule(Struct, frozen=True):
    """``terms``: all must be known, the latest counts. ``instead``: used where the fields of ``terms`` are not given."""

    terms: tuple[Term, ...]
    instead: tuple[Term, ...] = ()


BUILT_IN: Final[Mapping[str, Rule]] = {
    "us-drug": Rule((Term("expires_on", 1),), instead=(Term("distributed_on", 3),)),
    "eu-gmp": Rule((Term("expires_on", 1), Term("certified_on", 5))),
    "eu-imp": Rule((Term("trial_ended_on", 5),)),
    "device": Rule((Term("device_lifetime_ends_on", 0), Term("released_on", 2))),
}
"""21 CFR 211.180; Directive (EU) 2017/1572 Art. 9; Regulation (EU) 2017/1569 Art. 8; ISO 13485 4.2.5 and 21 CFR 820."""


class Kept(Struct, frozen=True):
    """Until when something is kept: ``until`` the last day, None without end; ``why`` names the rule or what is missing."""

    until: date | None
    why: str

    def past(self, today: date) -> bool:
        """Say whether nothing keeps it any more."""
        return self.until is not None and today > self.until

    def text(self) -> str:
        """Return ``keep until 2031-05-01 (eu-gmp)`` or ``keep without end (…)``."""
        day = "without end" if self.until is None else f"until {self.until.isoformat()}"
        return f"keep {day} ({self.why})"


def keep_batch(header: Mapping[str, str], site: Mapping[str, Rule]) -> Kept:
    """Return until when a batch is kept by its header; ``site`` are the site's own rules by id."""
    hold = header.get(HOLD_FIELD, "").strip()
    names = header.get(RULES_FIELD, "").replace(",", " ").split()
    if hold:
        return Kept(None, f"hold {hold}")
    if not names:
        return Kept(None, "no retention rule")
    latest: Kept | None = None
    for name in names:
        rule = site.get(name) or BUILT_IN.get(name)
        kept = Kept(None, f"rule {name} is not known") if rule is None else _by_rule(name, rule, header)
        if kept.until is None:
            return kept
        if latest is None or latest.until is None or kept.until > latest.until:
            latest = kept
    assert latest is not None, "there is a rule"
    return latest


def keep_record(written_ns: int, site: Mapping[str, Rule]) -> Kept:
    """Return until when a record is kept that no batch explains: by the longest of the site's rules from `recorded_on`."""
    terms = [(term, name) for name, rule in site.items() for term in rule.terms if term.field == RECORDED_ON]
    if not terms:
        return Kept(None, f"no rule from {RECORDED_ON}")
    term, name = max(terms, key=lambda found: found[0].years)
    return Kept(add_years(day_of(written_ns), term.years), name)


def day_of(at_ns: int) -> date:
    """Return the UTC day of a time in ns since 1970."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_ns // 1000)).date()


def add_years(day: date, years: int) -> date:
    """Return the same day years later; the 29th of February becomes the 1st of March."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


def _by_rule(name: str, rule: Rule, header: Mapping[str, str]) -> Kept:
    terms = rule.terms
    if rule.instead and not any(header.get(term.field) for term in terms):
        terms = rule.instead
    days: list[date] = []
    for term in terms:
        given = header.get(term.field, "")
        try:
            days.append(add_years(date.fromisoformat(given), term.years))
        except ValueError:
            what = f"{term.field} missing" if not given else f"{term.field} '{given[:20]}' is no date"
            return Kept(None, f"{name}: {what}")
    return Kept(max(days), name)
