"""The self-contained proof of one reading (`ledger.md` 5): its entry, the way to a note, the time stamp over that note, the keys.

`<index>.entry`, `<index>.tlog-proof`, `<index>.tsr` where a stamped note covers the record, `keys/policy`, `keys/tsa.pem`, `keys/tsa.crl`.
Reads the ledger folder without its lock and without its index.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from gateway.adapters.segment_store.bracket import anchors
from gateway.adapters.segment_store.disk import Disk
from gateway.adapters.segment_store.folder import LedgerFolder, SealedHead
from gateway.adapters.segment_store.frozen import FrozenFolder
from gateway.errors import Refused
from gateway.ledger.checkpoint import parse_checkpoint
from gateway.ledger.note import parse_note
from gateway.ledger.records import Anchor
from gateway.ledger.tlogproof import check_tlog_proof, format_tlog_proof

AUTHORITY, LISTS = "authority_sha256", "crl_sha256"
"""Facts of an anchor: side objects with the authority's certificates and its revocation lists."""


class Laid(NamedTuple):
    """What was written: number of hashes of the proof, size of the tree it leads to, files by name, whether a time stamp is among them."""

    hashes: int
    size: int
    files: tuple[str, ...]
    stamped: bool


class Stamped(NamedTuple):
    """A frozen note that covers a record, the answer over it, the record that names them."""

    head: SealedHead
    token: bytes
    anchor: Anchor


def lay_proof(folder: LedgerFolder, index: int, target: Path) -> Laid:
    """Write the proof of one record into a folder; the oldest stamped note over it, else the published one, is its end.

    Raises `Refused` for a record that is pruned or not there, `EvidenceRefused` if what is stored does not prove it.
    """
    stamp = oldest_stamp(folder, index)
    proof = folder.prove(index, None if stamp is None else stamp.head)
    entry = folder.entry(index)
    reached = check_tlog_proof(proof, entry)
    files = {f"{index}.entry": entry, f"{index}.tlog-proof": format_tlog_proof(proof), **_keys(folder, stamp)}
    if stamp is not None:
        files[f"{index}.tsr"] = stamp.token
    for name, content in files.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return Laid(len(proof.hashes), reached.size, tuple(sorted(files)), stamp is not None)


def oldest_stamp(folder: LedgerFolder, index: int) -> Stamped | None:
    """Return the oldest stamped note whose tree holds a record, None if there is none that is as it was recorded."""
    frozen = FrozenFolder(Disk(), folder.layout)
    for size in sorted(one for one in frozen.sizes() if one > index):
        note, token = frozen.note(size), frozen.token(size)
        anchor = anchor_of(folder, size)
        if note is None or token is None or anchor is None:
            continue
        if (sha256(note).hexdigest(), sha256(token).hexdigest()) != (anchor.note_sha256, anchor.token_sha256):
            continue
        return Stamped(SealedHead(parse_checkpoint(parse_note(note).text), note), token, anchor)
    return None


def anchor_of(folder: LedgerFolder, size: int) -> Anchor | None:
    """Return the record of the time stamp over the note of a size: it follows soon after the size."""
    return next((one for one in _anchors(folder, size) if one.size == size and one.event == "timestamped"), None)


def _anchors(folder: LedgerFolder, first: int) -> Iterator[Anchor]:
    return anchors(content for _, _, content in folder.reader.read(first, folder.reader.end()))


def _keys(folder: LedgerFolder, stamp: Stamped | None) -> dict[str, bytes]:
    """Return the keys that judge the proof: the policy of the log, and where a time stamp is, its authority."""
    files: dict[str, bytes] = {}
    try:
        files["keys/policy"] = folder.layout.policy.read_bytes()
    except FileNotFoundError as error:
        raise Refused(
            f"{folder.layout.policy} is missing: the proof would name no key",
            remedy="start the gateway once, or restore it",
        ) from error
    facts = stamp.anchor.facts if stamp is not None and isinstance(stamp.anchor.facts, dict) else {}
    for fact, name in ((AUTHORITY, "keys/tsa.pem"), (LISTS, "keys/tsa.crl")):
        digest = facts.get(fact)
        path = folder.layout.blob_of(digest) if isinstance(digest, str) else None
        if path is not None and path.is_file():
            files[name] = path.read_bytes()
    return files
