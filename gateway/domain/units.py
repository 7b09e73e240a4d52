"""Units: the closed list of UCUM codes, their dimensions and the exact conversions between them (`profiles.md` 3).

Factors are the definitions, as fractions; nothing here is a float. A new unit is a release of the gateway.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from gateway.domain.plan import Conversion


class Unit(NamedTuple):
    """One UCUM code: ``base = value * factor + offset`` in the first unit of its dimension; ``cefact`` may be absent."""

    code: str
    dimension: str
    factor: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)
    cefact: str | None = None


_CUBIC_FOOT = Fraction("0.028316846592")
_POUND_PER_SQUARE_INCH = Fraction("4.4482216152605") / Fraction("0.00064516")
_FIVE_NINTHS = Fraction(5, 9)

_ROWS: tuple[tuple[str, str, Fraction | int | str, str | None], ...] = (
    ("K", "temperature", 1, "KEL"),
    ("Pa", "pressure", 1, "PAL"),
    ("mbar", "pressure", 100, "MBR"),
    ("kPa", "pressure", 1000, "KPA"),
    ("bar", "pressure", 100_000, "BAR"),
    ("ubar", "pressure", "1/10", "B85"),
    ("mm[Hg]", "pressure", "133.322", "HN"),
    ("[in_i'H2O]", "pressure", "249.08891", "F78"),
    ("[psi]", "pressure", _POUND_PER_SQUARE_INCH, "PS"),
    ("1", "ratio", 1, "C62"),
    ("%", "ratio", "1/100", "P1"),
    ("[ppm]", "ratio", "1/1000000", "59"),
    ("[ppb]", "ratio", "1/1000000000", "61"),
    ("%{RH}", "relative humidity", 1, "P1"),
    ("[pH]", "pH", 1, "Q30"),
    ("{#}", "count", 1, "C62"),
    ("/m3", "number concentration", 1, "C86"),
    ("/[cft_i]", "number concentration", 1 / _CUBIC_FOOT, None),
    ("10*6/mL", "number concentration", 10**12, None),
    ("g/L", "mass concentration", 1, "GL"),
    ("mg/L", "mass concentration", "1/1000", "M1"),
    ("ug/L", "mass concentration", "1/1000000", "H29"),
    ("mmol/L", "amount concentration", 1, "M33"),
    ("s", "time", 1, "SEC"),
    ("min", "time", 60, "MIN"),
    ("h", "time", 3600, "HUR"),
    ("/h", "frequency", 1, "H10"),
    ("{rev}/min", "rotational speed", 1, "RPM"),
    ("kg", "mass", 1, "KGM"),
    ("g", "mass", "1/1000", "GRM"),
    ("L", "volume", 1, "LTR"),
    ("mL", "volume", "1/1000", "MLT"),
    ("mm", "length", 1, "MMT"),
    ("m3/h", "volume flow", 1, "MQH"),
    ("L/min", "volume flow", "3/50", "L2"),
    ("mL/min", "volume flow", "3/50000", "41"),
    ("[cft_i]/min", "volume flow", "1.69901079552", "2L"),
    ("m/s", "speed", 1, "MTS"),
    ("S/m", "conductivity", 1, "D10"),
    ("mS/cm", "conductivity", "1/10", "H61"),
    ("uS/cm", "conductivity", "1/10000", "G42"),
    ("V", "voltage", 1, "VLT"),
    ("mV", "voltage", "1/1000", "2Z"),
)

UNITS: dict[str, Unit] = {
    code: Unit(code, dim, Fraction(factor), Fraction(0), cefact) for code, dim, factor, cefact in _ROWS
}
UNITS["Cel"] = Unit("Cel", "temperature", Fraction(1), Fraction("273.15"), "CEL")
UNITS["[degF]"] = Unit("[degF]", "temperature", _FIVE_NINTHS, Fraction("459.67") * _FIVE_NINTHS, "FAH")

ALIASES: dict[str, str] = {
    "°C": "Cel",
    "C": "Cel",
    "degC": "Cel",
    "celsius": "Cel",
    "°F": "[degF]",
    "F": "[degF]",
    "degF": "[degF]",
    "kelvin": "K",
    "hPa": "mbar",
    "millibar": "mbar",
    "µbar": "ubar",
    "mmHg": "mm[Hg]",
    "Torr": "mm[Hg]",
    "inH2O": "[in_i'H2O]",
    "psi": "[psi]",
    "PSI": "[psi]",
    "percent": "%",
    "%RH": "%{RH}",
    "% RH": "%{RH}",
    "RH": "%{RH}",
    "%rh": "%{RH}",
    "pH": "[pH]",
    "ppm": "[ppm]",
    "ppb": "[ppb]",
    "count": "{#}",
    "1/m3": "/m3",
    "/m³": "/m3",
    "#/m3": "/m3",
    "/ft3": "/[cft_i]",
    "/cf": "/[cft_i]",
    "1e6/mL": "10*6/mL",
    "µg/L": "ug/L",
    "mM": "mmol/L",
    "sec": "s",
    "minute": "min",
    "hour": "h",
    "1/h": "/h",
    "rpm": "{rev}/min",
    "RPM": "{rev}/min",
    "1/min": "{rev}/min",
    "l": "L",
    "ml": "mL",
    "m³/h": "m3/h",
    "l/min": "L/min",
    "lpm": "L/min",
    "slpm": "L/min",
    "ml/min": "mL/min",
    "cfm": "[cft_i]/min",
    "CFM": "[cft_i]/min",
    "µS/cm": "uS/cm",
}
"""What people type instead, and the code they mean; used for suggestions only, never applied."""

_SERVER_CODES = {"M46": ("{rev}/min",), "P1": ("%", "%{RH}"), "C62": ("1", "{#}"), "A97": ("mbar",)}


def unit_id(cefact: str) -> int:
    """Return the OPC UA ``UnitId`` of a UN/CEFACT code: its ASCII bytes, big-endian (``CEL`` is 4408652)."""
    return int.from_bytes(cefact.encode("ascii"), "big")


def units_of_id(number: int) -> tuple[str, ...]:
    """Return the codes that an OPC UA ``UnitId`` may stand for; empty if it is none of ours."""
    raw = number.to_bytes((max(number, 0).bit_length() + 7) // 8, "big") if number > 0 else b""
    cefact = raw.decode("ascii", "replace")
    return _SERVER_CODES.get(cefact) or tuple(u.code for u in UNITS.values() if u.cefact == cefact)


def convertible(wire: str, record: str) -> bool:
    """Tell whether two known codes share a dimension."""
    return UNITS[wire].dimension == UNITS[record].dimension


def conversion(wire: str, record: str) -> Conversion | None:
    """Return the exact map from ``wire`` to ``record``; None where both are the same unit.

    Both codes must be known and of one dimension: the configuration has been checked before (UNT-01, UNT-02).
    """
    if wire == record:
        return None
    a, b = UNITS[wire], UNITS[record]
    assert a.dimension == b.dimension, f"{wire} and {record} are of two dimensions"
    return Conversion(factor=a.factor / b.factor, offset=(a.offset - b.offset) / b.factor)


def convert(value: Fraction, wire: str, record: str) -> Fraction:
    """Convert a value exactly, offset included."""
    found = conversion(wire, record)
    return value if found is None else value * found.factor + found.offset


def convert_span(value: Fraction, wire: str, record: str) -> Fraction:
    """Convert a difference exactly: hysteresis, uncertainty and rates have no offset."""
    found = conversion(wire, record)
    return value if found is None else value * found.factor
