"""Shell blocks of a page: those whose first line is ```` ```sh run [PROGRAM…] ````, in order, with the programs they need."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

BLOCK = re.compile(r"^```sh run([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class ShellBlock(NamedTuple):
    """Lines to run, and programs of the system without which they are left out."""

    lines: str
    programs: tuple[str, ...]


def shell_blocks(page: Path) -> list[ShellBlock]:
    """Return the runnable blocks of a page."""
    return [ShellBlock(found[2], tuple(found[1].split())) for found in BLOCK.finditer(page.read_text())]


def script(blocks: list[ShellBlock], ports: dict[str, str]) -> str:
    """Return one bash script of the blocks, stopping at the first error, with other ports than the page's."""
    body = "\n".join(f"echo '--- {number}' >&2\n{block.lines}" for number, block in enumerate(blocks, 1))
    for shown, free in ports.items():
        body = re.sub(rf"\b{shown}\b", free, body)
    return f"set -eum\ntrap 'kill $(jobs -p) 2>/dev/null' EXIT\n{body}"
