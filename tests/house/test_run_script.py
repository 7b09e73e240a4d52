"""The way in: `run` stays small, knows every command that README names, and refuses what it does not know."""

from __future__ import annotations

import os
import re
import subprocess

from tests.counterparts.missing import PACKAGES
from tests.house.suite import CHOICES, EXIT, arguments
from tests.paths import ROOT

RUN = ROOT / "run"


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """One call of ./run."""
    return subprocess.run(
        ["sh", str(RUN), *words], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )


def commands() -> set[str]:
    """The commands that `run` tells apart."""
    cases = RUN.read_text().partition("\ncase $command in\n")[2]
    return set(re.findall(r"^    ([a-z]+)\)", cases, re.MULTILINE))


def test_run_is_small_and_executable() -> None:
    assert len(RUN.read_text().splitlines()) <= 120
    assert RUN.read_text().startswith("#!/bin/sh\n")
    assert os.access(RUN, os.X_OK)


def test_run_knows_its_table() -> None:
    assert commands() == {"demo", "test", "check", "bench", "deps", "lock", "build"}


def test_readme_names_only_commands_that_exist() -> None:
    named = set(re.findall(r"\./run ([a-z]+)", (ROOT / "README.md").read_text()))
    assert {"demo", "test"} <= named
    assert named - commands() == set()


def test_usage_ends_with_2() -> None:
    for words in ((), ("tset",), ("deps", "--everything")):
        done = run(*words)
        assert done.returncode == 2, words
        assert "usage: ./run demo" in done.stderr


def test_deps_names_every_counterpart_once() -> None:
    done = run("deps")
    assert done.returncode == 0, done.stderr
    states = dict(re.findall(r"^(?:found|missing) +(\S+)( .*)?$", done.stdout, re.MULTILINE))
    assert set(states) == set(PACKAGES)


def test_fast_runs_without_servers_and_coverage() -> None:
    words = arguments(CHOICES["fast"], [], covered=False)
    assert words[:2] == ["-m", "pytest"]
    assert "not integration" in words[words.index("-m", 2) + 1]


def test_all_runs_everything_and_lets_the_gates_decide() -> None:
    words = arguments(CHOICES["all"], [], covered=True)
    assert words[:5] == ["-m", "coverage", "run", "-m", "pytest"]
    assert "--gates" in words
    assert "-m" not in words[5:]


def test_a_part_of_the_suite_is_not_judged_by_the_gates() -> None:
    assert "--gates" not in arguments(CHOICES["all"], ["-k", "ledger"], covered=True)


def test_no_test_at_all_is_a_failure() -> None:
    assert EXIT[5] == 1
