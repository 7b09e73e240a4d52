"""The benchmarks work: one quick run gives a row for each goal. No time is judged."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from bench.__main__ import GOALS
from tests.counterparts.missing import need
from tests.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_quick_run_gives_a_row_for_each_goal(tmp_path: Path) -> None:
    need("mosquitto")
    need("mosquitto_sub")
    out = tmp_path / "bench.json"
    command = [sys.executable, "-m", "bench", "--quick", "--json", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=580, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(out.read_text())
    assert {row["goal"] for row in told["rows"]} == set(GOALS)
    for row in told["rows"]:
        assert len(row["measured"]) >= 3
        assert len(row["score"]) == len(row["measured"])
        assert all(value > 0 for value in row["measured"])
        assert row["goal"] in done.stdout
    assert told["machine"]["hashes_s"] > 0
