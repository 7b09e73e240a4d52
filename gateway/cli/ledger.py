"""`gateway ledger`: status, proofs, export and index of the ledger folder, also while the gateway is down."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import click

from gateway.cli.examples import examples
from gateway.cli.group import Group
from gateway.cli.ledger_bundle import bundle
from gateway.cli.ledger_prune import prune
from gateway.cli.ledger_scrub import scrub
from gateway.cli.place import config_folder, ledger_folder
from gateway.cli.progress import progress_bar
from gateway.errors import Refused

if TYPE_CHECKING:
    from gateway.adapters.segment_store.folder import LedgerFolder

STALE_S: Final = 60
"""Entries unpublished for longer than this are a finding: a publication is due every 10 s."""
_NS: Final = 1_000_000_000
Decorated = Callable[..., Any]


def _place(command: Decorated) -> Decorated:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="one JSON object"),
        click.option("--path", type=click.Path(path_type=Path), help="the ledger folder itself"),
        click.option("--config", type=click.Path(path_type=Path), help="configuration folder"),
    ):
        command = option(command)
    return command


def _root(config: Path | None, path: Path | None) -> Path:
    return path if path is not None else ledger_folder(config_folder(config))


def _folder(config: Path | None, path: Path | None) -> LedgerFolder:
    from gateway.adapters.segment_store.folder import LedgerFolder

    return LedgerFolder(_root(config, path))


@click.group(cls=Group, epilog=examples("gateway ledger status", "gateway ledger prove 1204331 -o 1204331.tlog-proof"))
def ledger() -> None:
    """Status, proofs, bundles, export and index of the ledger."""


@ledger.command(epilog=examples("gateway ledger status", "gateway ledger status --path /var/lib/gateway/ledger --json"))
@_place
@click.pass_context
def status(ctx: click.Context, config: Path | None, path: Path | None, *, as_json: bool) -> None:
    """Size, published head, witnesses, disk. Exit 1 when halted or when nothing was published for a minute."""
    from gateway.adapters.ledger_status import read_status

    found = read_status(_folder(config, path))
    stale = found.halted is not None or (found.entries > found.published and (found.published_age_s or 0) > STALE_S)
    if as_json:
        click.echo(json.dumps({"format": "ledger status/1", "stale": stale, **found.document()}))
    else:
        click.echo(found.line())
        if found.halted is not None:
            click.echo(f"halted: {found.halted}")
    ctx.exit(int(stale))


@ledger.command(
    epilog=examples(
        "gateway ledger prove 1204331 -o proof",
        "gateway ledger prove --from-size 1000000 --json",
    )
)
@click.argument("index", required=False, type=click.IntRange(0))
@click.option("--from-size", type=click.IntRange(1), help="a consistency proof from this size instead")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="a folder: the whole proof; F.tlog-proof: that file"
)
@click.option("--entry", type=click.Path(path_type=Path), help="file for the entry itself (it discloses the record)")
@_place
def prove(
    index: int | None,
    from_size: int | None,
    output: Path | None,
    entry: Path | None,
    config: Path | None,
    path: Path | None,
    *,
    as_json: bool,
) -> None:
    """Prove one record, or that the published tree grew from a smaller one. Exit 1: pruned, or not there.

    Into a folder go the record (it is disclosed), its tlog-proof, the time stamp over the note it leads to, and keys/.
    """
    from gateway.ledger.tlogproof import format_tlog_proof

    if (index is None) == (from_size is None):
        raise click.UsageError("name INDEX or --from-size N")
    folder = _folder(config, path)
    sides = None if index is None else _bracket(folder, index)
    if index is not None and output is not None and output.suffix != ".tlog-proof":
        _lay(folder, index, output, sides, as_json=as_json)
        return
    if index is not None:
        proof = folder.prove(index)
        content, hashes, what = format_tlog_proof(proof), proof.hashes, "inclusion"
        if entry is not None:
            entry.write_bytes(folder.entry(index))
    else:
        assert from_size is not None, "one of the two is given"
        hashes, what = folder.prove_growth(from_size), "consistency"
        content = b"".join(base64.b64encode(one) + b"\n" for one in hashes)
    if output is not None:
        output.write_bytes(content)
    elif not as_json:
        click.echo(content, nl=False)
    if as_json:
        texts = [base64.b64encode(one).decode() for one in hashes]
        click.echo(
            json.dumps({"format": "ledger prove/1", "proof": what, "index": index, "hashes": texts, "bracket": sides})
        )
    else:
        click.echo(f"{what}, {len(hashes)} hashes{_between(sides)}", err=output is None)


def _lay(folder: LedgerFolder, index: int, target: Path, sides: dict[str, int | None] | None, *, as_json: bool) -> None:
    """Write the whole proof of a record into a folder and say what is there."""
    from gateway.adapters.segment_store.single import lay_proof

    laid = lay_proof(folder, index, target)
    if as_json:
        told = {"format": "ledger prove/1", "proof": "inclusion", "index": index, "size": laid.size}
        click.echo(json.dumps({**told, "files": laid.files, "bracket": sides}))
        return
    stamp = "time stamp" if laid.stamped else "no time stamp yet"
    click.echo(f"inclusion, {laid.hashes} hashes, size {laid.size:,}, {stamp}{_between(sides)}")


def _bracket(folder: LedgerFolder, index: int) -> dict[str, int | None] | None:
    """Return the time stamps on both sides of a record in ns, None if there is none on either."""
    from gateway.adapters.segment_store.bracket import bracket_of_record

    found = bracket_of_record(folder, index)
    return None if found == (None, None) else found._asdict()


def _between(sides: dict[str, int | None] | None) -> str:
    """Return ``, after <time>, before <time>`` of what is known."""
    from gateway.domain.times import format_time

    known = {} if sides is None else sides
    after, before = known.get("after_ns"), known.get("before_ns")
    words = [""] if after is None else ["", f"after {format_time(after)}"]
    words += [f"before {format_time(before)}"] if before is not None else []
    return ", ".join(words)


@ledger.command(
    epilog=examples("gateway ledger export --to tiles", "gateway ledger export --to tiles --size 1204331 --json")
)
@click.option("--to", "target", required=True, type=click.Path(path_type=Path), help="a new or empty folder")
@click.option("--size", type=click.IntRange(1), help="tree size: the end of a frame; default the published one")
@_place
def export(target: Path, size: int | None, config: Path | None, path: Path | None, *, as_json: bool) -> None:
    """Write the ledger as a tlog-tiles folder. Owner only: it discloses every record."""
    from gateway.adapters.segment_store.export import export_tiles

    folder = _folder(config, path)
    head = folder.published() or folder.head() if size is None else folder.head(size - 1)
    published = folder.published()
    if published is not None and published.checkpoint.size == size:
        head = published
    if head is None or (size is not None and head.checkpoint.size != size):
        raise Refused(f"no sealed head of size {size or 0:,}", remedy="name the size of a published checkpoint")
    files = export_tiles(folder.maker, head.note, head.checkpoint.size, target)
    if as_json:
        click.echo(json.dumps({"format": "ledger export/1", "files": files, "size": head.checkpoint.size}))
    else:
        click.echo(f"{files:,} files")


@ledger.command(
    "rebuild-index",
    epilog=examples("gateway ledger rebuild-index", "gateway ledger rebuild-index --config /etc/gateway --json"),
)
@_place
def rebuild_index(config: Path | None, path: Path | None, *, as_json: bool) -> None:
    """Make the index again from the segment files; the gateway is stopped (else exit 69)."""
    from gateway.adapters.index import IndexFollower
    from gateway.adapters.segment_store.lock import WriterLock
    from gateway.adapters.system_clock import OsClock

    root = _root(config, path)
    folder = _folder(config, path)
    lock = WriterLock(folder.layout.lock)
    lock.take(OsClock().now().wall_ns)
    began = monotonic()
    try:
        head = folder.head()
        size = head.checkpoint.size if head is not None else 0
        origin = head.checkpoint.origin if head is not None else ""
        follower = IndexFollower(root.resolve().parent / "state" / "index.db", origin, folder.reader)
        with progress_bar("entries indexed", wanted=not as_json) as progress:
            follower.rebuild(size, lambda done: progress(done, size))
        follower.close()
    finally:
        lock.release()
    seconds = monotonic() - began
    if as_json:
        click.echo(json.dumps({"format": "ledger rebuild-index/1", "entries": size, "seconds": round(seconds, 3)}))
    else:
        click.echo(f"{size:,} entries, {seconds:.0f} s")


ledger.add_command(bundle)
ledger.add_command(scrub)
ledger.add_command(prune)
