"""Syntax of line protocol: escaping of tags and texts, tags in sorted order, empty tags left out."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

FieldValue: TypeAlias = bool | int | float | str | None

_BLANK: Final = r"\ "
_TAG: Final = str.maketrans(
    {",": r"\,", "=": r"\=", " ": _BLANK, "\n": _BLANK, "\t": _BLANK, "\r": _BLANK, "\\": "/"},
)
"""A backslash has no escape in a tag and would change what follows it: it is shown as a slash, a control as a blank."""

_TEXT: Final = str.maketrans({'"': r"\"", "\\": r"\\", "\n": r"\\n", "\r": r"\\r"})
"""A line break inside a text would end the line for some servers: it is shown as backslash and letter."""


class SignalTags(NamedTuple):
    """Where a signal belongs; None leaves the tag out."""

    equipment: str | None
    room: str | None
    unit: str | None


def format_tags(**tags: str | None) -> str:
    """Return `key=value` pairs in sorted order, joined by commas."""
    return ",".join(f"{key}={escape_tag(value)}" for key, value in sorted(tags.items()) if value)


def escape_tag(value: str) -> str:
    """Return a tag value with `,`, `=` and blanks escaped."""
    return value.translate(_TAG)


def escape_text(value: str) -> str:
    """Return the inside of a quoted text field."""
    return value.translate(_TEXT)


def format_fields(**fields: FieldValue) -> str:
    """Return fields in sorted order; integers as `1i`, texts quoted, None left out."""
    shown: list[str] = []
    for key, value in sorted(fields.items()):
        if isinstance(value, bool):
            shown.append(f"{key}={'true' if value else 'false'}")
        elif isinstance(value, int):
            shown.append(f"{key}={value}i")
        elif isinstance(value, float):
            shown.append(f"{key}={value!r}")
        elif value is not None:
            shown.append(f'{key}="{escape_text(value)}"')
    return ",".join(shown)
