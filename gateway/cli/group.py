"""Group of commands whose list shows the first sentence of each whole, wrapped and never cut."""

from __future__ import annotations

import inspect
import re

import click

_SENTENCE = re.compile(r"(.+?)\.(?=\s|$)", re.DOTALL)


class Group(click.Group):
    """Lists its commands as people read them."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a line for each command."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary(command)) for name, command in found if command is not None])


def summary(command: click.Command) -> str:
    """Return the first sentence of a command's help, without its full stop."""
    first = " ".join(inspect.cleandoc(command.help or "").partition("\n\n")[0].split())
    sentence = _SENTENCE.match(first)
    return sentence[1] if sentence is not None else first.rstrip(".")
