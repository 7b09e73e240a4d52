"""`gateway witness`: cosign the logs of others on a small box of one's own, and see who cosigns ours."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.examples import examples
from gateway.cli.group import Group
from gateway.cli.place import config_folder, ledger_folder

if TYPE_CHECKING:
    from gateway.adapters.log_client import LogClient
    from gateway.adapters.witness.book import WitnessBook
    from gateway.ledger.note import VerifyKey


@click.group(
    cls=Group,
    epilog=examples(
        "gateway witness serve --listen 127.0.0.1:9450 --state /var/lib/witness --log gw-01.vkey",
        "gateway witness status",
    ),
)
def witness() -> None:
    """Witnesses: another owner's word that a ledger only grew."""


@witness.command(
    epilog=examples(
        "gateway witness serve --listen 127.0.0.1:9450 --state /var/lib/witness --log gw-01.vkey",
        "gateway witness serve --listen :9450 --state w --log gw-01.vkey --mirror https://gw:8443 --mirror-token-file gw.token",
    )
)
@click.option("--listen", required=True, help="host:port")
@click.option("--state", required=True, type=click.Path(file_okay=False, path_type=Path), help="folder of its notes")
@click.option(
    "--log", "logs", required=True, multiple=True, metavar="VKEY", help="seal key of a log: the line or its file"
)
@click.option(
    "--origin", "origins", multiple=True, help="origin of that log, if it is not the key's name; once for each --log"
)
@click.option("--notify", metavar="URL", help="POST a JSON there on ROLLBACK, FORK and SILENT, once each")
@click.option(
    "--mirror", "mirrors", multiple=True, metavar="URL", help="keep an append-only copy of the log served there"
)
@click.option(
    "--mirror-token-file",
    "token_files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="token of an account there with bundle.export: one for all, or one for each --mirror",
)
@click.option(
    "--mirror-ca", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="authority of its certificate"
)
@click.option(
    "--key", type=click.Path(dir_okay=False, path_type=Path), help="our key, made if missing; default STATE/witness.pem"
)
@click.option("--name", help="our name in cosignatures, such as witness.example/hq; keep it with the key")
@click.option("--certificate", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="TLS certificate")
@click.option("--tls-key", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="its private key")
@click.option("--quiet", is_flag=True, help="our verifier key and what is wrong, no more")
def serve(
    listen: str,
    state: Path,
    logs: tuple[str, ...],
    origins: tuple[str, ...],
    notify: str | None,
    mirrors: tuple[str, ...],
    token_files: tuple[Path, ...],
    mirror_ca: Path | None,
    key: Path | None,
    name: str | None,
    certificate: Path | None,
    tls_key: Path | None,
    *,
    quiet: bool,
) -> None:
    """Cosign the checkpoints of logs that only grow, until stopped. Exit 69: port taken, folder in use."""
    from gateway.adapters.plain_structlog import load

    load()
    from gateway.adapters.diagnostics import configure
    from gateway.adapters.entropy import os_entropy
    from gateway.adapters.segment_store.lock import WriterLock
    from gateway.adapters.system_clock import OsClock
    from gateway.adapters.witness.book import WitnessBook, logs_of
    from gateway.adapters.witness.server import read_vkey_argument, witness_key
    from gateway.ledger.note import format_vkey, parse_vkey

    clients = _clients(mirrors, token_files, mirror_ca)
    if (certificate is None) != (tls_key is None):
        raise click.UsageError("--certificate and --tls-key belong together")
    clock = OsClock()
    known = logs_of([parse_vkey(read_vkey_argument(text)) for text in logs], origins)
    state.mkdir(parents=True, exist_ok=True, mode=0o750)
    lock = WriterLock(state / "LOCK")
    lock.take(clock.now().wall_ns)
    try:
        vkey, seed = witness_key(key or state / "witness.pem", name, os_entropy)
        book = WitnessBook(state, known, vkey, seed)
        configure(clock, lambda: 0)
        click.echo(format_vkey(vkey))
        tell = _quiet if quiet else click.echo
        for origin in book.origins:
            kept = book.checkpoint(origin)
            tell(f"{origin} size {kept.size:,}" if kept is not None else f"{origin} not heard yet")
        tls = None if certificate is None or tls_key is None else (certificate, tls_key)
        asyncio.run(_serve(book, vkey, state, listen, tls, notify, clients, known, click.echo))
    finally:
        lock.release()


async def _serve(
    book: WitnessBook,
    vkey: VerifyKey,
    state: Path,
    listen: str,
    tls: tuple[Path, Path] | None,
    notify: str | None,
    clients: Sequence[LogClient],
    known: Mapping[str, Collection[VerifyKey]],
    tell: Callable[[str], None],
) -> None:
    from gateway.adapters.http.server import bind
    from gateway.adapters.http.server import serve as serve_http
    from gateway.adapters.system_clock import OsClock
    from gateway.adapters.witness.caller import Caller
    from gateway.adapters.witness.mirror import Mirror
    from gateway.adapters.witness.server import WitnessDesk

    clock = OsClock()
    caller = Caller(book, state, str(vkey), clock, notify, tell)
    desk = WitnessDesk(book, caller, clock, tell)
    mirrors = [Mirror(client, state, book, known, caller.conflict, tell) for client in clients]
    listening = bind(listen)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(serve_http(desk.application(), listening, tls), name="witness"),
            tasks.create_task(caller.run(), name="caller"),
            *(tasks.create_task(mirror.run(), name="mirror") for mirror in mirrors),
        ]
        await stopping.wait()
        for task in running:
            task.cancel()


def _clients(urls: tuple[str, ...], token_files: tuple[Path, ...], ca: Path | None) -> list[LogClient]:
    """Return a client for each mirror, with its token."""
    from gateway.adapters.log_client import LogClient
    from gateway.cli.control import read_token

    if len(token_files) not in {0, 1, len(urls)} or (token_files and not urls):
        raise click.UsageError("give --mirror-token-file once, or once for each --mirror")
    files = token_files * len(urls) if len(token_files) == 1 else token_files
    tokens = [read_token(file) for file in files] or [""] * len(urls)
    return [LogClient(url, token, ca) for url, token in zip(urls, tokens, strict=True)]


@witness.command(epilog=examples("gateway witness status", "gateway witness status --config config --json"))
@click.option("--config", type=click.Path(path_type=Path), help="configuration folder")
@click.option("--path", type=click.Path(path_type=Path), help="the ledger folder itself")
@click.option("--json", "as_json", is_flag=True, help="JSON Lines, one object a witness")
@click.pass_context
def status(ctx: click.Context, config: Path | None, path: Path | None, *, as_json: bool) -> None:
    """Size, age and refusals of each witness of ours, and what no quorum has seen, from files. Exit 1 when one is stale."""
    from gateway.adapters.witness.status import read_unwitnessed, read_witnesses

    ledger = path if path is not None else ledger_folder(config_folder(config))
    found = read_witnesses(ledger)
    if not found and not as_json:
        click.echo("no witness is configured: nobody outside can tell that this ledger only grew")
    for one in found:
        click.echo(json.dumps({"format": "witness status/1", **one.document()}) if as_json else one.line())
    if (stretch := read_unwitnessed(ledger)) is not None:
        told = {"format": "witness status/1", "unwitnessed": stretch.document()}
        click.echo(json.dumps(told) if as_json else stretch.line())
    ctx.exit(int(any(one.stale for one in found)))


def _quiet(_line: str) -> None:
    """Show nothing."""
