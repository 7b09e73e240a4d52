"""The customer's requirement ids: read from the design page, and out of test names and `req` marks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from tests.paths import SHARED

if TYPE_CHECKING:
    import pytest

PAGE = SHARED / "design/requirements.md"
IN_NAME = re.compile(r"^test_([a-z]{2})_(\d{2})(?=_|\[|$)")


class Requirement(NamedTuple):
    """One row of the page: id (`US-01`) and grade (M, S or D; empty once withdrawn)."""

    id: str
    grade: str


def read_requirements() -> dict[str, Requirement]:
    """Every requirement of the page by id; empty where the page is not on this machine."""
    if not PAGE.is_file():
        return {}
    rows = {}
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and re.fullmatch(r"[A-Z]{2}-\d{2}", cells[0]):
            rows.setdefault(cells[0], Requirement(cells[0], cells[-1][:1]))  # later tables only refer to a row
    return rows


def named_id(name: str) -> str | None:
    """`US-01` out of `test_us_01_flipped_bit_is_named`; None where the name carries none."""
    found = IN_NAME.match(name)
    return f"{found[1].upper()}-{found[2]}" if found else None


def ids_of(item: pytest.Item) -> list[str]:
    """Every id that a test proves: the one in its name, then one for each `req` mark."""
    first = named_id(item.name)
    marked = [str(mark.args[0]) for mark in item.iter_markers("req")]
    return list(dict.fromkeys(([first] if first else []) + marked))
