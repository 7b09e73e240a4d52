"""Small files with real nouns: lengths, names, and a first line that says what a file is for."""

from __future__ import annotations

import ast
import re

from tests.house.settings import HOUSE
from tests.house.tree import place, project_files, python_files
from tests.paths import ROOT

EMPTY_WORDS = {"util", "utils", "helper", "helpers", "common", "manager", "managers", "base", "misc"}
EMPTY_CLASS = re.compile(r"(Manager|Helper|Helpers|Utils?|Base)$|^Base[A-Z]")


def test_no_file_is_longer_than_the_cap() -> None:
    most, exempt = int(HOUSE["file_lines_max"]), {ROOT / name for name in HOUSE["file_lines_exempt"]}
    lengths = {path: len(path.read_text().splitlines()) for path in python_files()}
    assert exempt <= {path for path, lines in lengths.items() if lines > most}, "an exempt file that needs none"
    lengths = {path: lines for path, lines in lengths.items() if path not in exempt}
    assert lengths
    assert [f"{place(path, 1)} {lines} lines" for path, lines in lengths.items() if lines > most] == []


def test_no_function_of_the_product_is_longer_than_the_cap() -> None:
    most = int(HOUSE["function_lines_max"])
    found = []
    for path in python_files("gateway"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > most:
                    found.append(f"{place(path, node.lineno)} {node.name} {lines} lines")
    assert found == []


def test_first_docstring_line_says_what_the_file_is_for() -> None:
    found = []
    for path in python_files("gateway", "bench"):
        docstring = ast.get_docstring(ast.parse(path.read_text()))
        first = docstring.splitlines()[0] if docstring else ""
        if len(first.split()) < 3:
            found.append(f"{place(path, 1)} {first!r}")
    assert found == []


def test_names_are_real_nouns() -> None:
    found = []
    for path in project_files():
        words = {word for part in path.relative_to(ROOT).parts for word in re.split(r"[._-]", part.lower())}
        found += [f"{place(path, 1)} {word}" for word in sorted(words & EMPTY_WORDS)]
    for path in python_files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and EMPTY_CLASS.search(node.name):
                found.append(f"{place(path, node.lineno)} {node.name}")
    assert found == []
