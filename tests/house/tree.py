"""The project's own files, as the house tests walk them."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

from tests.paths import ROOT

TEXT = {
    ".py",
    ".md",
    ".toml",
    ".yaml",
    ".yml",
    ".json",
    ".sh",
    ".html",
    ".js",
    ".css",
    ".txt",
    ".lock",
    ".conf",
    ".typ",
    "",
}


@functools.cache
def project_files() -> tuple[Path, ...]:
    """Every file that is, or is about to be, part of the project: what git tracks and what it does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert listed.returncode == 0, f"house tests need a git checkout: {listed.stderr}"
    return tuple(sorted(ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()))


def python_files(*folders: str) -> list[Path]:
    """Python files of the project below `folders`; all of them without."""
    return [
        path
        for path in project_files()
        if path.suffix == ".py" and (not folders or path.relative_to(ROOT).parts[0] in folders)
    ]


def texts() -> list[tuple[Path, str]]:
    """Every text file of the project with its content."""
    found = []
    for path in project_files():
        if path.suffix in TEXT:
            raw = path.read_bytes()
            if b"\0" not in raw:
                found.append((path, raw.decode(errors="replace")))
    return found


def place(path: Path, line: int) -> str:
    """`gateway/errors.py:12`, as an editor opens it."""
    return f"{path.relative_to(ROOT)}:{line}"
