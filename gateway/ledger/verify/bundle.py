"""Verifies a bundle: the members of its zip in, findings out. The stand-alone verify.py repeats these rules word by word.

Order of the checks: manifest, keys, checkpoint, entries against their 4-byte hashes, proof against the root, `n` per
signal, samples, what is made again from the entries, and at last the list of files.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from hashlib import sha256
from itertools import pairwise

import msgspec

from gateway.errors import EvidenceRefused
from gateway.ledger.authority import Authority
from gateway.ledger.bundle import MANIFEST
from gateway.ledger.disclosed import Disclosed, is_reading, render_batch, render_readings
from gateway.ledger.disclosed_book import DisclosedBook
from gateway.ledger.keys import KeyRing, parse_told
from gateway.ledger.merkle import hash_leaf
from gateway.ledger.multiproof import root_from_many
from gateway.ledger.names import opens
from gateway.ledger.note import VerifyKey
from gateway.ledger.policy import Policy, parse_policy
from gateway.ledger.tlogproof import check_tlog_proof, parse_tlog_proof
from gateway.ledger.verify import texts
from gateway.ledger.verify.bundle_stamps import BundleStamps
from gateway.ledger.verify.findings import Counts, Finding, Result, amount, order_findings
from gateway.ledger.verify.heads import judge_quorum, open_head, read_head
from gateway.ledger.verify.manifest import Manifest, Span, read_manifest

NOT_READ = "cannot be read"


class _ReadingHead(msgspec.Struct):
    signal: str
    n: int


_READING = msgspec.json.Decoder(_ReadingHead)
_KEY = b'{"v":1,"kind":"key",'


def verify_bundle(
    members: Mapping[str, bytes], *, policy: Policy | None = None, authority: Authority | None = None
) -> Result:
    """Verify a bundle given as member name → bytes.

    ``policy``: log and witness keys that came by another way; without it the bundle's own are believed, and it is only
    consistent with itself. ``authority``: likewise whose time stamps count.
    """
    manifest = read_manifest(members.get(MANIFEST, b""))
    if manifest is None:
        return _result([texts.in_file("altered", MANIFEST, NOT_READ)])
    findings: list[Finding] = []
    if policy is None:
        findings.append(texts.note("keys are the bundle's own: consistent with itself"))
        try:
            policy = parse_policy(members.get("keys/policy", b"").decode())
        except (EvidenceRefused, UnicodeDecodeError):
            return _result([*findings, texts.in_file("altered", "keys/policy", NOT_READ)])
    elif authority is None and any(name.endswith(".tsr") for name in members):
        findings.append(texts.note("the authority of time stamps is the bundle's own"))
    book = DisclosedBook(members.get("entries.bin", b""))
    entries = _in_order(book)
    ring = _follow_keys(manifest.origin, entries, policy)
    sealed, cosigners = _check_head(manifest, members, policy, ring, findings)
    stamps = BundleStamps(manifest, members, ring, authority)
    stamps.check()
    findings += stamps.findings
    if not book.whole:
        findings.append(texts.in_file("altered", "entries.bin", "ends inside a record"))
    proved = _check_entries(manifest, book, entries, members.get("proof.bin", b""), findings)
    _check_samples(members, entries, findings)
    if proved:
        _check_made_again(manifest, members, entries, findings)
    _check_openings(members, findings)
    _check_files(manifest, members, findings)
    counts = Counts(records=len(entries), heads=int(sealed), witnesses=len(cosigners), time_stamps=stamps.held)
    return _result(findings, counts, manifest, stamps.bracket(entries, cosigners) if proved else None)


def _result(
    findings: list[Finding],
    counts: Counts | None = None,
    manifest: Manifest | None = None,
    bracket: tuple[int | None, int | None] | None = None,
) -> Result:
    return Result(
        bracket=bracket,
        counts=counts or Counts(),
        findings=order_findings(findings),
        subject="" if manifest is None else manifest.subject,
        size=0 if manifest is None else manifest.size,
        root=b"" if manifest is None else bytes.fromhex(manifest.root),
    )


def _in_order(book: DisclosedBook) -> Sequence[Disclosed]:
    """Return the entries by index; in a bundle that is whole they stand so."""
    disclosed = book.disclosed()
    return disclosed if book.ascending else sorted(disclosed, key=lambda one: one.index)


def _follow_keys(origin: str, entries: Sequence[Disclosed], policy: Policy) -> KeyRing:
    """Return the keys of the policy, and what the disclosed key records say of them and of their successors."""
    ring = KeyRing(policy)
    for one in entries:
        if one.record.startswith(_KEY):
            told = parse_told(one.record)
            if told is not None:
                ring.learn(origin, told)
    return ring


def _check_head(
    manifest: Manifest,
    members: Mapping[str, bytes],
    policy: Policy,
    ring: KeyRing,
    findings: list[Finding],
) -> tuple[bool, tuple[VerifyKey, ...]]:
    """Check the note's signatures, its cosignatures, and that the manifest speaks of the same tree."""
    witnesses = [one.key for one in policy.witnesses]
    content = members.get("checkpoint", b"")
    read = read_head(content, manifest.size)
    size = manifest.size if isinstance(read, Finding) else read[1].size
    head = open_head(content, size, ring.counting("seal", size), ring.counting("publish", size), witnesses)
    if head.checkpoint is None:
        findings.append(texts.in_file("altered", "checkpoint", NOT_READ))
        return False, ()
    findings += head.findings
    spoken = (head.checkpoint.origin, head.checkpoint.size, head.checkpoint.root.hex())
    if spoken != (manifest.origin, manifest.size, manifest.root):
        findings.append(texts.in_file("altered", MANIFEST, "is not about the tree in checkpoint"))
    unwitnessed = judge_quorum(policy, head.checkpoint.size, head.cosigners)
    if unwitnessed is not None:
        findings.append(unwitnessed)
    return head.sealed, head.cosigners


