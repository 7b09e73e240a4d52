"""structlog comes without its console, and `rich` stays importable for the command line."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
from gateway.adapters.plain_structlog import load
load()
assert "rich" not in sys.modules
import structlog, rich, rich.console
assert structlog.dev.rich is None
load()
structlog.get_logger().info("said")
"""


def test_structlog_is_loaded_without_rich() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "said" in done.stdout
