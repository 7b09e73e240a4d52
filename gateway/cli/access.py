"""Access: the options by which a command finds the running gateway and says who asks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from gateway.cli.control import Control, read_token
from gateway.cli.place import config_folder, state_folder

Decorated = Callable[..., Any]


def access(command: Decorated) -> Decorated:
    """Give a command --config, --url, --token-file and --json."""
    for option in reversed(
        (
            click.option("--config", "config", type=click.Path(path_type=Path), help="configuration folder"),
            click.option("--url", help="another box: https://gw:8443"),
            click.option("--token-file", type=click.Path(path_type=Path), help="file with a machine account's token"),
            click.option("--json", "as_json", is_flag=True, help="one JSON object"),
        )
    ):
        command = option(command)
    return command


def control(config: Path | None, url: str | None, token_file: Path | None) -> Control:
    """Return the conversation of one account with one gateway: over its socket, or over ``url``."""
    token = read_token(token_file)
    if url is not None:
        return Control(token=token, url=url)
    return Control(token=token, socket_path=state_folder(config_folder(config)) / "control.sock")
