"""`gateway influx`: how far the InfluxDB projection is, and writing it again from the ledger (`interface.md` 7)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.examples import examples
from gateway.cli.group import Group

if TYPE_CHECKING:
    from gateway.adapters.cursor_file import CursorFile
    from gateway.app.site import Site
    from gateway.cli.influx_reconcile import Reconciled
    from gateway.config.models.sinks import Influxdb


@click.group(cls=Group, epilog=examples("gateway influx status", "gateway influx replay trends --from 1200000"))
def influx() -> None:
    """The InfluxDB projection: status and replay."""


@influx.command(epilog=examples("gateway influx status", "gateway influx status trends --reconcile"))
@click.argument("sink", required=False)
@click.option("--reconcile", "compared", is_flag=True, help="ask the target: readings by signal and day, on both sides")
@click.option("--config", type=click.Path(path_type=Path), help="configuration folder")
@click.option("--json", "as_json", is_flag=True, help="JSON Lines")
@click.pass_context
def status(ctx: click.Context, sink: str | None, config: Path | None, *, compared: bool, as_json: bool) -> None:
    """Cursor, lag and dead letters of each InfluxDB sink, or of one.

    Exit 1 when lines were refused, the target changed, or counts differ; 69 when the target does not answer.
    """
    from gateway.cli.influx_status import read_status

    site = _site(config)
    blocks = _sinks(site)
    if sink is not None:
        blocks = {sink: _named(blocks, sink)}
    if not blocks:
        click.echo(f"no InfluxDB sink in {site.folder / 'gateway.yaml'}: name one under sinks", err=True)
    findings = False
    for name, block in blocks.items():
        found = read_status(name, _store(site, name), site.ledger, site.settings.ledger.origin, _fingerprint(block))
        told, lines = found.document(), [found.line()]
        findings = findings or found.finding
        if compared:
            both = _reconcile(site, name, block)
            told["reconciled"], lines = both.document(), [*lines, *both.lines()]
            findings = findings or bool(both.differences)
        click.echo(json.dumps({"format": "influx status/1", **told}) if as_json else "\n".join(lines))
    ctx.exit(int(findings))


def _reconcile(site: Site, name: str, block: Influxdb) -> Reconciled:
    """Count both sides; the cursor is read again after the target has been asked, for the gateway may be writing."""
    from gateway.adapters.influx_counts import count_readings
    from gateway.cli.influx_reconcile import count_ledger, reconcile

    store = _store(site, name)
    before = count_ledger(site.ledger, _next_index(store))
    held = asyncio.run(
        count_readings(_target(site, block), _tls(site, block), site.plan.gateway, before.from_ns, before.to_ns)
    )
    after = count_ledger(site.ledger, _next_index(store))
    return reconcile(name, before.counts, after.counts, held)


def _next_index(store: CursorFile) -> int:
    cursor = store.load()
    return 0 if cursor is None else cursor.next_index


def _named(blocks: dict[str, Influxdb], sink: str) -> Influxdb:
    if sink not in blocks:
        raise click.UsageError(f"no InfluxDB sink '{sink}': there are {', '.join(blocks) or 'none'}")
    return blocks[sink]


@influx.command(epilog=examples("gateway influx replay trends", "gateway influx replay trends --dead"))
@click.argument("sink")
@click.option("--config", type=click.Path(path_type=Path), help="configuration folder")
@click.option("--from", "first", type=click.IntRange(0), default=0, show_default=True, help="first ledger index")
@click.option("--to", "stop", type=click.IntRange(0), help="index to stop before; default: all")
@click.option("--dead", is_flag=True, help="only the dead letters, again")
@click.pass_context
def replay(ctx: click.Context, sink: str, config: Path | None, first: int, stop: int | None, *, dead: bool) -> None:
    """Write a stretch of the ledger again; harmless, because every line overwrites itself.

    After a whole replay the cursor belongs to the target as configured now.
    """
    site = _site(config)
    done = asyncio.run(_replay(site, sink, _named(_sinks(site), sink), first, stop, dead=dead))
    click.echo(done.line())
    ctx.exit(int(done.refused > 0))


async def _replay(site: Site, name: str, block: Influxdb, first: int, stop: int | None, *, dead: bool) -> Any:
    from gateway.adapters.influx import InfluxSink
    from gateway.adapters.system_clock import OsClock
    from gateway.cli.influx_replay import replay_dead, replay_range

    async with InfluxSink(_target(site, block), OsClock(), _tls(site, block)) as sink:
        store = _store(site, name)
        if dead:
            return await replay_dead(name, sink, store)
        from gateway.app.sinks import tags_of

        return await replay_range(
            name, sink, store, site.ledger, site.settings.ledger.origin, site.plan.gateway, tags_of(site), first, stop
        )


def _site(config: Path | None) -> Site:
    from gateway.app.site import open_site
    from gateway.cli.place import config_folder

    return open_site(config_folder(config))


def _sinks(site: Site) -> dict[str, Influxdb]:
    return {name: sink.influxdb for name, sink in site.settings.sinks.items() if sink.influxdb is not None}


def _store(site: Site, name: str) -> CursorFile:
    from gateway.adapters.cursor_file import CursorFile

    return CursorFile(site.state, name)


def _target(site: Site, block: Influxdb) -> Any:
    from gateway.adapters.influx import InfluxTarget

    return InfluxTarget(
        url=block.url,
        api=block.api,
        bucket=block.bucket,
        org=block.org,
        token=None if block.token is None else site.secret_text(block.token),
        user=block.user,
        password=None if block.password is None else site.secret_text(block.password),
    )


def _fingerprint(block: Influxdb) -> str:
    from gateway.adapters.influx import InfluxSink, InfluxTarget
    from gateway.adapters.system_clock import OsClock

    return InfluxSink(
        InfluxTarget(url=block.url, api=block.api, bucket=block.bucket, org=block.org), OsClock()
    ).fingerprint


def _tls(site: Site, block: Influxdb) -> Any:
    from gateway.adapters.webhook.sender import make_tls

    return make_tls(None if block.ca is None else site.path(block.ca)) if block.url.startswith("https:") else None
