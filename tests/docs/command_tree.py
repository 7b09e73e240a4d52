"""The whole command tree of `gateway`, as documentation tests walk it."""

from __future__ import annotations

from collections.abc import Iterator

import click

from gateway.cli import gateway


def commands() -> list[tuple[str, click.Command]]:
    """Every command below `gateway` with its words, groups before what is in them."""
    return list(_below(gateway, "gateway", click.Context(gateway)))


def _below(group: click.Group, words: str, context: click.Context) -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, f"{words} {name}"
        yield f"{words} {name}", command
        if isinstance(command, click.Group):
            yield from _below(command, f"{words} {name}", click.Context(command))


def leaves() -> list[tuple[str, click.Command]]:
    """Commands that do something, without the groups."""
    return [(words, command) for words, command in commands() if not isinstance(command, click.Group)]
