"""`gateway hook test, list, show, replay`: what was sent, what was answered, and sending it again (`deviations.md` 8)."""

from __future__ import annotations

import json
import shlex
import urllib.parse
from hashlib import sha256
from pathlib import Path
from typing import Any

import click

from gateway.cli.access import access, control
from gateway.cli.examples import examples
from gateway.cli.hook_sample import SAMPLES, format_sample, sample_of

HOUR_S, MINUTE_S = 3600, 60
OK_LAST = 299


@click.command(
    "test",
    epilog=examples(
        "gateway hook test main --token-file int.token",
        "gateway hook test main --type deviation.opened --dry-run --token-file int.token",
    ),
)
@click.argument("sink")
@click.option(
    "--type",
    "kind",
    type=click.Choice(("ping", *SAMPLES)),
    default="ping",
    show_default=True,
    help="with --dry-run: the request of another event, with sample content",
)
@click.option("--dry-run", is_flag=True, help="print the request as a curl line, secrets masked; send nothing")
@click.option("--enable", is_flag=True, help="first end the stop that a 410 made; needs --reason")
@click.option("--reason", help="why")
@access
@click.pass_context
def test_sink(
    ctx: click.Context,
    sink: str,
    kind: str,
    reason: str | None,
    config: Path | None,
    url: str | None,
    token_file: Path | None,
    *,
    dry_run: bool,
    enable: bool,
    as_json: bool,
) -> None:
    """Post a ping to a QMS sink, or show the request of any event. Exit 1 when the ping was not taken."""
    if kind != "ping" and not dry_run:
        raise click.UsageError(f"{kind} goes with --dry-run: posted, it would be a record at the QMS. A ping is posted")
    body = {"sink": sink, "dry_run": dry_run, "enable": enable, "reason": reason}
    told = control(config, url, token_file).post("/api/v1/operations/hook.test", body)
    if kind != "ping":
        told |= sample_request(told, kind)
    if as_json:
        click.echo(json.dumps({"format": "hook test/1", **told}))
    elif dry_run:
        click.echo(curl_line(told))
    else:
        for line in ping_lines(told):
            click.echo(line)
    ctx.exit(0 if dry_run or taken(told) else 1)


@click.command(
    "list",
    epilog=examples("gateway hook list --token-file int.token", "gateway hook list --failed --token-file int.token"),
)
@click.option("--failed", is_flag=True, help="only what is not with the QMS")
@access
@click.pass_context
def list_deliveries(
    ctx: click.Context,
    config: Path | None,
    url: str | None,
    token_file: Path | None,
    *,
    failed: bool,
    as_json: bool,
) -> None:
    """List deliveries in the order of the ledger. Exit 1 when one is not delivered."""
    told = control(config, url, token_file).get("/api/v1/deliveries" + ("?failed=true" if failed else ""))
    if as_json:
        click.echo(json.dumps({"format": "hook list/1", **told}))
    else:
        for line in list_lines(told["items"]):
            click.echo(line)
    ctx.exit(int(any(undelivered(item) for item in told["items"])))


@click.command(
    "show",
    epilog=examples(
        "gateway hook show gw-01:dev:000040:2 --token-file int.token",
        "gateway hook show gw-01:dev:000040:2 --json --token-file int.token",
    ),
)
@click.argument("delivery")
@access
@click.pass_context
def show(
    ctx: click.Context,
    delivery: str,
    config: Path | None,
    url: str | None,
    token_file: Path | None,
    *,
    as_json: bool,
) -> None:
    """Show one event: every attempt, every answer. Exit 1 when a sink has not confirmed it."""
    told = control(config, url, token_file).get(f"/api/v1/deliveries/{urllib.parse.quote(delivery, safe='')}")
    if as_json:
        click.echo(json.dumps({"format": "hook show/1", **told}))
    else:
        for line in show_lines(told):
            click.echo(line)
    ctx.exit(int(any(way["state"] != "confirmed" for way in told["deliveries"])))


