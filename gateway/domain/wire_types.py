"""Wire types: which `Raw` each declared type admits, and how its exact value is read. Nothing is coerced."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from gateway.domain.decimals import double_of_bits, single_of_bits

WIRE_TYPES: dict[str | None, str] = {
    None: "json",
    "boolean": "bool",
    "int8": "i8",
    "int16": "i16",
    "int32": "i32",
    "int64": "i64",
    "uint8": "u8",
    "uint16": "u16",
    "uint32": "u32",
    "uint64": "u64",
    "float": "f32",
    "double": "f64",
    "string": "str",
    "number": "num",
    "integer": "num",
}
"""Declared type -> wire type of `Raw`; None is kind event."""

INTEGERS = frozenset(("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "integer"))
REALS = frozenset(("float", "double", "number"))
NUMBERS = INTEGERS | REALS

_INTEGER_TEXT = re.compile(r"-?(?:0|[1-9][0-9]*)")

Read = Callable[[Any], Any]


class NotOfType(ValueError):
    """The value on the wire is of another type than the profile says."""


def read_integer(text: str) -> int:
    """Read an integer as typed; ``42.0`` and ``4e1`` are no integers."""
    if _INTEGER_TEXT.fullmatch(text) is None:
        raise NotOfType(text)
    return int(text)


def _read_as_is(value: Any) -> Any:
    return value


_READERS: dict[str | None, Read] = {
    None: json.loads,
    "boolean": _read_as_is,
    "string": _read_as_is,
    "float": single_of_bits,
    "double": double_of_bits,
    "number": float,
    "integer": read_integer,
}


def reader(declared: str | None) -> Read:
    """Return what turns the value of a fitting `Raw` into bool, int, float, str or an object.

    float, double and number give the double with the digits of the wire, possibly inf or nan; `NotOfType` otherwise.
    """
    return _READERS.get(declared, int)


def exact_wire(declared: str | None, read: float, text: str) -> Decimal:
    """Return the number on the wire exactly; ``read`` is what `reader` made of ``text`` and is finite."""
    if declared == "number":
        # a number too small for a double is zero: its power of ten is never written out
        return Decimal(text) if read else Decimal(0)
    return Decimal(repr(read))


def enum_key(value: Any) -> str:
    """Return how a wire value stands as a key of ``map.enum``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
