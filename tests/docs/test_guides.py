"""Guides are run as README is: their shell blocks, on the plant of README's first steps."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.counterparts.missing import need
from tests.docs.shell_blocks import run_blocks, shell_blocks
from tests.docs.test_readme import README
from tests.paths import ROOT

GUIDES = ROOT / "docs" / "guides"


@pytest.mark.integration
@pytest.mark.timeout(150)
def test_the_witness_guide_runs_as_it_stands(tmp_path: Path) -> None:
    done = run_blocks([*shell_blocks(README)[:3], *shell_blocks(GUIDES / "witness.md")], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"[01] of 1 witnesses", done.stdout), done.stdout
    assert ", 1 witness" in done.stdout.splitlines()[-1]


def test_every_guide_is_named_in_readme() -> None:
    readme = README.read_text()
    assert [page.name for page in sorted(GUIDES.glob("*.md")) if f"docs/guides/{page.name}" not in readme] == []


@pytest.mark.integration
@pytest.mark.timeout(150)
def test_the_keys_guide_runs_as_it_stands(tmp_path: Path) -> None:
    need("softhsm2-util")
    done = run_blocks([*shell_blocks(README)[:3], *shell_blocks(GUIDES / "keys.md")], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^publish \S+\+[0-9a-f]{8} from \d+$", done.stdout, re.MULTILINE), done.stdout
    assert "# publish " in done.stdout
    assert done.stdout.splitlines()[-1].startswith("VERIFIED")


@pytest.mark.integration
@pytest.mark.timeout(200)
def test_the_backup_guide_runs_as_it_stands(tmp_path: Path) -> None:
    need("openssl")
    done = run_blocks([*shell_blocks(README)[:3], *shell_blocks(GUIDES / "backup-and-restore.md")], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^[\d.,]+ [kMG]B, verified$", done.stdout, re.MULTILINE), done.stdout
    assert len(re.findall(r"^same head [\d,]+; ", done.stdout, re.MULTILINE)) == 2, done.stdout
    assert done.stdout.splitlines()[-1].startswith("VERIFIED")
