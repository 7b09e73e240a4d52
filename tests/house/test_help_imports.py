"""`gateway --help` must stay quick: the test lists what it imports, a clock would only measure the machine."""

from __future__ import annotations

import subprocess
import sys

from tests.paths import ROOT

HEAVY = {"asyncua", "aiohttp", "influxdb_client", "rich", "pydantic"}


def test_help_imports_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "gateway", "--help"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr.splitlines()[-5:]
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    imported = {line.rsplit("|", 1)[-1].strip().partition(".")[0] for line in lines}
    assert "gateway" in imported
    assert sorted(imported & HEAVY) == []
