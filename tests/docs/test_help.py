"""`--help` of every command: two examples that can be copied, and nothing that only we understand."""

from __future__ import annotations

import re
import shlex

import click
import pytest
from click.testing import CliRunner

from gateway.cli import gateway
from tests.docs.command_tree import commands, leaves

INTERNAL = re.compile(r"\\b|\x08|asyncio|pydantic|msgspec|Struct|\bTODO\b|\bfold\b|\bintake\b|[a-z]+\.md\b")


@pytest.mark.parametrize(("words", "command"), commands(), ids=lambda value: value if isinstance(value, str) else "")
def test_help_holds_two_examples_and_no_word_of_ours(words: str, command: click.Command) -> None:
    del command
    told = CliRunner().invoke(gateway, [*words.split()[1:], "--help"], prog_name="gateway", terminal_width=100)
    assert told.exit_code == 0, told.output
    assert INTERNAL.search(told.output) is None, told.output
    _, _, examples = told.output.partition("Examples:\n")
    shown = [line.strip() for line in examples.splitlines() if line.strip()]
    assert len(shown) == 2, told.output
    assert all(line.startswith("gateway ") for line in shown), shown


@pytest.mark.parametrize(("words", "command"), commands(), ids=lambda value: value if isinstance(value, str) else "")
def test_examples_are_understood(words: str, command: click.Command) -> None:
    del words
    known = dict(leaves())
    for line in (command.epilog or "").replace("\b", "").splitlines():
        if not line.strip().startswith("gateway "):
            continue
        typed = shlex.split(line)
        name = next((" ".join(typed[:n]) for n in (3, 2) if " ".join(typed[:n]) in known), None)
        assert name is not None, line
        known[name].make_context(name, typed[len(name.split()) :], resilient_parsing=True)


def test_every_command_says_what_it_is_for() -> None:
    assert [words for words, command in commands() if not (command.help or "").strip()] == []