def _check_entries(
    manifest: Manifest, book: DisclosedBook, entries: Sequence[Disclosed], proof: bytes, findings: list[Finding]
) -> bool:
    """Check order, 4-byte hashes, `n` and the proof; return whether the entries lead to the root."""
    found = [] if book.ascending else _check_order(book.disclosed(), entries)
    leaves = [hash_leaf(one.entry) for one in entries]
    found += _check_prefixes(entries, leaves)
    if not found:
        found = _check_runs(manifest, entries)
    try:
        root = root_from_many(sorted(book.indexes), leaves, manifest.size, proof)
    except EvidenceRefused:
        root = b""
    proved = root.hex() == manifest.root
    if not proved and not found:
        found.append(_unproved(manifest, entries))
    if proved and len(entries) != manifest.count:
        found.append(texts.in_file("altered", MANIFEST, "counts other records"))
    findings += found
    return proved


def _check_order(entries: Sequence[Disclosed], due: Sequence[Disclosed]) -> list[Finding]:
    """Name an entry that stands before its elder, or twice."""
    for stands, should in zip(entries, due, strict=True):
        if stands.index != should.index:
            return [texts.reordered(should.index, stands.index, file="entries.bin")]
    twice = [b.index for a, b in pairwise(due) if a.index == b.index]
    return [texts.inserted(index, file="entries.bin") for index in twice]


def _check_prefixes(entries: Sequence[Disclosed], leaves: list[bytes]) -> list[Finding]:
    """Name the entries that do not have the 4-byte hash kept beside them; exchanged ones have each other's."""
    misfits = [(one, leaf[:4]) for one, leaf in zip(entries, leaves, strict=True) if leaf[:4] != one.prefix]
    belongs = {one.prefix: one.index for one, _ in misfits}
    return [
        texts.reordered(one.index, belongs[leaf], file="entries.bin")
        if leaf in belongs
        else texts.altered(one.index, one.record, file="entries.bin")
        for one, leaf in misfits
    ]


def _check_runs(manifest: Manifest, entries: Sequence[Disclosed]) -> list[Finding]:
    """Check that `n` of each signal runs from first to last without hole but for what is withheld."""
    found: list[Finding] = []
    due: dict[str, int] = {signal: _due(span, span.n_first) for signal, span in manifest.signals.items()}
    last: dict[str, int] = {}
    for one in entries:
        if not is_reading(one.record):
            continue
        try:
            head = _READING.decode(one.record)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        span = manifest.signals.get(head.signal)
        if span is None or head.n < due[head.signal] or head.n > span.n_last:
            found.append(texts.inserted(one.index, file="entries.bin"))
            continue
        if head.n > due[head.signal]:
            found.append(texts.missing(one.index, _count(span, due[head.signal], head.n - 1), file="entries.bin"))
        due[head.signal] = _due(span, head.n + 1)
        last[head.signal] = one.index
    for signal, span in manifest.signals.items():
        left = _count(span, due[signal], span.n_last)
        if left:
            at = last.get(signal, -1) + 1
            found.append(texts.missing(at, left, file="entries.bin"))
    return found


