"""Decode: from a sample to a value, its quality and the reasons, by one signal's plan (`profiles.md` 2, `ingest.md` 6).

Order: type, sentinel, mask and shift, enum, scale and offset, wire to recorded unit, calibration correction, ranges. A bad
value is null and its wire value stands beside it; only outside ``instrument_range`` the value itself is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, Protocol, TypeGuard

from msgspec import Struct

from gateway.domain.calibration import compile_calibration_flags, due_end_ns
from gateway.domain.decimals import INTEGER_MAX, exact, same_text
from gateway.domain.mapping import compile_rounded, is_numeric_map
from gateway.domain.plan import SignalPlan
from gateway.domain.quality import (
    BAD,
    GOOD,
    UNCERTAIN,
    changes_too_fast,
    in_order,
    quality_of,
    severity,
    status_flags,
    worst,
)
from gateway.domain.sample import Quality, Raw, Sample
from gateway.domain.valid_when import compile_conditions
from gateway.domain.wire_types import INTEGERS, NUMBERS, WIRE_TYPES, NotOfType, enum_key, exact_wire, reader

Value = bool | int | float | str | dict[str, Any] | list[Any] | None


class Decoded(Struct, frozen=True):
    """A judged value: ``raw`` only where the value is not literally the wire's; ``reasons`` and ``flags`` in record order."""

    value: Value
    raw: Raw | None
    quality: Quality
    reasons: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


class Previous(Struct, frozen=True):
    """The newest usable number of the same signal, for ``rate_per_min``; times as its sample had them."""

    value: float
    source_ns: int | None
    received_ns: int


NO_COMPANIONS: Mapping[str, Decoded] = {}


class Decoder(Protocol):
    """One signal's decoder. ``companions`` are the decoded signals of the same sample by full id (`companions_of`)."""

    def __call__(
        self, sample: Sample, companions: Mapping[str, Decoded] = NO_COMPANIONS, previous: Previous | None = None, /
    ) -> Decoded:
        """Judge one sample. Pure: the same arguments give the same answer."""
        ...


class _Found(Struct, frozen=True):
    """A value on its way: ``number`` is set where ranges and rate apply, ``literal`` that it is still the wire's."""

    value: Value
    number: float | None = None
    reason: str | None = None
    literal: bool = True


_Step = Callable[[Raw], _Found]


def companions_of(plan: SignalPlan) -> tuple[str, ...]:
    """Return the ids of signals of the same sample that must be decoded before this one."""
    return tuple(condition.signal for condition in plan.valid_when)


def decode(
    plan: SignalPlan,
    sample: Sample,
    companions: Mapping[str, Decoded] = NO_COMPANIONS,
    previous: Previous | None = None,
) -> Decoded:
    """Judge one sample by one plan; compiles first, so use `compile_decoder` where many samples pass."""
    return compile_decoder(plan)(sample, companions, previous)


def compile_decoder(plan: SignalPlan) -> Decoder:
    """Return the decoder of one signal, with everything that does not depend on the sample done once."""
    general = _compile_general(plan)
    if _is_identity(plan):
        return _compile_identity(plan, general)
    return general


def _is_identity(plan: SignalPlan) -> bool:
    """Tell whether the wire's number, text or truth is the record's, and no rule looks at it."""
    rules = (plan.enum, plan.mask, plan.instrument_range, plan.plausible_range, plan.rate_per_min, plan.quality_map)
    plain = all(rule is None for rule in rules) and not plan.sentinels and not plan.valid_when and not plan.shift
    return plain and plan.type is not None and (plan.type not in NUMBERS or not is_numeric_map(plan))


def _compile_identity(plan: SignalPlan, general: Decoder) -> Decoder:
    """Return the short way for good samples; all others take the general one and get the same answer."""
    wire_type, read = WIRE_TYPES[plan.type], reader(plan.type)
    standing = compile_calibration_flags(plan)(0)
    due_ns = due_end_ns(plan)
    is_real, is_number = plan.type in {"float", "double"}, plan.type == "number"
    is_integer = plan.type in INTEGERS

    def identity(
        sample: Sample, companions: Mapping[str, Decoded] = NO_COMPANIONS, previous: Previous | None = None, /
    ) -> Decoded:
        found, wire = sample.raw
        if found != wire_type or sample.status or sample.reasons or sample.received_ns > due_ns:
            return general(sample, companions, previous)
        try:
            value = read(wire)
        except ValueError:
            return general(sample, companions, previous)
        if is_real:
            if not value or value - value != 0.0:
                return general(sample, companions, previous)
        elif is_number:
            if not value or repr(value) != wire:
                return general(sample, companions, previous)
        elif is_integer and (str(value) != wire or not -INTEGER_MAX <= value <= INTEGER_MAX):
            return general(sample, companions, previous)
        flags = sample.flags
        if standing:
            flags = tuple(sorted({*flags, *standing}))
        return Decoded(value, None, GOOD, (), flags)

    return identity


