"""`gateway backup`: begin a backup on the running gateway and wait for its end."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click

from gateway.cli.access import access, control
from gateway.cli.examples import examples
from gateway.cli.progress import progress_bar
from gateway.errors import Refused, Unavailable

POLL_S = 0.3


@click.command(
    epilog=examples(
        "gateway backup --token-file backup.token", "gateway backup --to /mnt/safe --token-file backup.token"
    )
)
@click.option("--to", type=click.Path(path_type=Path), help="folder instead of backup.to; on the box itself only")
@click.option("--quiet", is_flag=True, help="the last line only")
@access
@click.pass_context
def backup(
    ctx: click.Context,
    to: Path | None,
    config: Path | None,
    url: str | None,
    token_file: Path | None,
    *,
    quiet: bool,
    as_json: bool,
) -> None:
    """Back up the running gateway: encrypted, off the box, read back before it counts. Exit 1 when it failed, 69 target."""
    if to is not None and str(to).startswith("s3:"):
        raise Refused("backups to an object store are not in this version", remedy="name a folder: --to DIR")
    asked = control(config, url, token_file)
    told = asked.post("/api/v1/operations/backup", {} if to is None else {"to": str(to.resolve())})
    with progress_bar("bytes", wanted=not (quiet or as_json)) as progress:
        while told["state"] == "running":
            time.sleep(POLL_S)
            told = asked.get("/api/v1/backup")
            if told["total"]:
                progress(told["done"], told["total"])
    if "result" not in told:
        raise Unavailable("the gateway broke the backup off", remedy="see its log, then: gateway backup")
    result: dict[str, Any] = told["result"]
    if told["state"] == "failed":
        kind = Unavailable if result["exit"] == Unavailable.exit_code else Refused
        raise kind(result["error"], remedy=result["remedy"])
    if as_json:
        click.echo(json.dumps({"format": "backup/1", **result}))
        return
    if not quiet:
        click.echo(f"{result['files']:,} files up to size {result['size']:,} in {result['path']}")
    click.echo(f"{_amount(result['bytes'])}, verified")
    ctx.exit(0)


def _amount(count: int) -> str:
    """Return ``61.2 GB``."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count} B"
