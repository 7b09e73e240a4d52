"""`gateway deviation`: what is told to the QMS, as the running gateway knows it. No command closes a deviation."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import click

from gateway.cli.access import access, control
from gateway.cli.examples import examples
from gateway.cli.group import Group


@click.group(
    cls=Group,
    epilog=examples(
        "gateway deviation list --open --token-file mes.token",
        "gateway deviation show DEV-gw01-000042 --token-file mes.token",
    ),
)
def deviation() -> None:
    """List and show deviations; the QMS alone classifies and closes them."""


@deviation.command(
    "list",
    epilog=examples(
        "gateway deviation list --token-file mes.token", "gateway deviation list --open --token-file mes.token"
    ),
)
@click.option("--open", "open_only", is_flag=True, help="only those whose condition lasts")
@access
def list_deviations(
    config: Path | None, url: str | None, token_file: Path | None, *, open_only: bool, as_json: bool
) -> None:
    """List deviations, oldest first, with the record ids the QMS gave."""
    told = control(config, url, token_file).get("/api/v1/deviations" + ("?open=true" if open_only else ""))
    if as_json:
        click.echo(json.dumps({"format": "deviation list/1", **told}))
        return
    for item in told["items"]:
        batches = ", ".join(item["batches"]) or "-"
        record = item["record_id"] or "not confirmed"
        click.echo(
            f"{item['deviation']}  {item['state']:<10} {item['severity']:<8} {item['opened']}  QMS {record}  {batches}"
        )
    if not told["items"]:
        click.echo("no deviations")


@deviation.command(
    "show",
    epilog=examples(
        "gateway deviation show DEV-gw01-000042 --token-file mes.token",
        "gateway deviation show DEV-gw01-000042 --json --token-file mes.token",
    ),
)
@click.argument("deviation_id")
@access
def show(deviation_id: str, config: Path | None, url: str | None, token_file: Path | None, *, as_json: bool) -> None:
    """Show one deviation: its excursions, its batches, its QMS record."""
    told = control(config, url, token_file).get(f"/api/v1/deviations/{quote(deviation_id, safe='')}")
    if as_json:
        click.echo(json.dumps({"format": "deviation show/1", **told}))
        return
    click.echo(
        f"{told['deviation']} revision {told['revision']} {told['state']}, {told['event_class']}, proposed {told['severity']}"
    )
    click.echo(f"  opened {told['opened']}, QMS {told['record_id'] or 'not confirmed'}")
    click.echo(f"  batches {', '.join(told['batches']) or 'none'}")
    for part in told["parts"]:
        click.echo(f"  {part['excursion']} {part['condition']} {part['t0']} .. {part['t1'] or 'open'}")
