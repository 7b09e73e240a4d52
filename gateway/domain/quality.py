"""Quality: what native status, transport reasons and ranges make of a value (`ingest.md` 3.5, 6; `profiles.md` 2)."""

from __future__ import annotations

from fractions import Fraction

from gateway.domain.decimals import exact
from gateway.domain.sample import Quality

GOOD, UNCERTAIN, BAD = Quality.GOOD, Quality.UNCERTAIN, Quality.BAD

REASONS = (
    "status",
    "no_value",
    "not_a_number",
    "type",
    "enum",
    "sentinel",
    "absent",
    "invalid_sample",
    "instrument_range",
    "plausible_range",
    "rate",
    "correction",
    "identity",
    "time_ambiguous",
    "time_impossible",
)
"""All reason codes of a reading, in the order they are written."""

UNCERTAIN_REASONS = frozenset(("plausible_range", "rate", "correction", "time_ambiguous", "time_impossible"))
"""Reasons that leave a value usable with doubt; every other reason but ``status`` makes it bad."""

_INFO_IS_DATA_VALUE = 0x400
_INFO_MASK = 0xC00
_OVERFLOW = 0x80
_LIMIT_SHIFT, _LIMIT_MASK = 8, 0b11
_SEVERITY_SHIFT = 30
_SEVERITIES = (GOOD, UNCERTAIN, BAD, BAD)
_LIMITS = ((), ("limit_low",), ("limit_high",), ("limit_high", "limit_low"))


def severity(status: int) -> Quality:
    """Judge an OPC UA status code by its two severity bits alone; 0x000000C0 is good as well."""
    return _SEVERITIES[(status >> _SEVERITY_SHIFT) & 0b11]


def status_flags(status: int) -> tuple[str, ...]:
    """Return the flags in the info bits of an OPC UA status code: limit bits and queue overflow, sorted."""
    if status & _INFO_MASK != _INFO_IS_DATA_VALUE:
        return ()
    limits = _LIMITS[(status >> _LIMIT_SHIFT) & _LIMIT_MASK]
    return (*limits, "overflow") if status & _OVERFLOW else limits


def quality_of(reasons: tuple[str, ...]) -> Quality:
    """Return what reason codes found by the transport make of a value; ``status`` speaks through its code, not here."""
    if not reasons:
        return GOOD
    if all(reason in UNCERTAIN_REASONS or reason == "status" for reason in reasons):
        return UNCERTAIN
    return BAD


def worst(*found: Quality) -> Quality:
    """Return the worst of several judgements."""
    return BAD if BAD in found else UNCERTAIN if UNCERTAIN in found else GOOD


def in_order(reasons: tuple[str, ...]) -> tuple[str, ...]:
    """Return each reason once, in the order of `REASONS`; unknown ones at the end."""
    known = tuple(reason for reason in REASONS if reason in reasons)
    return known + tuple(sorted(set(reasons) - set(known)))


def changes_too_fast(before: float, after: Fraction, elapsed_ns: int, per_minute: Fraction) -> bool:
    """Tell whether a value moved faster than ``per_minute``; without elapsed time nothing is said."""
    if elapsed_ns <= 0:
        return False
    return abs(after - exact(before)) * 60_000_000_000 > per_minute * elapsed_ns
