"""Findings: what a check has to say, at which place, in the one text form people see (`profiles.md` 4, 6)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

Severity = Literal["error", "warning"]

SOURCE_WIDTH = 80


class Place(Struct, frozen=True):
    """A stretch of one line: file as shown, line and columns from 1, ``end_column`` behind the last character."""

    file: str
    line: int = 1
    column: int = 1
    end_column: int = 2


class Finding(Struct, frozen=True, kw_only=True):
    """One finding. ``id`` is permanent (`REF-01`); ``path`` is the key path in the file; ``message`` is whole, suggestion included."""

    id: str
    severity: Severity
    file: str
    line: int
    column: int
    end_column: int
    path: str
    message: str
    suggestion: str | None = None

    def headline(self) -> str:
        """Return the one-line form, ``file:line:column  severity  id  path: message``."""
        said = f"{self.path}: {self.message}" if self.path else self.message
        return f"{self.file}:{self.line}:{self.column}  {self.severity}  {self.id}  {said}"


def finding(
    id_: str, place: Place, path: str, message: str, *, severity: Severity = "error", suggestion: str | None = None
) -> Finding:
    """Make a finding at a place."""
    return Finding(
        id=id_,
        severity=severity,
        file=place.file,
        line=place.line,
        column=place.column,
        end_column=place.end_column,
        path=path,
        message=message,
        suggestion=suggestion,
    )


def format_finding(found: Finding, source: str | None) -> str:
    """Return the finding with its source line and a caret under what it is about."""
    if source is None:
        return found.headline()
    start, end = found.column - 1, max(found.end_column - 1, found.column)
    shown, shift = _window(source, start)
    carets = max(1, min(end, shift + len(shown.rstrip("…"))) - start)
    return f"{found.headline()}\n{found.line:>5} | {shown}\n      | {' ' * (start - shift)}{'^' * carets}"


def _window(source: str, start: int) -> tuple[str, int]:
    """Return at most 80 characters of a line that show ``start``, and how many characters were left out before."""
    if start < SOURCE_WIDTH - 4:
        return (source if len(source) <= SOURCE_WIDTH else f"{source[:SOURCE_WIDTH]}…"), 0
    first = start - SOURCE_WIDTH // 2
    rest = source[first + 1 :]
    return f"…{rest}" if len(rest) <= SOURCE_WIDTH else f"…{rest[:SOURCE_WIDTH]}…", first


def in_file_order(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return each finding once, by file, line, column and id."""
    unique = {(f.file, f.line, f.column, f.id, f.message): f for f in found}
    return tuple(unique[key] for key in sorted(unique))
