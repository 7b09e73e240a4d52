"""`gateway keys`: make, show, replace and revoke the machine's keys (`ledger.md` 4)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import click

from gateway.cli.access import access, control
from gateway.cli.examples import examples
from gateway.cli.group import Group
from gateway.cli.place import config_folder

PURPOSES: Final = ("seal", "publish")
_SECONDS: Final = {"d": 86_400, "h": 3_600}
_key = click.option("--key", "purpose", required=True, type=click.Choice(PURPOSES), help="which key")
_dry = click.option("--dry-run", is_flag=True, help="say what would happen, change nothing")


@click.group(
    cls=Group,
    epilog=examples("gateway keys show", "gateway keys rotate --key seal --reason 'yearly' --token-file qa.token"),
)
def keys() -> None:
    """Keys of the machine: make, show, rotate, revoke."""


@keys.command(epilog=examples("gateway keys init --key publish", "gateway keys init --key seal --dry-run"))
@_key
@click.option("--config", type=click.Path(path_type=Path), help="configuration folder")
@_dry
@click.option("--json", "as_json", is_flag=True, help="one JSON object")
def init(purpose: str, config: Path | None, *, dry_run: bool, as_json: bool) -> None:
    """Make the first key of a purpose: in its file, or on its token, which never gives it away."""
    from gateway.app.key_lists import make_key
    from gateway.app.site import open_site

    told = make_key(open_site(config_folder(config)), purpose, dry_run=dry_run)
    if as_json:
        click.echo(json.dumps({"format": "keys init/1", **told}))
        return
    click.echo(f"would make a {purpose} key: {told['where']}" if dry_run else f"{purpose} {told['key']}")
    if not dry_run:
        click.echo(f"in {told['where']}; it enters the ledger at the next start")


@keys.command(epilog=examples("gateway keys show", "gateway keys show --config /etc/gateway --json"))
@click.option("--config", type=click.Path(path_type=Path), help="configuration folder")
@click.option("--json", "as_json", is_flag=True, help="one JSON object")
def show(config: Path | None, *, as_json: bool) -> None:
    """Every key of the ledger with the sizes it counts for, also while the gateway is down."""
    from gateway.app.key_lists import findings, log_keys, shown_keys
    from gateway.app.site import open_site

    standing = log_keys(open_site(config_folder(config)))
    rows, wrong = shown_keys(standing), findings(standing)
    if as_json:
        click.echo(json.dumps({"format": "keys show/1", "items": rows, "findings": wrong}))
        return
    for row in rows:
        click.echo(_line(row))
    for one in wrong:
        click.echo(f"finding: {one}")


@keys.command(
    epilog=examples(
        "gateway keys rotate --key seal --reason 'yearly' --token-file qa.token",
        "gateway keys rotate --key publish --overlap 14d --reason 'new HSM' --token-file qa.token --dry-run",
    )
)
@_key
@click.option("--overlap", default="7d", show_default=True, help="how long old and new sign together: 7d at least")
@click.option("--reason", required=True, help="why")
@_dry
@access
def rotate(
    purpose: str,
    overlap: str,
    reason: str,
    config: Path | None,
    url: str | None,
    token_file: Path | None,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Enter a new key beside the one in force, which the gateway retires after the overlap."""
    body = {"purpose": purpose, "overlap_s": _overlap(overlap), "reason": reason, "dry_run": dry_run}
    told = control(config, url, token_file).post("/api/v1/operations/key.rotate", body)
    if as_json:
        click.echo(json.dumps({"format": "keys rotate/1", **told}))
        return
    elder = f", beside {told['replaces']}" if told.get("replaces") else ""
    if dry_run:
        click.echo(f"would enter a new {purpose} key in {told['where']}{elder}")
        return
    click.echo(f"{purpose} {told['key']} from {told['from_size']:,}, ledger {told['ledger_index']:,}")
    if elder:
        click.echo(f"{told['replaces']} signs beside it until {told['retires']}")
    click.echo("next: give keys/policy to witnesses and clients")


@keys.command(
    epilog=examples(
        "gateway keys revoke --key seal --id c04564cd --to-size 1204331 --reason 'disk was stolen' --token-file qa.token",
        "gateway keys revoke --key publish --to-size 1204331 --reason 'token lost' --token-file qa.token --dry-run",
    )
)
@_key
@click.option("--id", "key_id", help="8 hex digits of the key, where more than one could be meant")
@click.option("--to-size", required=True, type=click.IntRange(0), help="the key counts for no larger tree")
@click.option("--reason", required=True, help="why")
@_dry
@access
def revoke(
    purpose: str,
    key_id: str | None,
    to_size: int,
    reason: str,
    config: Path | None,
    url: str | None,
    token_file: Path | None,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """End a key for every tree larger than a size: the newest that was cosigned and time-stamped before the doubt."""
    body: dict[str, Any] = {"purpose": purpose, "to_size": to_size, "reason": reason, "dry_run": dry_run}
    body |= {} if key_id is None else {"key_id": key_id}
    told = control(config, url, token_file).post("/api/v1/operations/key.revoke", body)
    if as_json:
        click.echo(json.dumps({"format": "keys revoke/1", **told}))
    elif dry_run:
        click.echo(f"would end {told['key']} at {told['to_size']:,}")
    else:
        click.echo(f"{told['key']} counts to {told['to_size']:,}, ledger {told['ledger_index']:,}")
        click.echo("next: give keys/policy to witnesses and clients at once")


def _line(row: dict[str, Any]) -> str:
    name = "+".join(row["key"].split("+", 2)[:2])  # base64 has plus signs too
    until = f" to {row['to_size']:,}" if "to_size" in row else ""
    retires = f", retires {row['retires']}" if "retires" in row else ""
    return f"{row['purpose']} {name} from {row['from_size']:,}{until}{retires}"


def _overlap(text: str) -> int:
    found = re.fullmatch(r"(\d{1,4})([dh])", text)
    if found is None:
        raise click.UsageError(f"--overlap {text}: write days or hours, 7d")
    return int(found[1]) * _SECONDS[found[2]]
