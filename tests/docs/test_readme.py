"""README is run: its guided start, line by line, in one shell, with a home of its own and the gateway running."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.docs.shell_blocks import ShellBlock, run_blocks, shell_blocks
from tests.paths import ROOT

README = ROOT / "README.md"
YEARS_LATER = ROOT / "docs" / "guides" / "verify-years-later.md"


@pytest.mark.integration
@pytest.mark.timeout(240)
def test_the_guided_start_runs_as_it_stands(tmp_path: Path) -> None:
    *tour, stop = shell_blocks(README)
    policy, back = ShellBlock("cp var/ledger/keys/policy policy\n"), ShellBlock("cd ~/plant\n")
    done = run_blocks([*tour, policy, *shell_blocks(YEARS_LATER), back, stop], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("VERIFIED") == 6 - (shutil.which("openssl") is None), done.stdout
    assert "B-1 ended (applied)" in done.stdout
    if shutil.which("mosquitto"):
        assert re.search(r"DEV-gw01-000001 \w+, QMS QE-00001", done.stdout), done.stdout
    assert "gateway.stopped" in done.stderr


def test_the_guided_start_has_blocks_that_need_nothing_of_the_system() -> None:
    assert len([block for block in shell_blocks(README) if not block.programs]) >= 8


def test_links_of_the_pages_lead_somewhere() -> None:
    dead = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in (README, *sorted((ROOT / "docs").rglob("*.md")))
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert dead == []