@click.command(
    "replay",
    epilog=examples(
        "gateway hook replay gw-01:dev:000040:2 --reason 'site code corrected' --token-file int.token",
        "gateway hook replay --since 2026-11-21T22:00:00Z --to main --dry-run --token-file int.token",
    ),
)
@click.argument("delivery", required=False)
@click.option("--id", "named", metavar="DELIVERY", help="the same as DELIVERY")
@click.option("--failed", is_flag=True, help="every dead letter, in the order of the ledger")
@click.option("--since", metavar="TIME", help="every event raised from then on that is not confirmed")
@click.option("--sink", help="only what goes to this sink")
@click.option("--to", "to", help="send copies of the same bytes to this sink, of confirmed events too")
@click.option("--reason", help="why; asked for when it is missing")
@click.option("--dry-run", is_flag=True, help="say what would be sent; with --failed or --since")
@access
def replay(
    delivery: str | None,
    named: str | None,
    since: str | None,
    sink: str | None,
    to: str | None,
    reason: str | None,
    config: Path | None,
    url: str | None,
    token_file: Path | None,
    *,
    failed: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Send again: one event, all dead letters, or all events since a time. The bytes are those that were prepared.

    A QMS that was restored from its backup of last night gets what it lost by --since and --to.
    """
    if [failed, since is not None, named is not None, delivery is not None].count(True) != 1 or (
        dry_run and not failed and since is None
    ):
        raise click.UsageError(
            "name one DELIVERY, or --failed, or --since TIME (the last two with --dry-run to look first)"
        )
    if reason is None and not dry_run:
        reason = click.prompt("reason", err=True)
    asked = control(config, url, token_file)
    delivery = delivery or named
    if delivery is None:
        body = {"sink": sink, "to": to, "since": since, "dry_run": dry_run, "reason": reason}
        told = asked.post("/api/v1/operations/hook.replay", body)
    else:
        path = f"/api/v1/deliveries/{urllib.parse.quote(delivery, safe='')}/replay"
        told = asked.post(path, {"sink": sink, "to": to, "reason": reason})
    if as_json:
        click.echo(json.dumps({"format": "hook replay/1", **told}))
        return
    for one in told["queued"]:
        if dry_run:
            click.echo(
                f"would send {one['id']} to {one['sink']} (prepared {one['prepared']}, unchanged); a reason will be asked"
            )
        else:
            click.echo(f"{one['id']} to {one['sink']}: due now")
    click.echo(_sum(len(told["queued"]), "nothing sent" if dry_run else "sent next"))
    if told.get("confirmed"):
        click.echo(f"{told['confirmed']} confirmed: left as they are; --to SINK sends copies")


def taken(told: dict[str, Any]) -> bool:
    """Tell whether a ping was taken."""
    return isinstance(told["status"], int) and 200 <= told["status"] <= OK_LAST  # noqa: PLR2004 - 2xx


def ping_lines(told: dict[str, Any]) -> list[str]:
    """Return what `hook test` prints."""
    certificate = told["certificate_sha256"]
    way = f"{told['address'] or 'no address'}" + (f", certificate sha256 {certificate[:16]}" if certificate else "")
    if told["status"] is None:
        answer = f"no answer: {told['cause']} after {told['duration_ms']} ms"
    else:
        answer = f"{told['status']} in {told['duration_ms']} ms"
    last = "OK  transport works; a ping proves no receipt"
    if not taken(told):
        last = "NOT TAKEN  correct the receiver or the sink's settings, then test again"
    stopped = ["the sink is stopped: enable it with --enable --reason"] if told["stopped"] else []
    return [f"POST {told['url']}  gxp.gateway.ping.v1  id {told['id']}", way, answer, *stopped, last]


def sample_request(told: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return id, headers and body of a sample event of a kind, in the mode of the ping that a sink would get."""
    event, headers = sample_of(kind), dict(told["headers"])
    headers["webhook-id"] = event["id"]
    content: dict[str, Any] = event
    if "ce-id" in headers:
        content = event["data"]
        attributes = {name: text for name, text in event.items() if name not in {"data", "datacontenttype"}}
        headers |= {f"ce-{name}": urllib.parse.quote(text, safe=":/-._~") for name, text in attributes.items()}
    body = format_sample(content)
    return {"id": event["id"], "headers": headers, "body": body.decode(), "body_sha256": sha256(body).hexdigest()}


def curl_line(told: dict[str, Any]) -> str:
    """Return a request as a curl line."""
    headers = " ".join(f"-H {shlex.quote(f'{name}: {text}')}" for name, text in told["headers"].items())
    return f"curl -X POST {headers} --data-binary {shlex.quote(told['body'])} {shlex.quote(told['url'])}"


def list_lines(items: list[dict[str, Any]]) -> list[str]:
    """Return the table of `hook list` and its sum."""
    if not items:
        return ["nothing to show"]
    widths = max(20, *(len(item["id"]) for item in items)), max(4, *(len(item["sink"]) for item in items))
    head = f"{'ID':<{widths[0]}} {'SINK':<{widths[1]}}  STATE        TRIES  AGE       LAST ANSWER            NEXT IN"
    lines = [head]
    lines += [
        f"{item['id']:<{widths[0]}} {item['sink']:<{widths[1]}}  {item['state']:<11}  {item['tries']:>5}  "
        f"{_span(item['age_s'])}  {(item['last_answer'] or item['cause'] or '-'):<21}  {_span(item['next_in_s'])}"
        for item in items
    ]
    late = [item for item in items if undelivered(item)]
    dead = sum(item["state"] == "dead" for item in late)
    if not late:
        return [*lines, f"{len(items)} delivered"]
    return [*lines, f"{len(late)} not delivered, {dead} dead, oldest {_span(max(item['age_s'] for item in late))}"]


def undelivered(item: dict[str, Any]) -> bool:
    """Tell whether an event is not with its sink."""
    return item["state"] not in {"transported", "confirmed"}


def show_lines(told: dict[str, Any]) -> list[str]:
    """Return what `hook show` prints."""
    proof = "ok" if told["proof_ok"] else "FAILS: run gateway verify"
    lines = [f"{told['event']} {told['at']}  {told['scope']} scope  ledger {told['ledger_index']:,}  proof {proof}"]
    for way in told["deliveries"]:
        digest = f", {way['bytes']:,} bytes, sha256 {way['sha256'][:8]}" if way["sha256"] else ""
        lines.append(f"to {way['sink']}: {way['state']}{digest}")
        lines += [
            f"{number}  {one['at']}  {one['address'] or '-'}  {one['answer']}  {one['body'] or ''}  -> {one['verdict']}".rstrip()
            for number, one in enumerate(way["attempts"], 1)
        ]
        if way["state"] == "confirmed":
            lines.append(f"confirmed: QMS record {way['record_id']}")
            continue
        blocks = f"; blocks review of {', '.join(told['batches'])}" if told["batches"] else ""
        lines.append(f"not confirmed{blocks}. {_NEXT.get(way['state'], 'Next: wait for the attempt that is due')}")
    return lines


_NEXT = {
    "dead": "Next: correct the receiver, then gateway hook replay",
    "held": "Next: gateway hook test SINK --enable",
    "transported": "Next: the QMS has it and named no record; ask there",
}


def _span(seconds: int | None) -> str:
    if seconds is None:
        return f"{'-':<8}"
    return f"{seconds // HOUR_S:02}:{seconds % HOUR_S // MINUTE_S:02}:{seconds % MINUTE_S:02}"


def _sum(count: int, rest: str) -> str:
    return f"{count} event{'' if count == 1 else 's'}, {rest}"
