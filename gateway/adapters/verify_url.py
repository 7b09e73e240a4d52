"""`gateway verify URL`: a log read over HTTP and checked by the one verifier; without an account its tree alone (`ledger.md` 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from gateway.adapters.log_client import LogClient
from gateway.errors import EvidenceRefused, Unavailable
from gateway.ledger.authority import Authority
from gateway.ledger.checkpoint import Checkpoint, parse_checkpoint
from gateway.ledger.note import parse_note
from gateway.ledger.policy import Policy, parse_policy
from gateway.ledger.segment import FILE_HEADER_SIZE, SEGMENT_ENTRIES, format_name, make_file_header
from gateway.ledger.tile import TILE_WIDTH, Tile, TileReader
from gateway.ledger.verify import Counts, FileScan, LedgerVerifier, Result, scan_file
from gateway.ledger.verify.heads import judge_quorum, open_head
from gateway.ledger.verify.texts import at_size, note

Progress = Callable[[int, int], None]
NO_ROOT: Final = bytes(32)


def verify_log(client: LogClient, policy: Policy | None, authority: Authority | None, progress: Progress) -> Result:
    """Read every published record and verify it as a ledger folder is; the account needs `bundle.export`.

    ``policy``: keys and witnesses trusted from outside; None: those that the log shows of itself, as of a folder.
    ``progress`` is told (records, records in all). Raises `Unavailable` when the log does not answer.
    """
    published = _published(client)
    head = _head(published)
    own = None if policy is not None else client.policy()
    trusted = policy if own is None else parse_policy(own.decode(errors="replace"))
    verifier = LedgerVerifier(
        published=published, policy=trusted, all_seals=True, beside=_Beside(client), authority=authority
    )
    for scan in _scans(client, head, verifier):
        verifier.add(scan)
        progress(verifier.size, head.size)
    return verifier.finish()


def verify_tree(client: LogClient, policy: Policy, progress: Progress) -> Result:
    """Check the published note by ``policy``, and that all tiles lead to its root; records are not read."""
    published = _published(client)
    head = _head(published)
    opened = open_head(published, head.size, policy.seals, policy.publish, [one.key for one in policy.witnesses])
    findings = list(opened.findings)
    unwitnessed = judge_quorum(policy, head.size, opened.cosigners)
    findings += [unwitnessed] if unwitnessed is not None else []
    try:
        for done in _tiles(client, head):
            progress(done, head.size)
    except EvidenceRefused as error:
        findings.insert(0, at_size("altered", head.size, error.text))
    findings.append(note(f"tree of {head.size:,} entries, its records were not read: that needs an account"))
    counts = Counts(records=0, heads=int(opened.sealed), witnesses=len(opened.cosigners))
    return Result(counts=counts, findings=tuple(findings), size=head.size, root=head.root)


class _Beside:
    """Frozen notes, time stamps and side objects, asked for when they are needed."""

    def __init__(self, client: LogClient) -> None:
        self.note = client.note
        self.token = client.token
        self.blob = client.blob


def _scans(client: LogClient, head: Checkpoint, verifier: LedgerVerifier) -> Iterator[FileScan]:
    """Yield the log piece by piece; each is read as a file that begins where the one before ended."""
    first = start = _first_segment(client, head.size)
    offset = 0
    while verifier.size < head.size:
        begin = max(verifier.size, start)
        content = client.segment(first, offset)
        if not content and offset:
            first, offset = begin, 0
            content = client.segment(first, offset)
        if not content:
            return
        whole = content
        if offset:
            root = NO_ROOT if verifier.tree is None else verifier.tree.root()
            whole = make_file_header(head.origin, begin, root) + content
        yield scan_file(format_name(begin), whole)
        offset += len(content)
        if verifier.size <= begin or offset <= FILE_HEADER_SIZE:
            return
        if not verifier.size % SEGMENT_ENTRIES:
            first, offset = verifier.size, 0


def _first_segment(client: LogClient, size: int) -> int:
    """Return where the log begins that is still there: 0, or the end of what was pruned."""
    low, high = 0, size // SEGMENT_ENTRIES
    if client.segment(0, 0) is not None:
        return 0
    while low < high:
        middle = (low + high) // 2
        if client.segment(middle * SEGMENT_ENTRIES, 0) is None:
            low = middle + 1
        else:
            high = middle
    return low * SEGMENT_ENTRIES


def _tiles(client: LogClient, head: Checkpoint) -> Iterator[int]:
    """Read every tile of level 0, each checked up to the root; yield how many leaves are done."""

    def read(tile: Tile) -> bytes:
        content = client.tile(tile)
        if content is None:
            raise EvidenceRefused("a tile of the published tree is missing")
        return content

    for start in range(0, head.size, SEGMENT_ENTRIES):
        reader = TileReader(head.size, head.root, read)
        for leaf in range(start, min(start + SEGMENT_ENTRIES, head.size), TILE_WIDTH):
            reader.node(0, leaf)
        yield min(start + SEGMENT_ENTRIES, head.size)


def _published(client: LogClient) -> bytes:
    found = client.checkpoint()
    if found is None:
        raise Unavailable(f"{client.url} shows no checkpoint", remedy="name a gateway, or a folder of tlog-tiles")
    return found


def _head(published: bytes) -> Checkpoint:
    return parse_checkpoint(parse_note(published).text)
