"""Time stamps of a ledger: each `anchor timestamped` against its frozen note, its stored answer and the authority it names."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any, NamedTuple, Protocol

from gateway.errors import EvidenceRefused
from gateway.ledger.authority import Authority
from gateway.ledger.records import Anchor, Key
from gateway.ledger.token_list import LIST, LIST_TOKEN, Token, is_list, parse_tokens
from gateway.ledger.verify import texts
from gateway.ledger.verify.findings import Finding


class Beside(Protocol):
    """Files of a ledger folder beside its segments."""

    def note(self, size: int) -> bytes | None:
        """Return the frozen note of a size, None if there is none."""
        ...

    def token(self, size: int) -> bytes | None:
        """Return the stored answer over the note of a size, None if there is none."""
        ...

    def blob(self, digest: str) -> bytes | None:
        """Return a side object by its SHA-256, None if it is not there."""
        ...


class HeldStamp(NamedTuple):
    """A time stamp that holds: the record that names it, the tree size it is about, its time (ns since 1970)."""

    entry: int
    size: int
    gen_ns: int


class Stamps:
    """Judges the time stamps of one ledger. ``authority``: the one trusted from outside; None: the ledger's own is believed.

    ``fail`` takes each finding; ``whole``: the ledger is read from its beginning, so that its key records are all known.
    """

    def __init__(
        self, beside: Beside, authority: Authority | None, fail: Callable[[Finding], None], *, whole: bool
    ) -> None:
        self._beside = beside
        self._outside = authority
        self._fail = fail
        self._whole = whole
        self._tokens: list[Token] = []
        self._named: set[str] = set()
        self._lists: set[str] = set()
        self._known: dict[str, Authority] = {}
        self.held: list[HeldStamp] = []

    def learn(self, record: Key) -> None:
        """Take the key record of an authority."""
        if record.purpose == "tsa" and record.event in {"introduced", "rotated"}:
            self._named.add(record.key)

    def take(self, index: int, anchor: Anchor) -> bytes | None:
        """Judge one record; return the frozen note that it is about, None where that is not there as it was."""
        self._tokens.append(Token(anchor.size, str(anchor.token_sha256)))
        if is_list(anchor.facts):
            why = self._judge_list(index, anchor)
            if why:
                self._say(why[0], anchor.size, why[1])
            return None
        note = self._beside.note(anchor.size)
        if note is None:
            self._say("missing", anchor.size, "frozen note is missing")
            return None
        if sha256(note).hexdigest() != anchor.note_sha256:
            self._say("altered", anchor.size, "frozen note differs from its record")
            return None
        why = self._judge(index, anchor, note)
        if why:
            class_, text = why
            self._say(class_, anchor.size, text)
        return note

    def _judge_list(self, index: int, anchor: Anchor) -> tuple[str, str] | None:
        """Judge a list of all time stamps before it: its bytes, what it names, the answer over it."""
        facts = anchor.facts if isinstance(anchor.facts, dict) else {}
        content = self._blob(facts.get(LIST))
        if content is None:
            return "missing", "list of time stamps is missing"
        if sha256(content).hexdigest() != anchor.note_sha256:
            return "altered", "list of time stamps differs from its record"
        try:
            _, named = parse_tokens(content)
        except EvidenceRefused:
            return "altered", "list of time stamps cannot be read"
        before = self._tokens[:-1]
        if named[len(named) - len(before) :] != before or (self._whole and len(named) != len(before)):
            return "altered", "list of time stamps names others than the ledger"
        return self._judge_answer(index, anchor, content, self._blob(facts.get(LIST_TOKEN)))

    def _blob(self, digest: Any) -> bytes | None:
        return self._beside.blob(digest) if isinstance(digest, str) else None

    def _judge(self, index: int, anchor: Anchor, note: bytes) -> tuple[str, str] | None:
        return self._judge_answer(index, anchor, note, self._beside.token(anchor.size))

    def _judge_answer(self, index: int, anchor: Anchor, note: bytes, answer: bytes | None) -> tuple[str, str] | None:
        if answer is None:
            return "missing", "time stamp is missing"
        if sha256(answer).hexdigest() != anchor.token_sha256:
            return "altered", "time stamp differs from its record"
        why = self._judge_lists(anchor)
        if why is not None:
            return why
        authority = self._authority_of(anchor)
        if isinstance(authority, str):
            return "signature", authority
        try:
            stamped = authority.open(answer, sha256(note).digest())
        except EvidenceRefused:
            return "signature", texts.UNSTAMPED
        if (stamped.gen_ns, str(stamped.serial), stamped.policy) != (anchor.gen_ns, anchor.serial, anchor.policy):
            return "altered", "time stamp differs from its record"
        self.held.append(HeldStamp(index, anchor.size, stamped.gen_ns))
        return None

    def _judge_lists(self, anchor: Anchor) -> tuple[str, str] | None:
        """Say what is wrong with the revocation lists kept beside a token, if it names some; what they say is for others."""
        digest = anchor.facts.get("crl_sha256") if isinstance(anchor.facts, dict) else None
        if digest is None or digest in self._lists:
            return None
        content = self._beside.blob(digest) if isinstance(digest, str) else None
        if content is None:
            return "missing", "revocation lists of the time stamp's authority are missing"
        if sha256(content).hexdigest() != digest:
            return "altered", "revocation lists of the time stamp's authority differ from their record"
        self._lists.add(digest)
        return None

    def _authority_of(self, anchor: Anchor) -> Authority | str:
        """Return the authority that judges a token, or why there is none."""
        if self._outside is not None:
            return self._outside
        digest: Any = anchor.facts.get("authority_sha256") if isinstance(anchor.facts, dict) else None
        if digest not in self._known:
            pem = self._beside.blob(digest) if isinstance(digest, str) else None
            if pem is None or sha256(pem).hexdigest() != digest:
                return "certificates of the time stamp's authority are missing"
            try:
                self._known[digest] = Authority(pem)
            except EvidenceRefused:
                return "certificates of the time stamp's authority cannot be read"
        found = self._known[digest]
        if self._whole and self._named.isdisjoint(found.keys):
            return "no key record names the time stamp's authority"
        return found

    def _say(self, class_: Any, size: int, why: str) -> None:
        self._fail(texts.at_size(class_, size, why))


def bracket_of(stamps: list[HeldStamp], first: int, last: int) -> tuple[int | None, int | None] | None:
    """Return (after, before) in ns for the records first..last, None if neither side is known.

    After: the newest stamp whose record stands below ``first``. Before: the oldest one over a size above ``last``.
    """
    after = max((one.gen_ns for one in stamps if one.entry < first), default=None)
    before = min((one.gen_ns for one in stamps if one.size > last), default=None)
    return None if after is None and before is None else (after, before)
