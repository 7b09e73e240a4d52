"""`gateway opcua`: look at a server's tree with live values; make our own application certificate."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.examples import examples
from gateway.cli.group import Group
from gateway.errors import Unavailable

if TYPE_CHECKING:
    from gateway.adapters.opcua.browse import Leaf
    from gateway.adapters.opcua.link import OpcuaLink

_CONFIG = click.option(
    "--config", "config_dir", type=click.Path(path_type=Path, file_okay=False), help="configuration folder"
)


@click.group("opcua", cls=Group, epilog=examples("gateway opcua browse line1", "gateway opcua cert --host 10.1.4.9"))
def opcua() -> None:
    """Look at an OPC UA server."""


@opcua.command(
    "browse",
    epilog=examples("gateway opcua browse line1", "gateway opcua browse opc.tcp://127.0.0.1:4840 --depth 3 --json"),
)
@click.argument("target")
@click.option("--start", help="address to start at, nsu=<namespace URI>;s=…; default the Objects folder")
@click.option("--depth", type=click.IntRange(1, 20), default=6, show_default=True, help="levels below the start")
@click.option("--json", "as_json", is_flag=True, help="JSON Lines, one object a node")
@_CONFIG
def browse(target: str, start: str | None, depth: int, config_dir: Path | None, *, as_json: bool) -> None:
    """Show the tree of TARGET, a connection or an opc.tcp:// address on loopback: value, type, unit, address."""
    from gateway.adapters.opcua.browse import look
    from gateway.adapters.system_clock import OsClock

    link = _link(target, config_dir)
    try:
        leaves = asyncio.run(look(link, wall_ns=OsClock().now().wall_ns, start=start, depth=depth))
    except Unavailable as error:  # a running gateway would try again by itself, this command does not
        remedy = "is the server on and reachable from here?" if "by itself" in error.remedy else error.remedy
        raise Unavailable(f"{link.url}: {error.text}", code=error.code, remedy=remedy) from error
    for leaf in leaves:
        click.echo(_as_json(leaf) if as_json else _as_line(leaf))
    if not leaves and not as_json:
        click.echo("nothing below the start")


@opcua.command("cert", epilog=examples("gateway opcua cert --host 10.1.4.9 --host gw-01", "gateway opcua cert --renew"))
@click.option("--host", "hosts", multiple=True, help="DNS name or IP address of this box; again for more")
@click.option("--renew", is_flag=True, help="replace the certificate that is there")
@_CONFIG
def cert(hosts: tuple[str, ...], config_dir: Path | None, *, renew: bool) -> None:
    """Make our own application certificate: urn:<site>:<gateway>, two years, key 0600."""
    from hashlib import sha256

    from gateway.adapters.opcua.own_certificate import make_own
    from gateway.adapters.system_clock import OsClock
    from gateway.app.site import open_site
    from gateway.cli.place import config_folder

    site = open_site(config_folder(config_dir))
    uri = f"urn:{site.plan.site}:{site.plan.gateway}"
    names = hosts or (socket.gethostname(),)
    made = make_own(site.state / "opcua", uri=uri, hosts=names, wall_ns=OsClock().now().wall_ns, renew=renew)
    click.echo(f"{made}  {uri}  {', '.join(names)}")
    click.echo(f"SHA-256 {sha256(made.read_bytes()).hexdigest()}")
    click.echo("next: put this certificate into the server's trust list")


def _link(target: str, config_dir: Path | None) -> OpcuaLink:
    """Return the link of a connection by name; an address alone is opened without security, on loopback only."""
    from msgspec.structs import replace

    from gateway.adapters.opcua.link import OpcuaLink
    from gateway.app.site import open_site
    from gateway.app.sources import opcua_link
    from gateway.cli.place import config_folder
    from gateway.domain.plan import OpcuaPlan
    from gateway.errors import Refused

    if target.startswith("opc.tcp://"):
        return OpcuaLink(url=target, policy="None", mode="None", development=True)
    site = open_site(config_folder(config_dir))
    connection = site.settings.connections.get(target)
    if connection is None or connection.opcua is None:
        known = [name for name, one in site.settings.connections.items() if one.opcua is not None]
        raise Refused(
            f"no OPC UA connection '{target}'",
            code="REF-01",
            remedy=f"name one of: {', '.join(known) or 'none is set up'}",
        )
    link = opcua_link(site, OpcuaPlan(source=target, items=()), connection.opcua)
    return replace(link, session_file=None)


def _as_line(leaf: Leaf) -> str:
    head = f"{'  ' * leaf.depth}{leaf.name}"
    if leaf.kind == "object":
        return f"{head}/  {leaf.address}"
    shown = leaf.status or leaf.value or "-"
    return f"{head}  {leaf.type or '-'}  {shown}  {leaf.unit or 'no unit'}  {leaf.address}"


def _as_json(leaf: Leaf) -> str:
    return json.dumps({name: getattr(leaf, name) for name in leaf.__struct_fields__}, ensure_ascii=False)
