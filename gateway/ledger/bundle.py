"""Builds the members of a bundle: what an inspector takes home and checks without us (`ledger.md` 5).

Pure: entries, tree nodes and the cosigned note come in, (name → bytes) goes out; the caller writes the zip.
"""

from __future__ import annotations

import base64
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from hashlib import sha256
from heapq import nsmallest
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from gateway.ledger.checkpoint import Checkpoint, parse_checkpoint
from gateway.ledger.disclosed import Disclosed, is_reading, render_batch, render_readings
from gateway.ledger.disclosed_book import DisclosedBook
from gateway.ledger.entry import SALT_SIZE
from gateway.ledger.multiproof import prove_many
from gateway.ledger.note import parse_note
from gateway.ledger.policy import Policy, format_policy
from gateway.ledger.proof import NodeReader, prove_consistency, prove_inclusion
from gateway.ledger.tlogproof import TlogProof, format_tlog_proof

FORMAT: Final = "gateway-bundle/1"
SAMPLES: Final = 10
"""How many entries are chosen by hash for foreign tools, beside the fixed ones."""
MANIFEST: Final = "manifest.json"


class Subject(Struct, frozen=True, kw_only=True):
    """What the bundle is about: kind ``batch``, ``excursion`` or ``range``, and its id."""

    kind: str
    id: str


class SignalSpan(Struct, frozen=True, kw_only=True):
    """Readings of one signal in the bundle: n from first to last, without hole but for the withheld [a, b] pairs."""

    signal: str
    n_first: int
    n_last: int
    withheld: list[tuple[int, int]] = []


class Manifest(Struct, frozen=True, kw_only=True):
    """``manifest.json``; ``files`` names every other member with its SHA-256."""

    format: str = FORMAT
    made_ns: int
    origin: str
    subject: Subject
    scope: str
    intervals: list[dict[str, Any]] = []
    size: int
    root: str
    count: int
    signals: list[SignalSpan]
    gaps: list[int] = []
    seal: int | UnsetType = UNSET
    checkpoints: list[int] = []
    tokens: list[str] = []
    keys: list[str] = []
    build: dict[str, str] | UnsetType = UNSET
    files: dict[str, str] = {}


class StampedHead(Struct, frozen=True, kw_only=True):
    """A frozen note with its time stamp as stored: tree size, note, answer."""

    size: int
    note: bytes
    token: bytes


class BundleRequest(Struct, frozen=True, kw_only=True):
    """What a bundle is made from.

    ``entries``: disclosed (index, entry), ascending. ``note``: the checkpoint note, its size above the last index.
    ``policy``: its log and witness keys. ``made_ns`` is the caller's clock. ``withheld``: signal → [a, b] of `n` that
    stay with another client. ``seal``: index of the batch seal record. ``extra``: further members as they are
    (key records, blobs, names.jsonl, the stand-alone verifiers). ``token``: time stamp over ``note``; ``brackets``:
    frozen notes of smaller sizes with theirs; ``authority``: PEM of the certificates that the time stamps lead to;
    ``revocations``: PEM of the revocation lists kept with the stamps.
    """

    subject: Subject
    scope: str
    made_ns: int
    entries: Sequence[tuple[int, bytes]]
    note: bytes
    policy: Policy
    withheld: Mapping[str, list[tuple[int, int]]] = {}
    intervals: list[dict[str, Any]] = []
    gaps: list[int] = []
    seal: int | None = None
    build: dict[str, str] | None = None
    token: bytes | None = None
    brackets: Sequence[StampedHead] = ()
    authority: bytes | None = None
    revocations: bytes = b""
    extra: Mapping[str, bytes] = {}


class _ReadingHead(Struct):
    signal: str
    n: int


_READING_HEAD: Final = msgspec.json.Decoder(_ReadingHead)


def build_bundle(request: BundleRequest, reader: NodeReader) -> dict[str, bytes]:
    """Return the members of the bundle, ``manifest.json`` first; raises `EvidenceRefused` if the note cannot be read."""
    checkpoint = parse_checkpoint(parse_note(request.note).text)
    book = DisclosedBook.of(request.entries)
    disclosed = book.disclosed()
    members = {
        "entries.bin": book.content,
        "proof.bin": prove_many(reader, book.indexes, checkpoint.size),
        "checkpoint": request.note,
        "keys/policy": format_policy(request.policy).encode(),
        "readings.csv": render_readings(disclosed),
        "batch.json": render_batch(request.subject.kind, request.subject.id, disclosed),
        "README.txt": _readme(request.subject, page="verify.html" in request.extra),
        **request.extra,
        **_stamps(request, reader, checkpoint.size),
        **_samples(book, request, reader, checkpoint),
    }
    manifest = Manifest(
        made_ns=request.made_ns,
        origin=checkpoint.origin,
        subject=request.subject,
        scope=request.scope,
        intervals=request.intervals,
        size=checkpoint.size,
        root=checkpoint.root.hex(),
        count=len(book),
        signals=signal_spans(disclosed, request.withheld),
        gaps=request.gaps,
        seal=UNSET if request.seal is None else request.seal,
        checkpoints=sorted({checkpoint.size, *(one.size for one in request.brackets)}),
        tokens=[name for name in sorted(members) if name.endswith(".tsr")],
        keys=[str(key) for key in (*request.policy.logs, *(one.key for one in request.policy.witnesses))],
        build=UNSET if request.build is None else request.build,
        files={name: sha256(content).hexdigest() for name, content in sorted(members.items())},
    )
    return {MANIFEST: msgspec.json.format(msgspec.json.encode(manifest)) + b"\n", **members}


