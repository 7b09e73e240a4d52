"""The coverage gate: branches of the pure core, printed at the end of a whole run, deciding with `--gates`."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import coverage
import pytest

from tests.house.settings import HOUSE
from tests.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence


def pytest_configure(config: pytest.Config) -> None:
    running = coverage.Coverage.current()
    if running is not None and config.getoption("--matrix"):
        config.pluginmanager.register(Gate(running), "house-coverage")


class Gate:
    """Reports at the session's end on the coverage that runs around pytest."""

    def __init__(self, running: coverage.Coverage) -> None:
        self.running = running
        self.lines: Sequence[str] = ()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self.running.stop()
        self.running.save()
        table, total = report(self.running)
        least = float(HOUSE["coverage_min"])
        passed = total >= least
        self.lines = [*table, f"coverage of {', '.join(HOUSE['coverage_over'])}: {total:.2f} % (at least {least:g} %)"]
        if session.config.getoption("--gates") and not passed and not session.exitstatus:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
            self.lines = [*self.lines[:-1], self.lines[-1] + ", FAILED"]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self.lines:
            terminalreporter.write_line(line)


def report(running: coverage.Coverage) -> tuple[list[str], float]:
    """Lines of the table of files below 100 %, and the total in per cent; pages of all files go to build/coverage."""
    text = io.StringIO()
    try:
        total = running.report(include=HOUSE["coverage_over"], file=text, skip_covered=True, show_missing=True)
        running.html_report(directory=str(ROOT / "build/coverage"), skip_covered=False)
    except coverage.exceptions.NoDataError as nothing:
        return [str(nothing)], 0.0
    return text.getvalue().splitlines(), total
