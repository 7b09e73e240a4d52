"""Decimals: floats by their shortest digits, fractions rounded once, texts as exact numbers (`ledger.md` 1, `profiles.md` 2)."""

from __future__ import annotations

import struct
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

import msgspec

DIGITS = 15
INTEGER_MAX = 2**53 - 1

_SINGLE = struct.Struct(">f")
_DOUBLE = struct.Struct(">d")
_ROUNDING = Context(prec=DIGITS, rounding=ROUND_HALF_EVEN, Emin=-999_999, Emax=999_999)
_SINGLE_DIGITS_SURE = 6
_SINGLE_DIGITS_MAX = 9
_SINGLE_NORMAL_MIN = 2.0**-126
_number = msgspec.json.Encoder().encode


def single_of_bits(digits: str) -> float:
    """Return the shortest decimal, as a double, that names the binary32 with these 8 hex digits; may be inf or nan."""
    return shortest_single(_SINGLE.unpack(bytes.fromhex(digits))[0])


def double_of_bits(digits: str) -> float:
    """Return the binary64 with these 16 hex digits; may be inf or nan."""
    value: float = _DOUBLE.unpack(bytes.fromhex(digits))[0]
    return value


def shortest_single(value: float) -> float:
    """Return the double whose shortest decimal is the shortest one that names the binary32 ``value``.

    ``0.1f`` is 0.10000000149… as a double and 0.1 here: the digits a person typed into the device come back.
    """
    if value - value != 0.0:  # inf, nan: no digits
        return value
    packed = _SINGLE.pack(value)
    first = _SINGLE_DIGITS_SURE if abs(value) >= _SINGLE_NORMAL_MIN else 1
    for digits in range(first, _SINGLE_DIGITS_MAX):
        near = float(f"{value:.{digits}g}")
        if _SINGLE.pack(near) == packed:
            return near
        if packed[1] & 0x7F == 0 and packed[2:] == b"\0\0":  # a power of two: the interval above is twice as wide
            above = _next_up(value, digits)
            if _SINGLE.pack(above) == packed:
                return above
    return float(f"{value:.{_SINGLE_DIGITS_MAX}g}")


def _next_up(value: float, digits: int) -> float:
    """Return the decimal of ``digits`` digits just above ``value`` in size."""
    exact = Decimal(value)
    step = Decimal(1).scaleb(exact.adjusted() - digits + 1)
    return float((exact // step) * step + step.copy_sign(exact))


def round_once(value: Fraction) -> float:
    """Round an exact number to 15 significant digits, half to even, and return the double those digits name."""
    return float(_ROUNDING.divide(Decimal(value.numerator), Decimal(value.denominator)))


def written_as(value: float) -> str:
    """Return the text a record holds for a finite double (`ledger.md` 1, row decimal)."""
    return _number(value).decode()


def same_text(value: float, text: str) -> bool:
    """Tell whether a record would write ``value`` as exactly ``text``."""
    return repr(value) == text or written_as(value) == text


def exact(value: float) -> Fraction:
    """Return the number whose shortest decimal a double shows: what it *says*, not its binary expansion; integers as is."""
    return Fraction(repr(value)) if type(value) is float else Fraction(value)
