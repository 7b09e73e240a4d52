"""`./run test`: which tests run, with how many examples and seeds, and what the exit code says."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass

from tests.paths import ROOT

BUILD = ROOT / "build"
EXIT = {0: 0, 1: 1, 2: 1, 3: 1, 4: 2, 5: 1}
"""pytest's exit code → ours: 0 all passed, 1 failed (no test at all is a failure), 2 usage."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One size of the suite: the marker expression, Hypothesis examples, simulation seeds, whether the gates decide."""

    markers: str
    examples: str
    seeds: int
    gates: bool = False


CHOICES = {
    "fast": Choice("not integration and not fault and not slow and not chaos", "fast", 20),
    "default": Choice("not fault and not slow and not chaos", "default", 20),
    "all": Choice("", "all", 200, gates=True),
    "chaos": Choice("chaos", "default", 20),
    "nightly": Choice("", "nightly", 200),
}


def main(words: list[str]) -> int:
    """Run pytest as the words ask and return our exit code."""
    parser = argparse.ArgumentParser(
        prog="./run test", description="everything else goes to pytest", allow_abbrev=False
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--fast", dest="size", action="store_const", const="fast", help="no server, no browser")
    size.add_argument("--all", dest="size", action="store_const", const="all", help="faults, many seeds, gates")
    size.add_argument("--chaos", dest="size", action="store_const", const="chaos", help="only the chaos run")
    size.add_argument(
        "--nightly", dest="size", action="store_const", const="nightly", help="5,000 examples, newest packages"
    )
    parser.add_argument("--system", action="store_true", help="install missing servers first (root)")
    given, rest = parser.parse_known_args(words)
    name = given.size or "default"
    BUILD.mkdir(exist_ok=True)
    python = newest_environment() if name == "nightly" else sys.executable
    ended = subprocess.run([python, *arguments(CHOICES[name], rest, covered=name != "fast")], cwd=ROOT, check=False)
    return EXIT.get(ended.returncode, 1)


def arguments(choice: Choice, rest: list[str], *, covered: bool) -> list[str]:
    """Arguments of the interpreter: pytest, under coverage when the whole suite runs."""
    whole = not rest
    head = ["-m", "coverage", "run", "-m", "pytest"] if covered and whole else ["-m", "pytest"]
    options = [
        f"--hypothesis-profile={choice.examples}",
        f"--seeds={choice.seeds}",
        "--junit-xml=build/junit.xml",
        "-rfEs",
    ]
    if whole:
        options += ["--matrix", "--durations=20"]
    if choice.gates and whole:
        options.append("--gates")
    if choice.markers:
        options += ["-m", choice.markers]
    return [*head, *options, *rest]


def newest_environment() -> str:
    """Interpreter of an environment with the newest packages that the project's ranges allow."""
    uv = ROOT / ".tools/uv/bin/uv"
    program = str(uv) if uv.exists() else "uv"
    folder = ROOT / ".tools/newest"
    python = str(folder / "bin/python")
    env = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(folder)}
    subprocess.run(
        [program, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], check=True, env=env
    )
    install = [
        program,
        "pip",
        "install",
        "--quiet",
        "--python",
        python,
        "--upgrade",
        "--group",
        "dev",
        "--editable",
        ".[demo]",
    ]
    subprocess.run(install, cwd=ROOT, check=True, env=env)
    return python


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
