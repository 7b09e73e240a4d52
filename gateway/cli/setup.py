"""`gateway setup`: once for a box; creates ledger, keys and state, and touches nothing that exists."""

from __future__ import annotations

import json
from pathlib import Path

import click

from gateway.cli.examples import examples
from gateway.cli.place import config_folder


@click.command(epilog=examples("gateway setup --config config", "gateway setup --dry-run --json"))
@click.option("--config", type=click.Path(path_type=Path), help="configuration folder")
@click.option("--dry-run", is_flag=True, help="say what would be made, make nothing")
@click.option("--json", "as_json", is_flag=True, help="one JSON object")
def setup(config: Path | None, *, dry_run: bool, as_json: bool) -> None:
    """Create the ledger, its seal key and the state folder of a new box.

    Exit 78 when there is a ledger, or the configuration is not understood.
    """
    from gateway.app.setup import set_up
    from gateway.app.site import open_site

    site = open_site(config_folder(config))
    told = set_up(site, dry_run=dry_run)
    if as_json:
        click.echo(json.dumps({"format": "setup/1", "dry_run": dry_run, "made": told, "ledger": str(site.ledger)}))
        return
    if site.development:
        click.echo("DEVELOPMENT - NOT FOR GMP USE")
    for line in told:
        click.echo(f"would make {line}" if dry_run else f"made {line}")
    if not dry_run:
        click.echo("next: gateway user add --machine --scope batch.start,batch.end --token-file FILE, then gateway run")
