"""The table of threats: every row of the design is answered, and every test that it names exists."""

from __future__ import annotations

import ast
import re

from tests.paths import ROOT, shared

PAGE = ROOT / "docs" / "threats.md"
NAMED = re.compile(r"`(tests/[\w/.]+\.py)::(\w+)`")


def defined(file: str) -> set[str]:
    """Names of the tests and test classes of a file."""
    tree = ast.parse((ROOT / file).read_text())
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    targets = {
        name.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for name in node.targets
        if isinstance(name, ast.Name)
    }
    return names | targets | {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}


def test_every_test_that_the_table_names_exists() -> None:
    named = NAMED.findall(PAGE.read_text())
    assert len(named) > 20
    missing = [f"{file}::{name}" for file, name in named if not (ROOT / file).is_file() or name not in defined(file)]
    assert missing == []


def test_every_row_names_a_test() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and "---" not in line]
    heads = {"root with the running keys does", "what is interrupted"}
    assert [row for row in rows if not NAMED.search(row) and row.split("|")[1].strip() not in heads] == []


def test_every_threat_of_the_design_has_a_row() -> None:
    section = shared("design/ledger.md").read_text().partition("## 6. Threats")[2].partition("## 7.")[0]
    rows = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("| ")]
    threats = [part.strip() for row in rows[1:] for part in row.split(";")]
    assert len(threats) >= 10
    page = PAGE.read_text()
    assert [threat for threat in threats if threat not in page] == []
