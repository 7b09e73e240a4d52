"""`./run check`: format, style, types, layers and the rules of the house, two steps at a time, in under 90 s."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.paths import ROOT

BIN = Path(sys.executable).parent

STEPS: dict[str, list[str]] = {
    "types, mypy": ["mypy"],
    "types, pyright": ["pyright"],
    "format": ["ruff", "format", "--check", "."],
    "style": ["ruff", "check", "."],
    "layers": ["lint-imports", "--cache-dir", ".tools/cache/import-linter"],
    "house": ["pytest", "tests/house", "-q", "-rfEs", "-p", "no:randomly"],
}
"""What is checked, by which tool; the slow ones first, so that two cores are busy to the end."""


class Ended(NamedTuple):
    """One finished step."""

    name: str
    code: int
    seconds: float
    output: str


def step(name: str) -> Ended:
    """Run one step to its end and keep what it said."""
    tool, *rest = STEPS[name]
    began = time.monotonic()
    done = subprocess.run([str(BIN / tool), *rest], cwd=ROOT, check=False, capture_output=True, text=True)
    return Ended(name, done.returncode, time.monotonic() - began, done.stdout + done.stderr)


def main(words: list[str]) -> int:
    """Run all steps, or those whose name contains a given word; print each as it ends; 0 when all passed, 2 usage."""
    chosen = [name for name in STEPS if not words or any(word in name for word in words)]
    if not chosen:
        print(f"usage: ./run check [{' | '.join(STEPS)}]", file=sys.stderr)
        return 2
    failed = []
    with ThreadPoolExecutor(2) as pool:
        for ended in pool.map(step, chosen):
            if ended.code:
                failed.append(ended.name)
                print(ended.output.rstrip())
            print(f"{'FAILED' if ended.code else 'ok':6} {ended.name}  {ended.seconds:.1f} s", flush=True)
            if ended.name == "house" and not ended.code:
                print(ended.output.rstrip().splitlines()[-1])
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