def _compile_general(plan: SignalPlan) -> Decoder:
    """Return the whole rule, for every sample."""
    step = _compile_value(plan)
    valid = compile_conditions(plan.valid_when)
    ranges = _compile_ranges(plan)
    rate = Fraction(plan.rate_per_min) if plan.rate_per_min is not None else None
    quality_map = plan.quality_map
    calibration_flags = compile_calibration_flags(plan)

    def general(
        sample: Sample, companions: Mapping[str, Decoded] = NO_COMPANIONS, previous: Previous | None = None, /
    ) -> Decoded:
        native = _native_quality(sample, quality_map)
        reasons = (*sample.reasons, "status") if native is not GOOD else sample.reasons
        flags = _flags(sample, calibration_flags(sample.received_ns))
        told = worst(native, quality_of(sample.reasons))
        raw = sample.raw
        kept = None if raw.type == "null" else raw
        if told is BAD:
            return Decoded(None, kept, BAD, in_order(reasons), flags)
        if kept is None:
            return Decoded(None, None, BAD, in_order((*reasons, "no_value")), flags)
        if not valid(companions):
            return Decoded(None, raw, BAD, in_order((*reasons, "invalid_sample")), flags)
        found = step(raw)
        if found.value is None:
            assert found.reason is not None
            return Decoded(None, raw, BAD, in_order((*reasons, found.reason)), flags)
        if found.reason is not None:
            reasons, told = (*reasons, found.reason), UNCERTAIN
        if found.number is not None:
            quality, more = ranges(found.number)
            if rate is not None and previous is not None and _too_fast(found.number, sample, previous, rate):
                quality, more = worst(quality, UNCERTAIN), (*more, "rate")
            reasons, told = (*reasons, *more), worst(told, quality)
        return Decoded(found.value, None if found.literal else raw, told, in_order(reasons), flags)

    return general


def _flags(sample: Sample, standing: tuple[str, ...]) -> tuple[str, ...]:
    found = {*sample.flags, *standing}
    if sample.status:
        found.update(status_flags(sample.status))
    return tuple(sorted(found))


def _native_quality(sample: Sample, quality_map: dict[str, str] | None) -> Quality:
    """Judge the native code: by the profile's map if it has one (an unlisted code is bad), else by its severity."""
    if quality_map is None:
        return GOOD if sample.status is None else severity(sample.status)
    native = sample.native if sample.native is not None else None if sample.status is None else str(sample.status)
    return GOOD if native is None else Quality(quality_map.get(native, "bad"))


def _compile_value(plan: SignalPlan) -> _Step:
    """Return type check, sentinels and mapping for one plan."""
    wire_type, read = WIRE_TYPES[plan.type], reader(plan.type)
    convert: Callable[[Any, Raw], _Found]
    if plan.type is None:
        convert = _event
    elif plan.type in NUMBERS:
        convert = _compile_number(plan)
    else:
        convert = _compile_choice(plan.enum)

    def step(raw: Raw) -> _Found:
        if raw.type != wire_type:
            return _Found(None, reason="type")
        try:
            value = read(raw.value)
        except (NotOfType, ValueError):
            return _Found(None, reason="type")
        return convert(value, raw)

    return step


def _event(value: Any, _raw: Raw) -> _Found:
    return _Found(value) if _is_object(value) else _Found(None, reason="type")


def _is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _compile_choice(enum: dict[str, str] | None) -> Callable[[Any, Raw], _Found]:
    """Booleans and texts: themselves, or the state the profile names for them."""

    def choose(value: Any, _raw: Raw) -> _Found:
        if enum is None:
            return _Found(value)
        state = enum.get(enum_key(value))
        return _Found(None, reason="enum") if state is None else _Found(state, literal=state == value)

    return choose


