"""`gateway verify`: check a bundle, a ledger folder or a log at a URL; the last line says it all (`ledger.md` 5)."""

from __future__ import annotations

import zipfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from gateway.cli.examples import examples
from gateway.cli.place import config_folder, ledger_folder
from gateway.cli.progress import progress_bar
from gateway.errors import ConfigurationRefused, EvidenceRefused, Unavailable

if TYPE_CHECKING:
    from gateway.ledger.authority import Authority
    from gateway.ledger.policy import Policy
    from gateway.ledger.verify import Result

BUNDLE_BYTES_MAX: Final = 4 * 1024**3
"""Unpacked size of a bundle that is read at all."""


@click.command(
    epilog=examples(
        "gateway verify B-123.zip --witness-policy client.policy", "gateway verify /var/lib/gateway/ledger --all"
    )
)
@click.argument("path", required=False, metavar="[PATH|URL]")
@click.option("--config", type=click.Path(path_type=Path), help="configuration folder, when no PATH is given")
@click.option("--witness-policy", type=click.Path(path_type=Path), help="keys you trust, from another way than PATH")
@click.option(
    "--tsa", type=click.Path(path_type=Path), help="root of the time stamp authority you trust (PEM), likewise"
)
@click.option(
    "--from", "first", type=click.IntRange(0), default=0, help="ledger folder: first record, by whole segments"
)
@click.option("--to", "stop", type=click.IntRange(1), help="ledger folder: record after the last, by whole segments")
@click.option(
    "--all",
    "all_seals",
    is_flag=True,
    help="ledger folder: the seal of every frame, not of each file's last, and the index beside it",
)
@click.option("--token-file", type=click.Path(path_type=Path), help="URL: token of an account with bundle.export")
@click.option("--ca", type=click.Path(path_type=Path), help="URL: authority of its certificate (PEM)")
@click.option("--json", "as_json", is_flag=True, help="one JSON object")
@click.option("--quiet", is_flag=True, help="the last line only")
@click.pass_context
def verify(
    ctx: click.Context,
    path: str | None,
    config: Path | None,
    witness_policy: Path | None,
    tsa: Path | None,
    first: int,
    stop: int | None,
    token_file: Path | None,
    ca: Path | None,
    *,
    all_seals: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Check a bundle, a ledger folder, or the log that a gateway serves at a URL.

    A URL is read with an account that may export; without one its tree alone is checked, by --witness-policy. Exit 0
    verified, 1 not, 69 PATH cannot be read, 78 bad policy.
    """
    from gateway.adapters.log_client import is_url

    policy, authority = read_policy(witness_policy), _read_authority(tsa)
    partial = bool(first) or stop is not None or all_seals
    found = Path(path) if path is not None else ledger_folder(config_folder(config))
    if path is not None and is_url(path):
        if partial:
            raise click.UsageError("--from, --to and --all are for a ledger folder")
        result = _verify_url(path, token_file, ca, policy, authority, show=not (as_json or quiet))
    elif found.is_dir():
        result = _verify_folder(
            found, policy, authority, (first, stop), all_seals=all_seals, show=not (as_json or quiet)
        )
    else:
        if partial:
            raise click.UsageError("--from, --to and --all are for a ledger folder")
        result = _verify_bundle(found, policy, authority)
    if as_json:
        click.echo(result.to_json())
    else:
        click.echo("\n".join(result.lines()[-1:] if quiet else result.lines()))
    ctx.exit(result.exit_code)


def _verify_url(
    url: str,
    token_file: Path | None,
    ca: Path | None,
    policy: Policy | None,
    authority: Authority | None,
    *,
    show: bool,
) -> Result:
    from gateway.adapters.log_client import LogClient
    from gateway.adapters.verify_url import verify_log, verify_tree
    from gateway.cli.control import read_token

    client = LogClient(url, "" if token_file is None else read_token(token_file), ca)
    if token_file is None and policy is None:
        raise ConfigurationRefused(
            "without an account only the tree can be checked, and nothing says whose keys count",
            remedy="give --witness-policy FILE, or --token-file FILE of an account with bundle.export",
        )
    with closing(client), progress_bar("records verified", wanted=show) as progress:
        if token_file is not None:
            return verify_log(client, policy, authority, progress)
        assert policy is not None, "refused above"
        return verify_tree(client, policy, progress)


def _verify_folder(
    root: Path,
    policy: Policy | None,
    authority: Authority | None,
    span: tuple[int, int | None],
    *,
    all_seals: bool,
    show: bool,
) -> Result:
    from gateway.adapters.segment_store.verify_folder import verify_folder

    own = root / "keys" / "policy"
    trusted = policy if policy is not None or not own.is_file() else read_policy(own)
    with progress_bar("files verified", wanted=show) as progress:
        result = verify_folder(
            root,
            policy=trusted,
            first=span[0],
            stop=span[1],
            all_seals=all_seals,
            authority=authority,
            progress=progress,
        )
    return _compare_index(root, result, show=show) if all_seals and span == (0, None) else result


def _compare_index(root: Path, result: Result, *, show: bool) -> Result:
    """Hold the index beside a sound ledger against it: it is no evidence, but people look through it."""
    from gateway.adapters.index.compare import first_difference
    from gateway.adapters.segment_store.folder import LedgerFolder
    from gateway.ledger.verify import index_differs

    index, folder = root.resolve().parent / "state" / "index.db", LedgerFolder(root)
    head = folder.head() if result.result != "failed" and index.is_file() else None
    if head is None:
        return result
    with progress_bar("entries held against the index", wanted=show) as progress:
        found = first_difference(index, head.checkpoint.origin, folder.reader, progress)
    return result if found is None else result.joined(index_differs(*found))


def _verify_bundle(path: Path, policy: Policy | None, authority: Authority | None) -> Result:
    from gateway.ledger.verify import verify_bundle

    try:
        with zipfile.ZipFile(path) as bundle:
            if sum(member.file_size for member in bundle.infolist()) > BUNDLE_BYTES_MAX:
                raise Unavailable(f"{path}: more than 4 GiB unpacked", remedy="ask for a bundle of a shorter range")
            members = {member.filename: bundle.read(member) for member in bundle.infolist() if not member.is_dir()}
    except (OSError, zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise Unavailable(
            f"{path} cannot be read: {_why(error)}", remedy="name a bundle (.zip) or a ledger folder that is whole"
        ) from error
    return verify_bundle(members, policy=policy, authority=authority)


def _why(error: Exception) -> str:
    """Return why a file cannot be read; the operating system's words without number and path."""
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def _read_authority(path: Path | None) -> Authority | None:
    from gateway.ledger.authority import Authority

    if path is None:
        return None
    try:
        return Authority(path.read_bytes())
    except OSError as error:
        raise ConfigurationRefused(f"{path} cannot be read: {_why(error)}", remedy="name a PEM file") from error
    except EvidenceRefused as error:
        raise ConfigurationRefused(f"{path}: {error.text}", remedy=error.remedy or "name a PEM file") from error


def read_policy(path: Path | None) -> Policy | None:
    """Return the policy of a file, None without one; raise `ConfigurationRefused` (78) when it is none."""
    from gateway.ledger.policy import parse_policy

    if path is None:
        return None
    try:
        return parse_policy(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationRefused(
            f"policy {path} cannot be read: {_why(error)}", remedy="name a tlog-policy file"
        ) from error
    except EvidenceRefused as error:
        raise ConfigurationRefused(f"{path}: {error.text}", remedy=error.remedy) from error
