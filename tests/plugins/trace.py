"""The trace matrix: `build/trace.csv`, one row for each requirement and test, with outcome, version and configuration."""

from __future__ import annotations

import csv
import hashlib
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

from tests.house.settings import HOUSE
from tests.paths import ROOT
from tests.plugins.requirements import ids_of, read_requirements

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = ("id", "grade", "test", "outcome", "version", "configuration")
OUTCOME = ("failed", "skipped", "passed")
"""Worst first: one failed phase fails the test."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("house")
    group.addoption("--matrix", action="store_true", help="write build/trace.csv")
    group.addoption(
        "--gates", action="store_true", help="fail below the gates of [tool.house]; else they are only printed"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--matrix"):
        config.pluginmanager.register(Matrix(), "house-matrix")


class Matrix:
    """Collects outcomes by test and writes the matrix at the end of the session."""

    def __init__(self) -> None:
        self.ids: dict[str, list[str]] = {}
        self.outcomes: dict[str, str] = {}
        self.summary = ""

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.ids = {item.nodeid: ids_of(item) for item in session.items}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        before = self.outcomes.get(report.nodeid, "passed")
        self.outcomes[report.nodeid] = min(before, report.outcome, key=OUTCOME.index)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        requirements = read_requirements()
        rows = rows_of(self.ids, self.outcomes)
        write_matrix(ROOT / "build/trace.csv", rows)
        proved = {row[0] for row in rows if row[3] == "passed"} - {row[0] for row in rows if row[3] == "failed"}
        must = {each.id for each in requirements.values() if each.grade == "M"}
        unproved, most = len(must - proved), int(HOUSE["mandatory_unproved_max"])
        self.summary = f"trace: {len(proved)} of {len(requirements)} ids proved; M without a passing test: {unproved} (at most {most})"
        if session.config.getoption("--gates") and unproved > most and not session.exitstatus:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
            self.summary += ", FAILED"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.write_line(self.summary)


def rows_of(ids: dict[str, list[str]], outcomes: dict[str, str]) -> list[tuple[str, ...]]:
    """Rows of the matrix in the order of the page; an id without a test stands there as `no test`."""
    grades = {each.id: each.grade for each in read_requirements().values()}
    run = (version("shopfloor-gateway"), configuration_hash(ROOT))
    tests: dict[str, list[str]] = {known: [] for known in grades}
    for test, proves in ids.items():
        for each in proves:
            tests.setdefault(each, []).append(test)
    rows: list[tuple[str, ...]] = []
    for each, by in tests.items():
        rows += [(each, grades.get(each, ""), test, outcomes.get(test, "not run"), *run) for test in sorted(by)]
        if not by:
            rows.append((each, grades[each], "", "no test", *run))
    return rows


def write_matrix(path: Path, rows: list[tuple[str, ...]]) -> None:
    """Write the matrix as CSV with a heading."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(COLUMNS)
        out.writerows(rows)


def configuration_hash(root: Path) -> str:
    """SHA-256 over names and contents of the shipped configuration: `config/` and `device_profiles/`."""
    digest = hashlib.sha256()
    for folder in ("config", "device_profiles"):
        for path in sorted(each for each in (root / folder).rglob("*") if each.is_file()):
            digest.update(f"{path.relative_to(root)}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