def signal_spans(entries: Sequence[Disclosed], withheld: Mapping[str, list[tuple[int, int]]]) -> list[SignalSpan]:
    """Return the span of `n` of each signal among the entries, signals in byte order."""
    spans: dict[str, tuple[int, int]] = {}
    for one in entries:
        if is_reading(one.record):
            head = _READING_HEAD.decode(one.record)
            first, _ = spans.get(head.signal, (head.n, head.n))
            spans[head.signal] = (first, head.n)
    return [
        SignalSpan(signal=signal, n_first=first, n_last=last, withheld=withheld.get(signal, []))
        for signal, (first, last) in sorted(spans.items(), key=lambda item: item[0].encode())
    ]


def sample_indexes(indexes: Sequence[int], readings: Sequence[int], seal: int | None, root: bytes) -> list[int]:
    """Return which entries stand alone for foreign tools: the seal, first and last reading, and those chosen by hash.

    Chosen are the 10 lowest by SHA-256(root ‖ uint64 index): nobody picks them, and everybody picks the same.
    """
    chosen = nsmallest(SAMPLES, indexes, key=lambda index: sha256(root + index.to_bytes(8, "big")).digest())
    fixed = [*readings[:1], *readings[-1:], *([] if seal is None else [seal])]
    return sorted({*chosen, *fixed})


def _samples(
    book: DisclosedBook, request: BundleRequest, reader: NodeReader, checkpoint: Checkpoint
) -> dict[str, bytes]:
    readings = [index for index, entry in book if is_reading(entry[SALT_SIZE:])]
    members: dict[str, bytes] = {}
    for index in sample_indexes(book.indexes, readings, request.seal, checkpoint.root):
        proof = TlogProof(index, tuple(prove_inclusion(reader, index, checkpoint.size)), request.note)
        members[f"samples/{index}.entry"] = book[bisect_left(book.indexes, index)][1]
        members[f"samples/{index}.tlog-proof"] = format_tlog_proof(proof)
    return members


def _stamps(request: BundleRequest, reader: NodeReader, size: int) -> dict[str, bytes]:
    """Return the time stamps: of the checkpoint, and of frozen notes with the proof that the checkpoint grew from them."""
    members = {} if request.token is None else {"checkpoint.tsr": request.token}
    for one in request.brackets:
        proof = prove_consistency(reader, one.size, size)
        members[f"brackets/{one.size}"] = one.note
        members[f"brackets/{one.size}.tsr"] = one.token
        members[f"brackets/{one.size}.consistency"] = b"".join(base64.b64encode(node) + b"\n" for node in proof)
    if members and request.authority is not None:
        members["keys/tsa.pem"] = request.authority
    if members and request.revocations:
        members["keys/tsa.crl"] = request.revocations
    return members


def _readme(subject: Subject, *, page: bool) -> bytes:
    browser = "In a browser:   open verify.html and drop the zip on it        (no network)\n" if page else ""
    return f"""Evidence of {subject.kind} {subject.id}

Check it:       python3 verify.py                    (Python 3.8 or later, nothing to install, no network)
With a policy:  python3 verify.py --witness-policy FILE   (keys you received by another way)
{browser}For others:     python3 verify.py --extract DIR      (files for openssl and other tools)

The last line says VERIFIED, or FAILED and where. Without a policy from outside the keys in keys/ are believed:
the bundle is then consistent with itself.

entries.bin holds the records as they were sealed; proof.bin leads from them to the root in checkpoint.
readings.csv and batch.json repeat the records for reading; verify.py makes them again and compares.
checkpoint.tsr and brackets/, where present, hold RFC 3161 time stamps; verify.py checks them with openssl if that is there.
keys/tsa.crl, where present, holds the revocation lists of that time; --extract says how openssl reads them.
names.jsonl, where present, holds the names behind the commitments in the records; one that is missing was erased.
samples/ holds single records with their proofs (c2sp.org/tlog-proof@v1) for tools of others.
The formats: docs/formats/bundle.md of the gateway.
""".encode()
