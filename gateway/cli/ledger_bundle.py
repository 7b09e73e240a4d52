"""`gateway ledger bundle`: the bundle of signals over a stretch of time, made by the running gateway."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import click

from gateway.cli.access import access, control
from gateway.cli.bundle_file import write_bundle
from gateway.cli.examples import examples


@click.command(
    "bundle",
    epilog=examples(
        "gateway ledger bundle --from 2026-11-20T00:00Z --to 2026-11-21T00:00Z -o day.zip --token-file mes.token",
        "gateway ledger bundle FRZ-01/temp --from 2026-11-20T03:00:00Z --to 2026-11-20T04:00:00Z -o hour.zip",
    ),
)
@click.argument("signals", nargs=-1, metavar="[SIGNAL]...")
@click.option("--from", "first", required=True, help="effective time, with zone: 2026-11-20T03:00:00Z")
@click.option("--to", "last", required=True, help="the first moment no longer in it")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="the .zip to write")
@access
def bundle(
    signals: tuple[str, ...],
    first: str,
    last: str,
    output: Path,
    config: Path | None,
    url: str | None,
    token_file: Path | None,
    *,
    as_json: bool,
) -> None:
    """Write the bundle of signals (all, if none is named) over a stretch of time: entries, proofs, keys and its verifier."""
    query = urlencode([*(("signal", one) for one in signals), ("from", first), ("to", last)])
    content = control(config, url, token_file).get_bytes(f"/api/v1/readings/bundle.zip?{query}")
    write_bundle(content, output, "ledger bundle/1", as_json=as_json)
