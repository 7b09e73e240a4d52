"""Mapping: from the wire's number to the recorded one, in exact arithmetic with one rounding (`profiles.md` 2)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact
from fractions import Fraction

from gateway.domain.decimals import DIGITS, round_once
from gateway.domain.plan import Conversion, Correction, SignalPlan

Map = Callable[[Fraction], tuple[Fraction, bool]]
"""Exact value in, (exact value, whether the correction covers it) out."""


_EXACT = Context(prec=200, Emin=-999_999, Emax=999_999, traps=[Inexact])
_ONCE = Context(prec=DIGITS, rounding=ROUND_HALF_EVEN, Emin=-999_999, Emax=999_999, traps=[])


def linear(plan: SignalPlan) -> tuple[Fraction, Fraction]:
    """Return (factor, offset) of scale, offset and unit conversion joined: ``recorded = wire * factor + offset``."""
    unit = plan.conversion or Conversion()
    return plan.scale * unit.factor, plan.offset * unit.factor + unit.offset


def is_numeric_map(plan: SignalPlan) -> bool:
    """Tell whether anything but mask, shift and enum changes the number."""
    factor, offset = linear(plan)
    return factor != 1 or offset != 0 or correction_of(plan) is not None


def correction_of(plan: SignalPlan) -> Correction | None:
    """Return the correction in force; an offset of zero corrects nothing."""
    found = plan.calibration.correction if plan.calibration else None
    if found is None or (not found.offset and not found.table):
        return None
    return found


def compile_map(plan: SignalPlan) -> Map:
    """Return scale, offset, unit conversion and correction as one exact function."""
    factor, offset = linear(plan)
    correction = correction_of(plan)
    if correction is None:
        return lambda wire: (wire * factor + offset, True)
    if not correction.table:
        shift = offset + Fraction(correction.offset or 0)
        return lambda wire: (wire * factor + shift, True)
    corrected = compile_table(correction.table)
    return lambda wire: corrected(wire * factor + offset)


def compile_rounded(plan: SignalPlan) -> Callable[[Decimal], tuple[float, bool]]:
    """Return the whole map with its one rounding: wire value in, (recorded value, covered by the correction) out.

    Lines are one exact multiply-add over a common denominator and one division; tables go by fractions. Same digits.
    """
    whole = compile_map(plan)
    correction = correction_of(plan)
    factor, offset = linear(plan)
    if correction is not None:
        offset += Fraction(correction.offset or 0)
    denominator = factor.denominator * offset.denominator
    times, plus = Decimal(factor.numerator * offset.denominator), Decimal(offset.numerator * factor.denominator)
    divisor = Decimal(denominator)
    has_table = correction is not None and bool(correction.table)

    def rounded(wire: Decimal) -> tuple[float, bool]:
        if not has_table:
            try:
                return float(_ONCE.divide(_EXACT.fma(wire, times, plus), divisor)), True
            except Inexact:  # a power of ten far from all others: fractions have no bound
                pass
        exact, covered = whole(Fraction(wire))
        return round_once(exact), covered

    return rounded


def compile_table(table: tuple[tuple[Decimal, Decimal], ...]) -> Map:
    """Return the broken line through rising [reading, true] pairs.

    Outside it the difference of the nearest end is kept and the answer says that no certificate covers the value.
    """
    pairs = tuple((Fraction(reading), Fraction(true)) for reading, true in table)
    (low, low_true), (high, high_true) = pairs[0], pairs[-1]

    def corrected(value: Fraction) -> tuple[Fraction, bool]:
        if value < low:
            return value + low_true - low, False
        if value > high:
            return value + high_true - high, False
        index = next(i for i in range(1, len(pairs)) if value <= pairs[i][0])
        (a, a_true), (b, b_true) = pairs[index - 1], pairs[index]
        return a_true + (value - a) * (b_true - a_true) / (b - a), True

    return corrected
