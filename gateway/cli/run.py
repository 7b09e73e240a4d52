"""`gateway run`: the gateway itself, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from gateway.cli.examples import examples
from gateway.cli.place import config_folder


@click.command(epilog=examples("gateway run --config config", "gateway run --config config --check-only"))
@click.option("--config", type=click.Path(path_type=Path), help="configuration folder")
@click.option("--check-only", is_flag=True, help="understand the configuration and the ledger's place, start nothing")
def run(config: Path | None, *, check_only: bool) -> None:
    """Read, seal, judge and deliver until stopped.

    Exit 69 folder in use or port taken, 78 not set up or not understood.
    """
    from gateway.adapters.plain_structlog import load

    load()
    from gateway.app.site import open_site

    site = open_site(config_folder(config))
    if site.development:
        click.echo("DEVELOPMENT - NOT FOR GMP USE", err=True)
    site.need_approval()
    if check_only:
        click.echo(f"understood: {len(site.plan.signals)} signals, configuration {site.plan.config}")
        return
    from gateway.app.collector import calm
    from gateway.app.run import run_gateway

    calm()
    asyncio.run(run_gateway(site, lambda line: click.echo(line, err=True)))
