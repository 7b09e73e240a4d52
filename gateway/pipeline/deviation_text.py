"""Title and description of a deviation: what was required, what was observed, in one plain sentence each."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.pipeline.event_body import format_seconds
from gateway.pipeline.event_data import Requirement

TITLE_CHARACTERS_MAX: Final = 120
DESCRIPTION_CHARACTERS_MAX: Final = 1_000

_SIDES: Final = {
    "gt": ("above", "at most", "up to"),
    "lt": ("below", "at least", "down to"),
    "rate": ("changing faster than", "a change of at most", "a change of up to"),
    "flat": ("unchanged beyond", "a change of at least", "a change of"),
    "count": ("breaking its limit more often than", "at most", "up to"),
    "total": ("in total above", "in total at most", "in total up to"),
}
"""Operator → word of the title, of the requirement, of what was observed."""

_NS_PER_S: Final = 1_000_000_000
_ENDED: Final = " The condition has ended; this closes nothing."


def make_title(
    subject: str, requirement: Requirement | None, cause: str, t0_ns: int, ended_after_ns: int | None
) -> str:
    """Return `FRZ-01 temperature above -15.0 Cel since 03:01:20Z`, or `… for 12 min 40 s` once it has ended.

    Without a requirement (a data condition, a state of our own) ``cause`` says what happened.
    """
    when = f"since {format_seconds(t0_ns)[11:]}" if ended_after_ns is None else f"for {format_duration(ended_after_ns)}"
    what = cause.replace("_", " ")
    if requirement is not None and requirement.operator in _SIDES:
        what = f"{_SIDES[requirement.operator][0]} {_measure(requirement.value, requirement.unit)}"
    return _cut(f"{subject} {what} {when}", TITLE_CHARACTERS_MAX)


def make_description(
    requirement: Requirement | None,
    cause: str,
    observed: Any,
    duration_ns: int,
    *,
    ended: bool,
    addition: str = "",
) -> str:
    """Return requirement and observation in words; ``observed`` is the extreme, ``addition`` a sentence of its own."""
    if requirement is None or requirement.operator not in _SIDES:
        text = f"Observed: {cause.replace('_', ' ')} for {format_duration(duration_ns)}."
    else:
        side, required, reached = _SIDES[requirement.operator]
        seen = _measure(observed, requirement.unit)
        text = f"Required: {required} {_measure(requirement.value, requirement.unit)}. "
        if ended:
            text += f"Observed: {reached} {seen}."
        elif requirement.operator in {"gt", "lt"}:
            text += f"Observed: {seen}, {side} the limit for {format_duration(duration_ns)}."
        else:
            text += f"Observed: {reached} {seen}, for {format_duration(duration_ns)}."
    return _cut(text + (_ENDED if ended else "") + (f" {addition}" if addition else ""), DESCRIPTION_CHARACTERS_MAX)


def format_duration(duration_ns: int) -> str:
    """Return `12 min 40 s`, `2 h 05 min 00 s`, `1 d 00 h 05 min 00 s`; fractions of a second are cut."""
    seconds = max(0, duration_ns) // _NS_PER_S
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days} d {hour:02d} h {minute:02d} min {second:02d} s"
    if hour:
        return f"{hour} h {minute:02d} min {second:02d} s"
    return f"{minute} min {second:02d} s"


def _measure(value: Any, unit: str | None) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if unit is None else f"{text} {unit}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
