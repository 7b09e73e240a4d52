"""Types of configuration values: each knows its check, its words for people and its JSON Schema. Nothing is coerced."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError, core_schema


class Model(BaseModel):
    """A block of configuration: closed, strict, frozen; the docstring of a key is its meaning in messages and schema."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True)


def shown(value: Any) -> str:
    """Return a value as a message shows it: text quoted, numbers as typed, blocks by what they are."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a block"
    if isinstance(value, list):
        return "a list"
    return f"'{value}'" if isinstance(value, str) else str(value)


def _quoted(value: Any, expected: str) -> str:
    """Return the words for a text, with the way out where a number was typed."""
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    return f"{expected}: put it in quotes" if is_number else expected


def refuse(value: Any, expected: str) -> PydanticCustomError:
    """Return the error of a value that is not what its key takes (SCH-03)."""
    return PydanticCustomError("SCH-03", "{value} is not {expected}", {"value": shown(value), "expected": expected})


class Check:
    """A scalar: ``check`` returns the value or raises; ``schema`` is its JSON Schema; ``expected`` its words."""

    def __init__(self, expected: str, schema: dict[str, Any], check: Callable[[Any], Any]) -> None:
        self.expected, self.schema, self.check = expected, schema, check

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(self, _core: Any, _handler: Any) -> dict[str, Any]:
        return dict(self.schema)


def whole(low: int | None = None, high: int | None = None) -> Check:
    """Return the check of a whole number in ``low..high``."""
    expected = _range("a whole number", low, high)

    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise refuse(value, expected)
        if (low is not None and value < low) or (high is not None and value > high):
            raise refuse(value, expected)
        return value

    return Check(expected, _bounds("integer", low, high), check)


def number(low: str | None = None, high: str | None = None) -> Check:
    """Return the check of an exact number in ``low..high``; the value becomes a Decimal with the typed digits."""
    expected = _range("a number", low, high)
    least, most = Decimal(low) if low else None, Decimal(high) if high else None

    def check(value: Any) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise refuse(value, expected)
        exact = Decimal(value)
        if (least is not None and exact < least) or (most is not None and exact > most):
            raise refuse(value, expected)
        return exact

    return Check(expected, _bounds("number", float(low) if low else None, float(high) if high else None), check)


def _range(noun: str, low: object, high: object) -> str:
    if low is None and high is None:
        return noun
    return f"{noun} {'' if low is None else low}..{'' if high is None else high}"


def _bounds(kind: str, low: float | None, high: float | None) -> dict[str, Any]:
    found: dict[str, Any] = {"type": kind}
    for key, bound in (("minimum", low), ("maximum", high)):
        if bound is not None:
            found[key] = int(bound) if float(bound).is_integer() else bound
    return found


def pattern(regex: str, expected: str) -> Check:
    """Return the check of a text that matches an anchored pattern."""
    compiled = re.compile(regex)

    def check(value: Any) -> str:
        if not isinstance(value, str) or compiled.fullmatch(value) is None:
            fits = compiled.fullmatch(str(value)) is not None
            raise refuse(value, _quoted(value, expected) if fits else expected)
        return value

    return Check(expected, {"type": "string", "pattern": f"^(?:{regex})$"}, check)


def length(low: int, high: int) -> Check:
    """Return the check of a text of ``low..high`` characters that says something."""
    expected = f"a text of {low}..{high} characters"

    def check(value: Any) -> str:
        if not isinstance(value, str) or not low <= len(value) <= high or (low and not value.strip()):
            raise refuse(value, _quoted(value, expected))
        return value

    return Check(expected, {"type": "string", "minLength": low, "maxLength": high}, check)


def choice(first: str | int, *others: str | int) -> Check:
    """Return the check of one of a few words or numbers."""
    options = (first, *others)
    *most, last = map(str, options)
    expected = f"{', '.join(most)} or {last}" if most else last
    kinds = {type(option) for option in options}

    def check(value: Any) -> Any:
        if type(value) not in kinds or value not in options:
            raise refuse(value, expected)
        return value

    return Check(expected, {"enum": list(options)}, check)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise refuse(value, "true or false")
    return value


def _secret(value: Any) -> str:
    if not isinstance(value, str) or _SECRET.fullmatch(value) is None:
        raise PydanticCustomError("SEC-01", "a secret must be env:, file: or cred:")
    return value


def _day(value: Any) -> str:
    expected = "a day YYYY-MM-DD"
    if not isinstance(value, str) or _DAY.fullmatch(value) is None:
        raise refuse(value, expected)
    try:
        date.fromisoformat(value)
    except ValueError as error:
        raise refuse(value, expected) from error
    return value


def _zone(value: Any) -> str:
    expected = "an IANA time zone"
    if not isinstance(value, str):
        raise refuse(value, expected)
    try:
        ZoneInfo(value)
    except (ValueError, OSError, KeyError) as error:
        raise refuse(value, expected) from error
    return value


def url_of(*schemes: str) -> Check:
    """Return the check of a URL of certain schemes with a host and no user or password in it (SEC-04)."""
    expected = f"a URL {' or '.join(f'{scheme}://host' for scheme in schemes)}"

    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise refuse(value, expected)
        try:
            parts = urlsplit(value)
            port_is_fine = parts.port is None or parts.port > 0
        except ValueError as error:
            raise refuse(value, expected) from error
        if parts.username is not None or parts.password is not None:
            raise PydanticCustomError("SEC-04", "URL holds a password")
        if parts.scheme not in schemes or not parts.hostname or not port_is_fine or any(c.isspace() for c in value):
            raise refuse(value, expected)
        return value

    return Check(expected, {"type": "string", "pattern": f"^(?:{'|'.join(schemes)})://"}, check)


def _host_port(value: Any) -> str:
    if not isinstance(value, str) or re.fullmatch(_HOST_PORT, value) is None:
        raise refuse(value, "host:port")
    if int(value.rpartition(":")[2]) > _PORT_MAX:
        raise refuse(value, f"host:port with a port up to {_PORT_MAX:,}")
    return value


_PORT_MAX = 65_535
_SECRET = re.compile(r"(?:env:[A-Za-z_][A-Za-z0-9_]*|file:.+|cred:[A-Za-z0-9][A-Za-z0-9._-]*)")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_HOST_PORT = r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5}"

Flag = Annotated[bool, Check("true or false", {"type": "boolean"}, _flag)]
Number = Annotated[Decimal, number()]
SecretRef = Annotated[
    str,
    Check("env:NAME, file:PATH or cred:NAME", {"type": "string", "pattern": "^(?:env|file|cred):"}, _secret),
]
Day = Annotated[str, Check("a day", {"type": "string", "format": "date"}, _day)]
Zone = Annotated[str, Check("an IANA time zone", {"type": "string"}, _zone)]
Text = Annotated[str, length(1, 1000)]
Title = Annotated[str, length(1, 200)]
FilePath = Annotated[str, length(1, 400)]
LowerId = Annotated[str, pattern(r"[a-z][a-z0-9_-]{0,47}", "an id: a-z, then up to 47 of a-z 0-9 _ -")]
UpperId = Annotated[str, pattern(r"[A-Z0-9][A-Z0-9_-]{1,47}", "an id: 2 to 48 of A-Z 0-9 _ -")]
NodeId = Annotated[str, pattern(r"[A-Z0-9][A-Z0-9_-]{1,31}", "a node id: 2 to 32 of A-Z 0-9 _ -")]
ClientKey = Annotated[str, pattern(r"[A-Z][A-Z0-9-]{1,15}", "a client key: 2 to 16 of A-Z 0-9 -")]
SignalRef = Annotated[str, pattern(r"[A-Z0-9][A-Z0-9_-]{1,47}/[a-z][a-z0-9_-]{0,47}", "a signal DEVICE/signal")]
ProfileId = Annotated[str, pattern(r"[a-z0-9][a-z0-9_-]{0,47}/[a-z0-9][a-z0-9_-]{0,47}", "a profile id vendor/model")]
ProfileRef = Annotated[
    str,
    pattern(r"[a-z0-9][a-z0-9_-]{0,47}/[a-z0-9][a-z0-9_-]{0,47}@[1-9][0-9]{0,5}", "a profile vendor/model@version"),
]
Sha256 = Annotated[str, pattern(r"[0-9a-f]{64}", "64 lower-case hex digits")]
HostPort = Annotated[str, Check("host:port", {"type": "string", "pattern": f"^(?:{_HOST_PORT})$"}, _host_port)]
ClockTime = Annotated[str, pattern(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]", "a time HH:MM")]
HttpsUrl = Annotated[str, url_of("https", "http")]
Mail = Annotated[str, pattern(r"[^@\s]+@[^@\s]+", "a mail address")]
Unit = Annotated[str, length(1, 32)]
Criticality = Annotated[Literal["critical", "supporting", "info"], choice("critical", "supporting", "info")]


M = TypeVar("M", bound=BaseModel)


def exactly_one(block: M, *names: str) -> M:
    """Return the block if exactly one of these keys is set, else raise (SCH-02, SCH-03)."""
    present = [name for name in names if getattr(block, name) is not None]
    if len(present) == 1:
        return block
    options = ", ".join(names)
    if not present:
        raise PydanticCustomError("SCH-02", "missing key: exactly one of {options}", {"options": options})
    raise PydanticCustomError(
        "SCH-03", "{found} is not exactly one of {options}", {"found": ", ".join(present), "options": options}
    )


def need(block: BaseModel, *names: str, why: str) -> None:
    """Raise SCH-02 for the first of these keys that is not set."""
    for name in names:
        if getattr(block, name) is None:
            raise PydanticCustomError("SCH-02", "missing key '{key}': {why}", {"key": name, "why": why})
