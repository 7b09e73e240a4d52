"""The gates decide only when asked, and a failed phase of a test is never hidden by a passed one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.house.settings import HOUSE
from tests.plugins.gate import Gate
from tests.plugins.trace import Matrix, configuration_hash


class FakeCoverage:
    """A running coverage that reports a fixed total."""

    def __init__(self, total: float) -> None:
        self.total = total
        self.saved = False

    def stop(self) -> None:
        pass

    def save(self) -> None:
        self.saved = True

    def report(self, *, file, **_options) -> float:
        file.write("TOTAL\n")
        return self.total

    def html_report(self, **_options) -> float:
        return self.total


def session(*, gates: bool) -> SimpleNamespace:
    """A session that passed, with or without `--gates`."""
    return SimpleNamespace(exitstatus=0, config=SimpleNamespace(getoption=lambda name: name == "--gates" and gates))


@pytest.mark.parametrize(("under", "gates", "status"), [(0.01, True, 1), (0.01, False, 0), (0.0, True, 0)])
def test_coverage_below_the_gate_fails_only_with_gates(under: float, gates: bool, status: int) -> None:
    total = float(HOUSE["coverage_min"]) - under
    running = FakeCoverage(total)
    gate, ended = Gate(running), session(gates=gates)
    gate.pytest_sessionfinish(ended)
    assert ended.exitstatus == status
    assert running.saved
    assert f"{total:.2f} %" in gate.lines[-1]
    assert ("FAILED" in gate.lines[-1]) == bool(status)


@pytest.mark.parametrize("phases", [("passed", "failed", "passed"), ("failed", "passed", "passed")])
def test_one_failed_phase_fails_the_test(phases: tuple[str, ...]) -> None:
    matrix = Matrix()
    for outcome in phases:
        matrix.pytest_runtest_logreport(SimpleNamespace(nodeid="t", outcome=outcome))
    assert matrix.outcomes == {"t": "failed"}


def test_configuration_hash_follows_names_and_bytes(tmp_path: Path) -> None:
    seen = {configuration_hash(tmp_path)}
    folder = tmp_path / "config"
    folder.mkdir()
    for name, text in (("a.yaml", "x"), ("a.yaml", "y"), ("b.yaml", "y")):
        (folder / name).write_text(text)
        seen.add(configuration_hash(tmp_path))
    assert len(seen) == 4
