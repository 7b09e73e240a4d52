"""Shell blocks of a page, those that begin with ```` ```sh run [PROGRAM…] ````, and how they are run: in one shell, with a home of their own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.counterparts.ports import free_port
from tests.paths import ROOT

BLOCK = re.compile(r"^```sh run([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PORTS = ("1883", "4840", "8080", "8086", "9000", "9420", "9450")
"""Ports that pages show; each run takes free ones."""
SECONDS_MAX = 200


class ShellBlock(NamedTuple):
    """Lines to run, and programs of the system without which they are left out."""

    lines: str
    programs: tuple[str, ...] = ()


def shell_blocks(page: Path) -> list[ShellBlock]:
    """Return the runnable blocks of a page."""
    return [ShellBlock(found[2], tuple(found[1].split())) for found in BLOCK.finditer(page.read_text())]


def run_blocks(blocks: Sequence[ShellBlock], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run blocks as somebody would in a fresh clone below `folder`; `folder/home` is the home; the logs end stderr."""
    ports = {shown: str(free_port()) for shown in PORTS}
    home = folder / "home"
    home.mkdir()
    chosen = [block for block in blocks if all(map(shutil.which, block.programs))]
    with (folder / "stdout").open("w+") as out, (folder / "stderr").open("w+") as err:
        shell = subprocess.Popen(
            ["bash", "-c", _script(chosen, ports)],
            cwd=_clone(folder / "clone", ports),
            env={"PATH": os.environ["PATH"] + ":/usr/sbin", "HOME": str(home), "LANG": "C.UTF-8"},
            stdout=out,
            stderr=err,
            stdin=subprocess.DEVNULL,
        )
        try:
            shell.wait(SECONDS_MAX)
        except subprocess.TimeoutExpired:
            err.write(f"not at its end after {SECONDS_MAX} s\n")
        finally:
            shell.terminate()  # its trap ends what it started
            code = shell.wait(10)
    logs = "".join(f"\n{path}:\n{path.read_text()}" for path in sorted((home / "plant").glob("*.log")))
    told, said = (folder / "stdout").read_text(), (folder / "stderr").read_text()
    return subprocess.CompletedProcess(shell.args, code, told, said + logs)


def _script(blocks: Sequence[ShellBlock], ports: dict[str, str]) -> str:
    """Return one bash script of the blocks, stopping at the first error; a busy disk (69 of `check`) is none of theirs."""
    body = "\n".join(f"echo '--- {number}' >&2\n{block.lines}" for number, block in enumerate(blocks, 1))
    body = re.sub(r"^gateway check$", "gateway check || [ $? = 69 ]", body, flags=re.MULTILINE)
    return f"set -eum\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{_with_ports(body, ports)}"


def _clone(folder: Path, ports: dict[str, str]) -> Path:
    """A folder that looks like a fresh clone after `./run demo`, with free ports."""
    folder.mkdir()
    for name in ("config", "device_profiles"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    settings = folder / "config" / "gateway.yaml"
    settings.write_text(_with_ports(settings.read_text(), ports))
    return folder


def _with_ports(text: str, ports: dict[str, str]) -> str:
    for shown, free in ports.items():
        text = re.sub(rf"\b{shown}\b", free, text)
    return text
