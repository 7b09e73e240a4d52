"""`gateway excursion`: limits broken over an interval, as the running gateway knows them, and their bundles."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import click

from gateway.cli.access import access, control
from gateway.cli.bundle_file import write_bundle
from gateway.cli.examples import examples
from gateway.cli.group import Group


@click.group(
    cls=Group,
    epilog=examples(
        "gateway excursion list --open --token-file mes.token",
        "gateway excursion show EXC-7KQ2M4ZT --token-file mes.token",
    ),
)
def excursion() -> None:
    """List, show and bundle excursions."""


@excursion.command(
    "list",
    epilog=examples(
        "gateway excursion list --token-file mes.token", "gateway excursion list --open --token-file mes.token"
    ),
)
@click.option("--open", "open_only", is_flag=True, help="only those that last")
@access
def list_excursions(
    config: Path | None, url: str | None, token_file: Path | None, *, open_only: bool, as_json: bool
) -> None:
    """List excursions, oldest first."""
    told = control(config, url, token_file).get("/api/v1/excursions" + ("?open=true" if open_only else ""))
    if as_json:
        click.echo(json.dumps({"format": "excursion list/1", **told}))
        return
    for item in told["items"]:
        deviations = ", ".join(item["deviations"]) or "-"
        click.echo(f"{item['excursion']}  {item['condition']:<32} {item['t0']} .. {item['t1'] or 'open'}  {deviations}")
    if not told["items"]:
        click.echo("no excursions")


@excursion.command(
    "show",
    epilog=examples(
        "gateway excursion show EXC-7KQ2M4ZT --token-file mes.token",
        "gateway excursion show EXC-7KQ2M4ZT --json --token-file mes.token",
    ),
)
@click.argument("excursion_id")
@access
def show(excursion_id: str, config: Path | None, url: str | None, token_file: Path | None, *, as_json: bool) -> None:
    """Show one excursion: interval, extreme, batches, deviations."""
    told = control(config, url, token_file).get(f"/api/v1/excursions/{quote(excursion_id, safe='')}")
    if as_json:
        click.echo(json.dumps({"format": "excursion show/1", **told}))
        return
    click.echo(f"{told['excursion']} {told['condition']} {told['level']}, {told['t0']} .. {told['t1'] or 'open'}")
    click.echo(f"  extreme {told['extreme']}, breach {told['breach_s']:.0f} s, crossings {told['crossings']}")
    click.echo(f"  batches {', '.join(told['batches']) or 'none'}")
    click.echo(f"  deviations {', '.join(told['deviations']) or 'none'}; ledger {told['ledger_index']:,}")


@excursion.command(
    "bundle",
    epilog=examples(
        "gateway excursion bundle EXC-7KQ2M4ZT -o EXC-7KQ2M4ZT.zip --token-file mes.token",
        "gateway excursion bundle EXC-7KQ2M4ZT -o e.zip --url https://gw-01.plant.example:8443",
    ),
)
@click.argument("excursion_id")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="the .zip to write")
@access
def bundle(
    excursion_id: str,
    output: Path,
    config: Path | None,
    url: str | None,
    token_file: Path | None,
    *,
    as_json: bool,
) -> None:
    """Write the bundle of an excursion: its signal around it, its records and deviations, proofs, and its own verifier."""
    content = control(config, url, token_file).get_bytes(
        f"/api/v1/excursions/{quote(excursion_id, safe='')}/bundle.zip"
    )
    write_bundle(content, output, "excursion bundle/1", as_json=as_json)
