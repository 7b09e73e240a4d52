"""`gateway ledger scrub`: everything stored is read again and compared; also while the gateway runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.examples import examples
from gateway.cli.place import config_folder, ledger_folder
from gateway.cli.progress import progress_bar

if TYPE_CHECKING:
    from gateway.ports import ScrubReport


@click.command(epilog=examples("gateway ledger scrub", "gateway ledger scrub --rate 20 --path /var/lib/gateway/ledger"))
@click.option("--rate", type=click.FloatRange(0.1), help="MB a second at most; default as fast as it goes")
@click.option("--config", type=click.Path(path_type=Path), help="configuration folder")
@click.option("--path", type=click.Path(path_type=Path), help="the ledger folder itself")
@click.option("--json", "as_json", is_flag=True, help="one JSON object")
@click.pass_context
def scrub(ctx: click.Context, rate: float | None, config: Path | None, path: Path | None, *, as_json: bool) -> None:
    """Read every segment, tile, note and side object again. Exit 1 on a finding: the file and what to do."""
    from gateway.adapters.segment_store.folder import LedgerFolder
    from gateway.adapters.segment_store.pace import Pace
    from gateway.adapters.segment_store.policy_file import own_policy
    from gateway.adapters.segment_store.scrub import all_blobs, all_segments
    from gateway.adapters.segment_store.scrub import scrub as read_again

    root = path if path is not None else ledger_folder(config_folder(config))
    folder = LedgerFolder(root)
    with progress_bar("segments read again", wanted=not as_json) as progress:
        report = read_again(
            root,
            all_segments(folder),
            all_blobs(folder.layout),
            own_policy(folder.layout),
            pace=Pace(rate),
            progress=progress,
        )
    found = len(report.findings) + report.more
    if as_json:
        click.echo(json.dumps(_document(report)))
    else:
        for one in report.findings:
            click.echo(one.text)
            click.echo(f"fix: {one.remedy}")
        if report.more:
            click.echo(f"and {report.more:,} more")
        click.echo(f"{_amount(report.segments, 'segment')}, {found:,} finding{'' if found == 1 else 's'}")
    ctx.exit(int(found > 0))


def _amount(found: Sequence[int], what: str) -> str:
    return f"{len(found):,} {what}{'' if len(found) == 1 else 's'}"


def _document(report: ScrubReport) -> dict[str, Any]:
    return {
        "format": "ledger scrub/1",
        "segments": len(report.segments),
        "files": report.files,
        "blobs": report.blobs,
        "notes": report.notes,
        "bytes": report.bytes_read,
        "findings": [{"file": one.file, "text": one.text, "remedy": one.remedy} for one in report.findings],
        "more": report.more,
    }
