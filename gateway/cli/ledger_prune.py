"""`gateway ledger prune`: disposal of the records that no retention rule keeps, by the running gateway."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from gateway.cli.access import access, control
from gateway.cli.examples import examples

ROUTE = "/api/v1/operations/ledger.prune"


@click.command(
    epilog=examples(
        "gateway ledger prune --dry-run --token-file qa.token",
        "gateway ledger prune --reason 'disposal list 2031-04' --token-file qa.token",
    )
)
@click.option("--dry-run", is_flag=True, help="say what would go, and do nothing")
@click.option("--reason", help="why; it is recorded")
@access
def prune(
    config: Path | None,
    url: str | None,
    token_file: Path | None,
    reason: str | None,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Dispose of whole segments past every rule and hold. Exit 1: something keeps them, and until when.

    Signatures of two people come with a later version: until then only a gateway with approval: off disposes of anything.
    """
    body: dict[str, Any] = {"dry_run": dry_run, **({} if reason is None else {"reason": reason})}
    told = control(config, url, token_file).post(ROUTE, body)
    if as_json:
        click.echo(json.dumps({"format": "ledger prune/1", **told}))
        return
    span = f"{told['first']:,}..{told['last']:,}"
    if dry_run:
        click.echo(f"would prune {span}, {len(told['batches'])} batches; then: {told['stays']}")
        return
    click.echo(f"pruned {span} by record {told['record']:,}, {told['bytes'] / 1e6:,.1f} MB freed")
