"""Test names carry requirement ids: each must stand on the requirements page."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from tests.house.tree import place, python_files
from tests.paths import shared
from tests.plugins.requirements import named_id, read_requirements
from tests.plugins.trace import rows_of

if TYPE_CHECKING:
    from pathlib import Path


def ids_in(path: Path) -> list[tuple[int, str]]:
    """Line and id of every test name and `req` mark of one file."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (known := named_id(node.name)):
            found.append((node.lineno, known))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("mark.req"):
            found += [(node.lineno, str(ast.literal_eval(word))) for word in node.args]
    return found


def test_every_id_in_a_test_name_stands_on_the_page() -> None:
    shared("design/requirements.md")
    known = read_requirements()
    assert len(known) > 100, "the page was read"
    named = [(place(path, line), each) for path in python_files("tests") for line, each in ids_in(path)]
    assert [f"{where} {each}" for where, each in named if each not in known] == []


def test_every_requirement_has_a_grade() -> None:
    shared("design/requirements.md")
    assert {each.id for each in read_requirements().values() if not re.fullmatch("[MSD]", each.grade)} == set()


def test_id_is_read_from_a_name() -> None:
    assert named_id("test_us_01_flipped_bit_is_named") == "US-01"
    assert named_id("test_al_12[case]") == "AL-12"
    assert named_id("test_of_2026_readings") is None


def test_matrix_has_a_row_for_each_id_and_test() -> None:
    shared("design/requirements.md")
    rows = rows_of({"t.py::test_us_01_a": ["US-01", "EU-14"], "t.py::test_plain": []}, {"t.py::test_us_01_a": "passed"})
    by_id = {row[0]: row for row in rows}
    assert by_id["US-01"][1:4] == ("M", "t.py::test_us_01_a", "passed")
    assert by_id["EU-14"][2:4] == ("t.py::test_us_01_a", "passed")
    assert by_id["US-02"][2:4] == ("", "no test")
    assert len(rows) == len(read_requirements())
