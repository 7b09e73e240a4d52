"""Valid when: conditions on other signals of the same sample (a particle count without air flow is no count)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, Protocol

from gateway.domain.decimals import exact
from gateway.domain.plan import ValidWhen
from gateway.domain.sample import Quality
from gateway.domain.wire_types import enum_key


class Judged(Protocol):
    """What a condition looks at in a decoded companion."""

    @property
    def value(self) -> Any:
        """Recorded value, None if there is none."""
        ...

    @property
    def quality(self) -> Quality:
        """Judgement of the value."""
        ...


Conditions = Callable[[Mapping[str, Any]], bool]


def compile_conditions(conditions: tuple[ValidWhen, ...]) -> Conditions:
    """Return a function that tells whether all conditions hold; a companion that is missing or bad proves nothing."""
    tests = tuple((condition.signal, _compile_one(condition)) for condition in conditions)

    def hold(companions: Mapping[str, Any]) -> bool:
        for signal, test in tests:
            found: Judged | None = companions.get(signal)
            if found is None or found.quality is Quality.BAD or found.value is None or not test(found.value):
                return False
        return True

    return hold


def _compile_one(condition: ValidWhen) -> Callable[[Any], bool]:
    if condition.equals is not None:
        wanted = condition.equals
        return lambda value: enum_key(value) == wanted
    low = None if condition.low is None else Fraction(condition.low)
    high = None if condition.high is None else Fraction(condition.high)

    def within(value: Any) -> bool:
        if isinstance(value, (bool, str)) or not isinstance(value, (int, float)):
            return False
        number = exact(value)
        return (low is None or number >= low) and (high is None or number <= high)

    return within
