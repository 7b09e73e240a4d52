"""Time stamps of a bundle: the token over its checkpoint, and frozen notes inside its interval that the end has grown from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Final

import msgspec

from gateway.errors import EvidenceRefused
from gateway.ledger.authority import Authority
from gateway.ledger.disclosed import Disclosed, is_reading
from gateway.ledger.keys import KeyRing
from gateway.ledger.note import VerifyKey, parse_base64, parse_note
from gateway.ledger.proof import check_consistency
from gateway.ledger.records import Anchor, parse_record
from gateway.ledger.verify import texts
from gateway.ledger.verify.findings import Finding
from gateway.ledger.verify.heads import open_head, read_head
from gateway.ledger.verify.manifest import Manifest
from gateway.ledger.verify.stamps import HeldStamp, bracket_of
from gateway.ledger.witness import cosigned_second

AUTHORITY: Final = "keys/tsa.pem"
FOREIGN_HEAD: Final = "is no sealed head of this log"
_BRACKET: Final = re.compile(r"brackets/([1-9][0-9]{0,18})(?:\.tsr|\.consistency)?")
_ANCHOR: Final = b'{"v":1,"kind":"anchor",'
_UNRECORDED: Final = 1 << 63
_NS: Final = 1_000_000_000


class BundleStamps:
    """Judges the time stamps of one bundle. ``authority``: the one trusted from outside; None: that of ``keys/tsa.pem``."""

    def __init__(
        self, manifest: Manifest, members: Mapping[str, bytes], ring: KeyRing, authority: Authority | None
    ) -> None:
        self._manifest = manifest
        self._members = members
        self._ring = ring
        self._authority = authority if authority is not None else _own_authority(members)
        self._needed = () if authority is not None else (AUTHORITY,)
        self.findings: list[Finding] = []
        self._times: dict[int, tuple[int, str]] = {}

    @property
    def held(self) -> int:
        """How many time stamps hold."""
        return len(self._times)

    def check(self) -> None:
        """Check every frozen note with its way to the checkpoint and its token, then the token of the checkpoint."""
        found = (_BRACKET.fullmatch(name) for name in self._members)
        for size in sorted({int(match[1]) for match in found if match is not None}):
            self._check_head(size, f"brackets/{size}")
        if "checkpoint.tsr" in self._members:
            self._check_token("checkpoint", self._manifest.size)

    def bracket(
        self, entries: Sequence[Disclosed], cosigners: Iterable[VerifyKey]
    ) -> tuple[int | None, int | None] | None:
        """Return (after, before) in ns for the readings, for all entries where there is no reading."""
        readings = [one.index for one in entries if is_reading(one.record)] or [one.index for one in entries]
        if not readings:
            return None
        recorded = dict(_anchors(entries))
        stamps = [
            HeldStamp(recorded.get(digest, _UNRECORDED), size, gen_ns) for size, (gen_ns, digest) in self._times.items()
        ]
        seen = self._cosigned(cosigners)
        if seen is not None:
            stamps.append(HeldStamp(_UNRECORDED, self._manifest.size, seen))
        return bracket_of(stamps, readings[0], readings[-1])

    def _check_head(self, size: int, name: str) -> None:
        members, manifest = self._members, self._manifest
        head = open_head(members.get(name, b""), size, self._ring.counting("seal", size))
        checkpoint = head.checkpoint
        if head.findings or checkpoint is None or (checkpoint.origin, checkpoint.size) != (manifest.origin, size):
            self.findings.append(texts.in_file("altered", name, FOREIGN_HEAD))
            return
        try:
            proof = parse_consistency(members.get(f"{name}.consistency", b""))
            check_consistency(size, manifest.size, checkpoint.root, bytes.fromhex(manifest.root), proof)
        except EvidenceRefused:
            self.findings.append(texts.in_file("altered", f"{name}.consistency", "proof does not hold"))
        if f"{name}.tsr" in members:
            self._check_token(name, size)

    def _check_token(self, name: str, size: int) -> None:
        token, note = self._members[f"{name}.tsr"], self._members.get(name, b"")
        if not all(self._is_listed(one) for one in (f"{name}.tsr", *self._needed)):
            return  # a changed file is named with the files
        if self._authority is not None:
            with suppress(EvidenceRefused):
                stamped = self._authority.open(token, sha256(note).digest())
                self._times[size] = (stamped.gen_ns, sha256(token).hexdigest())
                return
        self.findings.append(texts.in_file("signature", f"{name}.tsr", texts.UNSTAMPED))

    def _is_listed(self, name: str) -> bool:
        """Say whether a member is the one that the manifest lists; what is neither listed nor there is too."""
        found = sha256(self._members[name]).hexdigest() if name in self._members else None
        return self._manifest.files.get(name) == found

    def _cosigned(self, cosigners: Iterable[VerifyKey]) -> int | None:
        """Return the earliest cosignature of the checkpoint, ns since 1970."""
        if isinstance(read_head(self._members.get("checkpoint", b""), 0), Finding):
            return None
        note = parse_note(self._members["checkpoint"])
        lines = {(one.name, one.key_id): one for one in reversed(note.lines)}  # the first line of a key speaks for it
        seconds = [cosigned_second(key, lines[key.name, key.key_id]) for key in cosigners]
        return min(seconds) * _NS if seconds else None


def parse_consistency(content: bytes) -> list[bytes]:
    """Return the hashes of a ``.consistency`` member: one base64 line each."""
    lines = content.split(b"\n")
    if lines.pop():
        raise EvidenceRefused("a consistency proof ends inside a line")
    return [parse_base64(line, "hash") for line in lines]


def _own_authority(members: Mapping[str, bytes]) -> Authority | None:
    try:
        return Authority(members[AUTHORITY]) if AUTHORITY in members else None
    except EvidenceRefused:
        return None


def _anchors(entries: Sequence[Disclosed]) -> Iterable[tuple[str, int]]:
    """Yield (digest of the token, index) of each disclosed record that names a time stamp."""
    for one in entries:
        if not one.record.startswith(_ANCHOR):
            continue
        try:
            record = parse_record(one.record)
        except (EvidenceRefused, msgspec.DecodeError, RecursionError):
            continue
        if isinstance(record, Anchor) and isinstance(record.token_sha256, str):
            yield record.token_sha256, one.index
