"""`gateway hook`: deliveries to the QMS, and a reference receiver to build against (`deviations.md` 8)."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.examples import examples
from gateway.cli.group import Group
from gateway.cli.hook_deliveries import list_deliveries, replay, show, test_sink

if TYPE_CHECKING:
    from gateway.cli.hook_conformance import CheckResult

_FAULTS = re.compile(r"([1-5][0-9]{2})(?:x([1-9][0-9]{0,3}))?")


@click.group(
    cls=Group,
    epilog=examples(
        "gateway hook listen --port 9000 --secret-file s.txt",
        "gateway hook conformance http://127.0.0.1:9000/ --secret-file s.txt",
    ),
)
def hook() -> None:
    """Webhooks to the QMS: test, list, show, replay; receive them here, see what a receiver must do."""


for _command in (test_sink, list_deliveries, show, replay):
    hook.add_command(_command)


@hook.command(
    epilog=examples(
        "gateway hook listen --port 9000 --secret-file s.txt", "gateway hook listen --secret-file s.txt --fail 503x3"
    )
)
@click.option("--port", default=9000, show_default=True, type=click.IntRange(0, 65_535), help="loopback port; 0: any")
@click.option(
    "--secret-file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="file with one secret a line: whsec_ and base64",
)
@click.option("--public-key", "public_keys", multiple=True, help="whpk_… of the sink, to check v1a as well")
@click.option("--fail", "fail", default="", help="answer this first, for example 503x3")
def listen(port: int, secret_file: Path, public_keys: tuple[str, ...], fail: str) -> None:
    """Receive on loopback as a good receiver does, a line a request, until Ctrl-C."""
    from gateway.adapters.receiver import ReferenceReceiver
    from gateway.adapters.webhook.envelope_seal import parse_public_key

    faults = parse_faults(fail)
    receiver = ReferenceReceiver(
        read_secrets(secret_file), tuple(parse_public_key(key) for key in public_keys), faults=faults
    )
    try:
        asyncio.run(_listen(receiver, port, faults))
    except KeyboardInterrupt:
        click.echo("stopped", err=True)


@hook.command(
    epilog=examples(
        "gateway hook conformance http://127.0.0.1:9000/ --secret-file s.txt",
        "gateway hook conformance https://qms.example/hooks/gw --secret-file s.txt --ca ca.pem --junit hook.xml --strict",
    )
)
@click.argument("url")
@click.option(
    "--secret-file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="file with one secret a line: whsec_ and base64",
)
@click.option("--ca", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="authority of the receiver")
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="write the results as JUnit XML")
@click.option("--strict", is_flag=True, help="what the answers cannot show fails too")
@click.pass_context
def conformance(
    ctx: click.Context, url: str, secret_file: Path, ca: Path | None, junit: Path | None, *, strict: bool
) -> None:
    """Send twelve checks to a receiver that answers {"record_id","sequence"}. Exit 1 when one fails."""
    from gateway.cli.hook_conformance import format_junit, summarise

    results = asyncio.run(_conform(url, read_secrets(secret_file), ca))
    for one in results:
        click.echo(
            f"{one.number:>2}  {one.sent:<36}  {one.verdict.upper() if one.verdict == 'fail' else one.verdict}  {one.why}".rstrip()
        )
    if junit is not None:
        junit.write_text(format_junit(results))
    text, passed = summarise(results, strict=strict)
    click.echo(text)
    ctx.exit(int(not passed))


async def _conform(url: str, secrets: tuple[bytes, ...], ca: Path | None) -> list[CheckResult]:
    from secrets import token_bytes
    from urllib.parse import urlsplit

    from gateway.adapters.system_clock import OsClock
    from gateway.adapters.webhook.address_check import AddressRule
    from gateway.adapters.webhook.envelope_seal import EnvelopeKeys
    from gateway.adapters.webhook.sender import WebhookSender, make_tls
    from gateway.cli.hook_conformance import Conformance

    clock = OsClock()
    address = urlsplit(url)
    rule = AddressRule([address.hostname or ""], ["0.0.0.0/0", "::/0"], [address.port or 443])
    first = clock.now().wall_ns // 1_000_000_000 % 500_000
    async with WebhookSender(url, rule, clock, tls=make_tls(ca), approval=False) as sender:
        return await Conformance(url, sender, EnvelopeKeys(secrets, (token_bytes(32),)), clock, first).run()


def read_secrets(secret_file: Path) -> tuple[bytes, ...]:
    """Return the secrets of a file, one a line."""
    from gateway.adapters.webhook.envelope_seal import parse_secret

    secrets = tuple(parse_secret(line.strip()) for line in secret_file.read_text().splitlines() if line.strip())
    if not secrets:
        raise click.UsageError(f"{secret_file} holds no secret: write whsec_ and base64 on a line")
    return secrets


def parse_faults(text: str) -> tuple[int, ...]:
    """Return the statuses of `503x3` or `503x3,429`; raise a usage error for anything else."""
    faults: list[int] = []
    for part in filter(None, text.split(",")):
        match = _FAULTS.fullmatch(part)
        if match is None:
            raise click.UsageError(f"--fail '{part}': write a status and how often, for example 503x3")
        faults += [int(match[1])] * int(match[2] or 1)
    return tuple(faults)


async def _listen(receiver: object, port: int, faults: tuple[int, ...]) -> None:
    from gateway.adapters.receiver import (
        Received,
        ReferenceReceiver,
        format_received,
        receiver_app,
        serve_receiver,
    )
    from gateway.adapters.system_clock import OsClock

    assert isinstance(receiver, ReferenceReceiver)
    clock = OsClock()

    def show(received: Received) -> None:
        click.echo(format_received(received, clock.now().wall_ns))

    async with serve_receiver(receiver_app(receiver, clock, show), port) as bound:
        first = f"{_say(faults)}, then " if faults else ""
        click.echo(f'listening on http://127.0.0.1:{bound}, {first}202 {{"record_id":"QE-00001"}}')
        await asyncio.Event().wait()


def _say(faults: tuple[int, ...]) -> str:
    times = {1: "once", 2: "twice", 3: "three times"}
    counts = {status: faults.count(status) for status in dict.fromkeys(faults)}
    return ", ".join(f"{status} {times.get(count, f'{count} times')}" for status, count in counts.items())
