"""A counterpart that is not on this machine: a skip on a laptop, a failure where CI=true."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

LIST = Path(__file__).with_name("packages.txt")
PACKAGES = dict(line.split() for line in LIST.read_text().splitlines())
"""Program → the Debian package that brings it; `./run deps` reads the same list."""

FOLDERS = ("/usr/sbin", "/usr/local/sbin")
"""Where Debian keeps servers, outside the PATH of people who are not root."""


def need(program: str) -> str:
    """Path of `program`; without it the test is skipped, or fails where CI=true."""
    found = shutil.which(program) or shutil.which(program, path=":".join(FOLDERS))
    if found is None:
        absent(f"{program} is not on this machine: sudo apt-get install {PACKAGES.get(program, program)}")
    return found


def need_folder(folder: Path, brings: str) -> Path:
    """`folder` itself; where it is absent the test is skipped, or fails where CI=true. `brings` names what it holds."""
    if not folder.is_dir():
        absent(f"{folder} is not on this machine: {brings}")
    return folder


def absent(why: str) -> NoReturn:
    """Skip on a laptop, fail where CI=true, with the same words."""
    if os.environ.get("CI") == "true":
        pytest.fail(why, pytrace=False)
    pytest.skip(why)
