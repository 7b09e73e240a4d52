"""README is run: its guided start, line by line, in one shell, with a home of its own and the gateway running."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.counterparts.ports import free_port
from tests.docs.shell_blocks import ShellBlock, script, shell_blocks
from tests.paths import ROOT

README = ROOT / "README.md"
YEARS_LATER = ROOT / "docs" / "guides" / "verify-years-later.md"
PORTS = ("1883", "4840", "8080", "8086", "9000", "9420")


def checkout(folder: Path, ports: dict[str, str]) -> Path:
    """A folder that looks like a fresh clone after `./run demo`, with free ports."""
    folder.mkdir()
    for name in ("config", "device_profiles"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    settings = folder / "config" / "gateway.yaml"
    text = settings.read_text()
    for shown, free in ports.items():
        text = re.sub(rf"\b{shown}\b", free, text)
    settings.write_text(text)
    return folder


@pytest.mark.integration
@pytest.mark.timeout(240)
def test_the_guided_start_runs_as_it_stands(tmp_path: Path) -> None:
    ports = {shown: str(free_port()) for shown in PORTS}
    home = tmp_path / "home"
    home.mkdir()
    *tour, stop = shell_blocks(README)
    policy = ShellBlock("cp var/ledger/keys/policy policy\n", ())
    back = ShellBlock("cd ~/plant\n", ())
    blocks = [
        block
        for block in (*tour, policy, *shell_blocks(YEARS_LATER), back, stop)
        if all(map(shutil.which, block.programs))
    ]
    done = subprocess.run(
        ["bash", "-c", script(blocks, ports)],
        cwd=checkout(tmp_path / "clone", ports),
        env={"PATH": os.environ["PATH"] + ":/usr/sbin", "HOME": str(home), "LANG": "C.UTF-8"},
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=200,
    )
    logs = "".join(f"\n{path}:\n{path.read_text()}" for path in sorted((home / "plant").glob("*.log")))
    assert done.returncode == 0, done.stdout + done.stderr + logs
    assert done.stdout.count("VERIFIED") == 6 - (shutil.which("openssl") is None), done.stdout
    assert "B-1 ended (applied)" in done.stdout
    if shutil.which("mosquitto"):
        assert re.search(r"DEV-gw01-000001 \w+, QMS QE-00001", done.stdout), done.stdout
    assert "gateway.stopped" in (home / "plant" / "gateway.log").read_text()


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