def _due(span: Span, n: int) -> int:
    """Return the first `n` from here on that is not withheld."""
    for first, last in sorted(span.withheld):
        if first <= n <= last:
            n = last + 1
    return n


def _count(span: Span, first: int, last: int) -> int:
    """Return how many readings from first to last are not withheld."""
    hidden = sum(max(min(b, last) - max(a, first) + 1, 0) for a, b in span.withheld)
    return max(last - first + 1 - hidden, 0)


def _unproved(manifest: Manifest, entries: Sequence[Disclosed]) -> Finding:
    """Say as much as can be said when the entries do not lead to the root and nothing smaller tells why."""
    if not entries:
        return texts.in_file("altered", "proof.bin", "does not lead to the root")
    first, last = entries[0].index, entries[-1].index
    more = len(entries) - manifest.count
    if more < 0:
        where = f"FAILED {texts.span(first, last)}: {amount(-more, 'record')} missing"
        return Finding(class_="missing", first=first, last=last, file="entries.bin", text=where)
    if more > 0:
        where = f"FAILED {texts.span(first, last)}: {texts.NEVER_SEALED}"
        return Finding(class_="inserted", first=first, last=last, file="entries.bin", text=where)
    return texts.altered_range(first, last, file="entries.bin")


def _check_samples(members: Mapping[str, bytes], entries: Sequence[Disclosed], findings: list[Finding]) -> None:
    """Check each single proof: of a disclosed entry, to the same checkpoint."""
    for name in sorted(members):
        if not name.startswith("samples/") or not name.endswith(".tlog-proof"):
            continue
        entry = members.get(f"{name.removesuffix('.tlog-proof')}.entry", b"")
        try:
            proof = parse_tlog_proof(members[name])
            check_tlog_proof(proof, entry)
            holds = proof.note == members.get("checkpoint") and _entry_at(entries, proof.index) == entry
        except EvidenceRefused:
            holds = False
        if not holds:
            findings.append(texts.in_file("altered", name, "proof does not hold"))


def _entry_at(entries: Sequence[Disclosed], index: int) -> bytes | None:
    place = bisect_left(entries, index, key=lambda one: one.index)
    return entries[place].entry if place < len(entries) and entries[place].index == index else None


def _check_made_again(
    manifest: Manifest,
    members: Mapping[str, bytes],
    entries: Sequence[Disclosed],
    findings: list[Finding],
) -> None:
    """Make the convenience files again from the entries and compare."""
    kind, _, subject = manifest.subject.partition(" ")
    try:
        readings = render_readings(entries)
    except EvidenceRefused:
        readings = None
    for name, made in (("readings.csv", readings), ("batch.json", render_batch(kind, subject, entries))):
        if name in members and members[name] != made:
            findings.append(texts.in_file("altered", name, "differs from the records"))


def _check_openings(members: Mapping[str, bytes], findings: list[Finding]) -> None:
    """Check that printed names open their commitments and side objects have the hash they are named by."""
    lines = members.get("names.jsonl", b"").split(b"\n")
    findings += [
        texts.in_file("altered", "names.jsonl", "a name does not open its commitment")
        for line in lines
        if line and not opens(line)
    ]
    findings += [
        texts.in_file("altered", name, "content hash differs from its name")
        for name in sorted(members)
        if name.startswith("blob/") and name != blob_name(members[name])
    ]


def blob_name(content: bytes) -> str:
    """Return ``blob/<first 2 hex>/<hash>`` of a side object."""
    digest = sha256(content).hexdigest()
    return f"blob/{digest[:2]}/{digest}"


def _check_files(manifest: Manifest, members: Mapping[str, bytes], findings: list[Finding]) -> None:
    """Compare the members with the manifest's list: all there, nothing else, each with its hash."""
    for name, digest in sorted(manifest.files.items()):
        if name not in members:
            findings.append(texts.in_file("missing", name, "file is missing"))
        elif sha256(members[name]).hexdigest() != digest:
            findings.append(texts.in_file("altered", name, texts.DIFFERS))
    findings += [
        texts.in_file("inserted", name, "file was never listed")
        for name in sorted(members)
        if name != MANIFEST and name not in manifest.files
    ]
