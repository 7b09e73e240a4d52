"""`gateway restore`: a backup or a mirror back into an empty folder, or a drill that leaves nothing behind."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.examples import examples
from gateway.cli.place import config_folder, state_folder
from gateway.cli.progress import progress_bar
from gateway.errors import ConfigurationRefused, EvidenceRefused, LedgerDoubt

if TYPE_CHECKING:
    from gateway.adapters.backup.recovery_key import RecoveryKey
    from gateway.app.restore import Outcome
    from gateway.ledger.policy import Policy


@click.command(
    epilog=examples(
        "gateway restore /mnt/safe --to /var/lib/gateway --key-file recovery.key",
        "gateway restore /mnt/safe --check --key-file recovery.key",
    )
)
@click.argument("source", metavar="FROM", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--to", "target", type=click.Path(path_type=Path), help="a new or empty folder")
@click.option("--check", is_flag=True, help="a drill: everything is done, then discarded; recorded by the gateway")
@click.option("--dry-run", is_flag=True, help="open the manifest, say what would be restored, write nothing")
@click.option("--key-file", type=click.Path(path_type=Path), help="recovery key; default backup.encryption_key")
@click.option("--witness-policy", type=click.Path(path_type=Path), help="keys you trust, from another way than FROM")
@click.option("--config", type=click.Path(path_type=Path), help="configuration folder of the box")
@click.option("--json", "as_json", is_flag=True, help="one JSON object")
@click.option("--quiet", is_flag=True, help="the last line only")
@click.pass_context
def restore(
    ctx: click.Context,
    source: Path,
    target: Path | None,
    key_file: Path | None,
    witness_policy: Path | None,
    config: Path | None,
    *,
    check: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Restore a backup, or a mirror's ledger folder, and verify it whole; the witnesses are asked.

    FROM is a backup, the folder that holds them (the newest is taken) or a mirror. Exit 0 verified, 1 not, or a witness has
    seen more, 69 FROM cannot be read, 78 the folder is not empty or the key is none.
    """
    from gateway.app.restore import leave_word
    from gateway.cli.verify import read_policy

    trusted = read_policy(witness_policy)
    if target is None and not check and not dry_run:
        raise click.UsageError("name an empty folder: --to DIR; or --check for a drill")
    if dry_run:
        click.echo(_contents(source, _key(key_file, config)))
        return
    show = not (as_json or quiet)
    if not check:
        assert target is not None, "named, or refused above"
        outcome = _restore(source, target, _key(key_file, config), trusted, show=show)
        leave_word(target / "state", outcome, check=False)
    else:
        try:
            outcome = _drill(source, target, _key(key_file, config), trusted, show=show)
        except EvidenceRefused as failed:
            _tell_failure(config, source, failed)
            raise
        _tell_box(config, outcome)
    if as_json:
        click.echo(_json(outcome, check=check))
    elif show:
        click.echo(outcome.verified)
    if outcome.rollback:
        raise LedgerDoubt(
            outcome.rollback,
            remedy="take a newer backup or the mirror; with neither an approver starts a new log: nothing is appended here",
        )
    if not as_json:
        click.echo(outcome.line())
    ctx.exit(int(bool(outcome.said) and not any(one.agrees for one in outcome.said)))


def _restore(
    source: Path, target: Path, key: Callable[[], RecoveryKey], trusted: Policy | None, *, show: bool
) -> Outcome:
    from gateway.app.restore import restore as restore_into

    with progress_bar("restored", wanted=show) as copied, progress_bar("files verified", wanted=show) as checked:
        return restore_into(source, target, key, trusted, copied, checked)


def _drill(
    source: Path, target: Path | None, key: Callable[[], RecoveryKey], trusted: Policy | None, *, show: bool
) -> Outcome:
    from gateway.adapters.backup.take import clear, require_empty

    if target is not None:
        require_empty(target)
        made = not target.exists()
        try:
            return _restore(source, target, key, trusted, show=show)
        finally:
            clear(target, made=made)
    with tempfile.TemporaryDirectory(prefix="gateway-drill-") as folder:
        return _restore(source, Path(folder), key, trusted, show=show)


def _tell_box(config: Path | None, outcome: Outcome) -> None:
    """Leave the drill for the gateway of this box to record, if the backup is one of its log."""
    from gateway.adapters.segment_store.folder import LedgerFolder
    from gateway.app.restore import leave_word
    from gateway.cli.place import ledger_folder
    from gateway.errors import GatewayError

    try:
        folder = config_folder(config)
        head = LedgerFolder(ledger_folder(folder)).head()
    except GatewayError:
        return
    if head is not None and head.checkpoint.origin == outcome.origin:
        leave_word(state_folder(folder), outcome, check=True)


def _tell_failure(config: Path | None, source: Path, failed: EvidenceRefused) -> None:
    """Leave a failed drill for the gateway of this box, if the backup lies where that gateway puts them."""
    from gateway.app.restore import leave_failure
    from gateway.app.site import open_site
    from gateway.errors import GatewayError

    try:
        site = open_site(config_folder(config))
    except GatewayError:
        return
    block = site.settings.backup
    if block is not None and isinstance(block.to, str) and source.resolve().is_relative_to(site.path(block.to)):
        leave_failure(site.state, source, failed.text)


def _key(key_file: Path | None, config: Path | None) -> Callable[[], RecoveryKey]:
    """Return the function that reads the recovery key when a backup asks for one."""
    from gateway.adapters.backup.recovery_key import parse_recovery_key

    def read() -> RecoveryKey:
        if key_file is not None:
            try:
                return parse_recovery_key(key_file.read_bytes(), str(key_file))
            except OSError as error:
                raise ConfigurationRefused(f"{key_file}: {error.strerror}", remedy="name a readable file") from error
        from gateway.app.site import open_site

        site = open_site(config_folder(config))
        block = site.settings.backup
        if block is None:
            raise ConfigurationRefused("no recovery key is named", remedy="give --key-file FILE")
        return parse_recovery_key(site.secret(block.encryption_key), "backup.encryption_key")

    return read


def _contents(source: Path, key: Callable[[], RecoveryKey]) -> str:
    from gateway.adapters.backup.take import is_ledger, newest_backup, read_manifest
    from gateway.adapters.segment_store.folder import LedgerFolder
    from gateway.domain.times import format_time

    if is_ledger(source):
        head = LedgerFolder(source).published()
        return f"would restore the mirror {source} up to size {0 if head is None else head.checkpoint.size:,}"
    folder = newest_backup(source)
    told = read_manifest(folder, key()).manifest
    total = sum(one.bytes for one in told.files)
    return (
        f"would restore {folder.name}: {len(told.files):,} files, {total:,} bytes, {told.origin} up to size "
        f"{told.size:,}, made {format_time(told.made_ns)}"
    )


def _json(outcome: Outcome, *, check: bool) -> str:
    return json.dumps(
        {
            "format": "restore/1",
            "check": check,
            "source": outcome.source,
            "folder": str(outcome.folder),
            "size": outcome.size,
            "root": outcome.root.hex(),
            "verified": outcome.verified,
            "rollback": outcome.rollback,
            "witnesses": [{"name": one.name, "agrees": one.agrees, "text": one.text} for one in outcome.said],
        }
    )