def _compile_number(plan: SignalPlan) -> Callable[[Any, Raw], _Found]:
    """Sentinels, mask, shift, enum and the exact numeric map of a number."""
    declared, mask, shift, enum = plan.type, plan.mask, plan.shift, plan.enum
    is_sentinel = _compile_sentinels(plan)
    apply = compile_rounded(plan) if is_numeric_map(plan) else None
    masked = mask is not None or shift != 0

    def convert(value: Any, raw: Raw) -> _Found:
        if value - value != 0:  # inf, nan; a JSON number beyond every double
            return _Found(None, None, "not_a_number")
        if is_sentinel(value, raw):
            return _Found(None, None, "sentinel")
        if masked:
            value = (value if mask is None else value & mask) >> shift
        if enum is not None:
            state = enum.get(str(value))
            return _Found(None, None, "enum") if state is None else _Found(state, literal=False)
        if apply is None:
            return _unchanged(value, raw, literal=not masked)
        rounded, covered = apply(Decimal(value) if masked else exact_wire(declared, value, str(raw.value)))
        rounded += 0.0  # no negative zero
        if rounded - rounded != 0:
            return _Found(None, None, "not_a_number")
        return _Found(rounded, rounded, None if covered else "correction", literal=False)

    return convert


def _compile_sentinels(plan: SignalPlan) -> Callable[[Any, Raw], bool]:
    """Return the test for wire values that mean a fault; doubles sort out all but the near ones."""
    declared = plan.type
    near = frozenset(float(sentinel) for sentinel in plan.sentinels)
    exactly = frozenset(plan.sentinels)

    def is_sentinel(value: Any, raw: Raw) -> bool:
        return value in near and exact_wire(declared, value, str(raw.value)) in exactly

    return is_sentinel if near else lambda _value, _raw: False


def _unchanged(value: Any, raw: Raw, *, literal: bool) -> _Found:
    """Write a number that no rule changed: no negative zero, integers beyond 2**53-1 as text, typed digits kept as raw."""
    if isinstance(value, int):
        if not -INTEGER_MAX <= value <= INTEGER_MAX:
            return _Found(str(value), value, literal=False)
        return _Found(value, value, literal=literal and str(value) == raw.value)
    if value == 0.0:
        positive = (raw.type == "num" and raw.value == "0.0") or (raw.type != "num" and not str(raw.value).strip("0"))
        return _Found(0.0, 0.0, literal=literal and positive)
    if raw.type == "num":
        return _Found(value, value, literal=literal and same_text(value, str(raw.value)))
    return _Found(value, value, literal=literal)


def _compile_ranges(plan: SignalPlan) -> Callable[[float], tuple[Quality, tuple[str, ...]]]:
    """Instrument range: outside is bad, value kept. Plausible range: outside is uncertain. Recorded unit, ends inside."""
    in_instrument, in_plausible = _within(plan.instrument_range), _within(plan.plausible_range)

    def judge(number: float) -> tuple[Quality, tuple[str, ...]]:
        if not in_instrument(number):
            return BAD, ("instrument_range",)
        return (GOOD, ()) if in_plausible(number) else (UNCERTAIN, ("plausible_range",))

    return judge


def _within(ends: tuple[Decimal, Decimal] | None) -> Callable[[float], bool]:
    """Return the test for a closed range of decimals.

    Two decimals whose doubles differ stand in the order of their doubles, so that digits matter only at an end itself.
    """
    if ends is None:
        return lambda _number: True
    low, high = Fraction(ends[0]), Fraction(ends[1])
    low_near, high_near = float(ends[0]), float(ends[1])

    def within(number: float) -> bool:
        if low_near < number < high_near:
            return True
        return low_near <= number <= high_near and low <= exact(number) <= high

    return within


def _too_fast(number: float, sample: Sample, previous: Previous, rate: Fraction) -> bool:
    """Judge by source times where both samples have one, else by ours."""
    if sample.source_ns is not None and previous.source_ns is not None:
        elapsed = sample.source_ns - previous.source_ns
    else:
        elapsed = sample.received_ns - previous.received_ns
    return changes_too_fast(previous.value, exact(number), elapsed, rate)
