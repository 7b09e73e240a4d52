"""`gateway batch`: a machine account's batch events, and what the gateway knows of each batch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click

from gateway.cli.access import access, control
from gateway.cli.bundle_file import write_bundle
from gateway.cli.examples import examples
from gateway.cli.group import Group

EFFECTS: Final = {
    "pending": "waits: it is not known or not started yet; the event is kept and applied once it fits",
    "conflict": "did not change: the event is recorded, and people settle it by an amendment",
}
"""What people should know of an event that did not change the batch."""


@click.group(
    cls=Group,
    epilog=examples(
        "gateway batch start B-123 --equipment FRZ-01 --token-file mes.token",
        "gateway batch bundle B-123 -o B-123.zip --token-file mes.token",
    ),
)
def batch() -> None:
    """Start, end, show, list and bundle batches."""


def _event_command(word: str, text: str, first: str, second: str) -> click.Command:
    @click.command(word, help=text, epilog=examples(first, second))
    @click.argument("batch_id")
    @click.option("--equipment", multiple=True, help="node, or NODE=use (process, room, storage); may be repeated")
    @click.option("--phase", help="phase path UP1/OP2/PH3")
    @click.option("--client", help="client key C-014")
    @click.option("--at", "at", help="effective time with zone, 2026-11-22T03:01:20Z; default now")
    @click.option("--reason", help="why")
    @click.option("--key", help="idempotency key: the same one on a retry")
    @access
    def command(
        batch_id: str,
        equipment: tuple[str, ...],
        phase: str | None,
        client: str | None,
        at: str | None,
        reason: str | None,
        key: str | None,
        config: Path | None,
        url: str | None,
        token_file: Path | None,
        *,
        as_json: bool,
    ) -> None:
        body: dict[str, Any] = {"event": word, "nodes": [_node(text) for text in equipment]}
        given = {"phase": phase, "client": client, "effective_time": at, "reason": reason}
        body.update({name: value for name, value in given.items() if value is not None})
        told = control(config, url, token_file).post(f"/api/v1/batches/{quote(batch_id, safe='')}/events", body, key)
        if as_json:
            click.echo(json.dumps({"format": f"batch {word}/1", **told}))
        else:
            click.echo(f"{batch_id} {told['state']} ({told['effect']}), ledger {told['ledger_index']:,}")
            if told["effect"] in EFFECTS:
                click.echo(f"{batch_id} {EFFECTS[told['effect']]}")

    return command


def _node(text: str) -> dict[str, str]:
    node, _, use = text.partition("=")
    return {"node": node, "use": use or "process"}


_AT = "--at 2026-11-22T03:01:20Z --token-file mes.token"
_WHY = "--reason 'door seal torn' --token-file mes.token"
for _word, _text, _first, _second in (
    (
        "start",
        "The batch starts on its equipment.",
        "B-123 --equipment FRZ-01 --equipment R-1=room --token-file mes.token",
        f"B-123 --equipment FRZ-01 --client C-014 {_AT}",
    ),
    ("end", "The batch ends.", "B-123 --token-file mes.token", f"B-123 {_AT}"),
    ("phase", "A phase begins.", "B-123 --phase UP1/OP2/PH3 --token-file mes.token", f"B-123 --phase UP1 {_AT}"),
    ("hold", "The batch is held.", f"B-123 {_WHY}", f"B-123 {_AT}"),
    ("resume", "The batch goes on.", "B-123 --token-file mes.token", f"B-123 {_AT}"),
    ("abort", "The batch is given up.", f"B-123 {_WHY}", f"B-123 {_AT}"),
):
    batch.add_command(
        _event_command(_word, _text, f"gateway batch {_word} {_first}", f"gateway batch {_word} {_second}")
    )


@batch.command(
    "list",
    epilog=examples("gateway batch list --open --token-file mes.token", "gateway batch list --equipment FRZ-01 --json"),
)
@click.option("--open", "open_only", is_flag=True, help="only batches that are not ended")
@click.option("--equipment", help="only batches on this node")
@access
def list_batches(
    equipment: str | None,
    config: Path | None,
    url: str | None,
    token_file: Path | None,
    *,
    open_only: bool,
    as_json: bool,
) -> None:
    """List batches, oldest first."""
    query = ("?open=true" if open_only else "?") + (f"&equipment={quote(equipment, safe='')}" if equipment else "")
    told = control(config, url, token_file).get("/api/v1/batches" + query.rstrip("?"))
    if as_json:
        click.echo(json.dumps({"format": "batch list/1", **told}))
        return
    for item in told["items"]:
        nodes = ", ".join(node["node"] for node in item["nodes"])
        click.echo(
            f"{item['batch']:<24} {item['state']:<10} {nodes:<24} {item['from'] or '-'} .. {item['to'] or 'open'}"
        )
    if not told["items"]:
        click.echo("no batches")


@batch.command(
    "show",
    epilog=examples("gateway batch show B-123 --token-file mes.token", "gateway batch show B-123 --json"),
)
@click.argument("batch_id")
@access
def show(batch_id: str, config: Path | None, url: str | None, token_file: Path | None, *, as_json: bool) -> None:
    """Show one batch: nodes, intervals, excursions, deviations."""
    told = control(config, url, token_file).get(f"/api/v1/batches/{quote(batch_id, safe='')}")
    if as_json:
        click.echo(json.dumps({"format": "batch show/1", **told}))
        return
    click.echo(f"{told['batch']} {told['state']}, {told['from'] or '-'} .. {told['to'] or 'open'}")
    for node in told["nodes"]:
        click.echo(f"  {node['node']:<12} {node['use']:<8} {node['from']} .. {node['to'] or 'open'}")
    for excursion in told["excursions"]:
        click.echo(f"  {excursion['excursion']} {excursion['condition']} since {excursion['t0']}")
    for deviation in told["deviations"]:
        click.echo(f"  {deviation['deviation']} {deviation['state']}, QMS {deviation['record_id'] or 'not confirmed'}")


@batch.command(
    "bundle",
    epilog=examples(
        "gateway batch bundle B-123 -o B-123.zip --token-file mes.token",
        "gateway batch bundle B-123 -o B-123.zip --url https://gw-01.plant.example:8443",
    ),
)
@click.argument("batch_id")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="the .zip to write")
@access
def bundle(
    batch_id: str,
    output: Path,
    config: Path | None,
    url: str | None,
    token_file: Path | None,
    *,
    as_json: bool,
) -> None:
    """Write the bundle of a batch: entries, proofs, checkpoints, keys and its own verifier."""
    content = control(config, url, token_file).get_bytes(f"/api/v1/batches/{quote(batch_id, safe='')}/bundle.zip")
    write_bundle(content, output, "batch bundle/1", as_json=as_json)
