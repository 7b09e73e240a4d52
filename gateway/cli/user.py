"""`gateway user`: machine accounts, their tokens and names. People and their roles are not made here."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.examples import examples
from gateway.cli.group import Group
from gateway.cli.place import config_folder, state_folder
from gateway.errors import Refused

if TYPE_CHECKING:
    from gateway.adapters.people import PeopleFile


@click.group(
    cls=Group,
    epilog=examples(
        "gateway user add --machine --scope batch.start,batch.end --token-file mes.token", "gateway user list"
    ),
)
def user() -> None:
    """Machine accounts, their tokens and their names."""


def _people(config: Path | None) -> PeopleFile:
    from gateway.adapters.entropy import os_entropy
    from gateway.adapters.people import PeopleFile

    return PeopleFile(state_folder(config_folder(config)) / "people.db", os_entropy)


@user.command(
    "add",
    epilog=examples(
        "gateway user add --machine --scope batch.create,batch.start,batch.end,batch.read --token-file mes.token",
        "gateway user add --machine --name 'MES Basel' --scope batch.read --days 365 --token-file mes.token",
    ),
)
@click.option("--machine", is_flag=True, help="a machine account (the only kind so far)")
@click.option("--scope", required=True, help="operations, comma separated: batch.start,batch.end,batch.read")
@click.option("--name", help="what it is called; erasable, records hold only a commitment to it")
@click.option("--days", default=90, show_default=True, help="how long the token lives")
@click.option("--token-file", type=click.Path(path_type=Path), help="write the token here (0600) instead of showing it")
@click.option("--config", type=click.Path(path_type=Path), help="configuration folder")
@click.option("--json", "as_json", is_flag=True, help="one JSON object")
def add(
    scope: str,
    name: str | None,
    days: int,
    token_file: Path | None,
    config: Path | None,
    *,
    machine: bool,
    as_json: bool,
) -> None:
    """Create a machine account; its token is shown once and kept nowhere."""
    from gateway.adapters.entropy import os_entropy
    from gateway.adapters.machine_accounts import MachineAccounts
    from gateway.adapters.system_clock import OsClock

    if not machine:
        raise Refused("only machine accounts can be added here", code="ACC-002", remedy="give --machine")
    accounts = MachineAccounts(state_folder(config_folder(config)) / "machines.json")
    scopes = [word.strip() for word in scope.split(",") if word.strip()]
    account, token = accounts.add(scopes, days, OsClock().now().wall_ns, os_entropy, _people(config), name)
    ends = datetime.fromtimestamp(account.expires_ns / 1e9, UTC).strftime("%Y-%m-%dT%H:%MZ")
    if token_file is not None:
        token_file.touch(0o600)
        token_file.chmod(0o600)
        token_file.write_text(token + "\n")
    shown = {} if token_file is not None else {"token": token}
    if as_json:
        told = {"format": "user add/1", "person": account.person, "scopes": account.scopes, "expires": ends, **shown}
        click.echo(json.dumps(told))
        return
    click.echo(f"{account.person} may {', '.join(account.scopes)} until {ends}")
    click.echo(f"token in {token_file}" if token_file is not None else f"token, shown once: {token}")


@user.command("list", epilog=examples("gateway user list", "gateway user list --config /etc/gateway --json"))
@click.option("--config", type=click.Path(path_type=Path), help="configuration folder")
@click.option("--json", "as_json", is_flag=True, help="one JSON object")
def list_accounts(config: Path | None, *, as_json: bool) -> None:
    """List machine accounts with their names, without their tokens, which nobody has."""
    from gateway.adapters.machine_accounts import MachineAccounts

    accounts = MachineAccounts(state_folder(config_folder(config)) / "machines.json").all()
    people = _people(config) if any(account.name for account in accounts) else None
    names = {} if people is None else {one.name: one.shown for one in people.all()}
    if as_json:
        items = [
            {
                "person": a.person,
                "name": names.get(a.name or ""),
                "scopes": a.scopes,
                "expires_ns": a.expires_ns,
            }
            for a in accounts
        ]
        click.echo(json.dumps({"format": "user list/1", "items": items}))
        return
    for account in accounts:
        ends = datetime.fromtimestamp(account.expires_ns / 1e9, UTC).strftime("%Y-%m-%dT%H:%MZ")
        shown = f"  {names.get(account.name, 'name not here')}" if account.name else ""
        click.echo(f"{account.person}{shown}  until {ends}  {', '.join(account.scopes)}")


@user.command(
    "erase",
    epilog=examples("gateway user erase P-000007", "gateway user erase P-000007 --config /etc/gateway --json"),
)
@click.argument("person")
@click.option("--config", type=click.Path(path_type=Path), help="configuration folder")
@click.option("--json", "as_json", is_flag=True, help="one JSON object")
def erase(person: str, config: Path | None, *, as_json: bool) -> None:
    """Forget the name of an account: records stay as they were sealed and show `name erased`. The account goes on."""
    from gateway.adapters.system_clock import OsClock

    count = _people(config).erase(person, OsClock().now().wall_ns)
    if as_json:
        click.echo(json.dumps({"format": "user erase/1", "person": person, "erased": count}))
        return
    click.echo(f"{person}: {'name erased' if count else 'was erased before'}; remove it from backups too")
