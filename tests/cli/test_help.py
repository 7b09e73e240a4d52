"""Help reads well: every command and option says what it does, two examples each, no line is cut."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from gateway.cli import COMMANDS, gateway
from gateway.cli.group import Group, summary


def walk(command: click.Command, words: tuple[str, ...] = ()):
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from walk(command.get_command(context, name), (*words, name))


ALL = list(walk(gateway))


@pytest.mark.parametrize(("words", "command"), ALL, ids=[" ".join(words) or "gateway" for words, _ in ALL])
def test_every_command_says_what_it_does_and_shows_two_examples(words, command):
    assert summary(command), words
    assert len(summary(command)) <= 130, "one sentence, two lines in the list at most"
    assert summary(command)[0].isupper()
    assert command.epilog is not None, "examples(first, second)"
    lines = [line.strip() for line in command.epilog.splitlines() if line.strip().startswith("gateway ")]
    assert len(lines) == 2
    assert all(line.startswith(f"gateway {' '.join(words)}".strip()) for line in lines)


@pytest.mark.parametrize(("words", "command"), ALL, ids=[" ".join(words) or "gateway" for words, _ in ALL])
def test_every_option_says_what_it_is_in_lower_case_and_without_a_full_stop(words, command):
    for option in command.params:
        if not isinstance(option, click.Option) or option.name in {"version", "help"}:
            continue
        assert option.help, option.opts
        assert not option.help.endswith("."), option.opts
        first = option.help.split()[0]
        assert first[0].islower() or not first[0].isalpha() or first.isupper() or first in {"JSON", "Lines"}, (
            option.opts
        )


@pytest.mark.parametrize("word", COMMANDS)
def test_the_list_of_a_group_is_never_cut(word):
    said = CliRunner().invoke(gateway, [word, "--help"], terminal_width=80)
    assert said.exit_code == 0
    commands = said.output.partition("Commands:")[2].partition("Examples:")[0]
    assert "..." not in commands


def test_a_group_shows_whole_first_sentences_and_the_nearest_word():
    @click.group(cls=Group)
    def tool() -> None:
        """Tool."""

    @tool.command()
    def work() -> None:
        """Do a long piece of work whose line is longer than what is left beside its name, a `word`. Then rest.

        Exit 1.
        """

    said = " ".join(CliRunner().invoke(tool, ["--help"], terminal_width=80).output.split())
    assert "what is left beside its name, a `word`" in said
    assert "Then rest" not in said
    assert "'work'" in CliRunner().invoke(tool, ["wrok"]).output
