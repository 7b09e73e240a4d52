"""C2SP tlog-policy: which keys seal a log and how many witnesses must have cosigned (https://c2sp.org/tlog-policy).

::

    log <vkey> [<url>]
    # log <vkey> until <size>             ours: a former seal key; others read a comment
    # publish <vkey> [from <size>] [until <size>]   ours: this key's line is demanded of these sizes
    witness <name> <vkey> [<url>]
    group <name> <any | all | k> <member> …
    quorum <name | none>
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from gateway.errors import EvidenceRefused
from gateway.ledger.note import VerifyKey, format_vkey, parse_vkey

NONE: Final = "none"
SIZE_MAX: Final = 2**63 - 1
_FORMER: Final = "# log "
_PUBLISH: Final = "# publish "
_MEMBERS_MAX: Final = 255
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_SPAN: Final = "write <vkey> [from <size>] [until <size>]"
_LINES: Final = "name a policy file: lines begin with log, witness, group, quorum or #"


class Witness(NamedTuple):
    """A witness by its name in the policy, its key, and where it answers (empty: nowhere)."""

    name: str
    key: VerifyKey
    url: str = ""


class Group(NamedTuple):
    """A named set of witnesses and groups of which ``threshold`` must have cosigned."""

    name: str
    threshold: int
    members: tuple[str, ...]


class Span(NamedTuple):
    """The tree sizes that a key counts for, both ends included."""

    from_size: int = 0
    to_size: int = SIZE_MAX


ALWAYS: Final = Span()


class Policy(NamedTuple):
    """Seal keys, publish keys, witnesses, groups, and the name of the quorum (``none``: no cosignature is asked).

    ``former``: seal keys that count for no tree larger than the end of their span; ``spans``: (key, its sizes) where those
    are not all.
    """

    logs: tuple[VerifyKey, ...]
    publish: tuple[VerifyKey, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    groups: tuple[Group, ...] = ()
    quorum: str = NONE
    former: tuple[VerifyKey, ...] = ()
    spans: tuple[tuple[VerifyKey, Span], ...] = ()

    @property
    def seals(self) -> tuple[VerifyKey, ...]:
        """All seal keys, former ones too."""
        return (*self.logs, *self.former)

    def span_of(self, key: VerifyKey) -> Span:
        """Return the sizes that a key of the policy counts for."""
        return dict(self.spans).get(key, ALWAYS)

    def satisfied_by(self, cosigners: Collection[VerifyKey]) -> bool:
        """Say whether these verified cosigners make the quorum."""
        if self.quorum == NONE:
            return True
        holds = {witness.name: witness.key in cosigners for witness in self.witnesses}
        for group in self.groups:  # a member is always named before the group
            holds[group.name] = sum(holds[member] for member in group.members) >= group.threshold
        return holds[self.quorum]

    @property
    def required(self) -> int:
        """Fewest cosignatures that can satisfy the quorum."""
        needs = {NONE: 0} | {witness.name: 1 for witness in self.witnesses}
        for group in self.groups:
            needs[group.name] = sum(sorted(needs[member] for member in group.members)[: group.threshold])
        return needs[self.quorum]


def make_policy(logs: Sequence[VerifyKey], publish: Sequence[VerifyKey], witnesses: Sequence[Witness]) -> Policy:
    """Return our policy: a majority of the witnesses (``group q <⌊n/2⌋+1> …``); one witness is itself the quorum."""
    if not witnesses:
        return Policy(tuple(logs), tuple(publish))
    if len(witnesses) == 1:
        return Policy(tuple(logs), tuple(publish), tuple(witnesses), (), witnesses[0].name)
    names = tuple(witness.name for witness in witnesses)
    free = next(name for name in ("q" * count for count in range(1, len(names) + 2)) if name not in names)
    majority = Group(free, len(witnesses) // 2 + 1, names)
    return Policy(tuple(logs), tuple(publish), tuple(witnesses), (majority,), majority.name)


def format_policy(policy: Policy) -> str:
    """Return the lines of the file ``keys/policy``."""
    lines = [f"log {format_vkey(key)}" for key in policy.logs]
    lines += [f"{_FORMER}{format_vkey(key)}{_format_span(policy.span_of(key))}" for key in policy.former]
    lines += [f"{_PUBLISH}{format_vkey(key)}{_format_span(policy.span_of(key))}" for key in policy.publish]
    lines += [f"witness {one.name} {format_vkey(one.key)} {one.url}".rstrip() for one in policy.witnesses]
    lines += [_format_group(group) for group in policy.groups]
    return "\n".join([*lines, f"quorum {policy.quorum}", ""])


def parse_policy(text: str) -> Policy:
    """Return the policy of a file; each refusal names its line."""
    reader = _Reader()
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            reader.read(line)
        except EvidenceRefused as error:
            raise EvidenceRefused(f"policy line {number}: {error.text}", remedy=error.remedy) from error
    return reader.policy()


class _Reader:
    """Collects the lines of one policy; names are declared before they are used, each once."""

    def __init__(self) -> None:
        self.logs: list[VerifyKey] = []
        self.publish: list[VerifyKey] = []
        self.witnesses: list[Witness] = []
        self.groups: list[Group] = []
        self.quorum = ""
        self.names = {NONE}
        self.former: list[VerifyKey] = []
        self.spans: list[tuple[VerifyKey, Span]] = []

    def policy(self) -> Policy:
        """Return what was read; refuse a policy without a quorum line."""
        if not self.quorum:
            raise EvidenceRefused("policy has no quorum line", remedy="write `quorum none` if no witness is asked")
        return Policy(
            tuple(self.logs),
            tuple(self.publish),
            tuple(self.witnesses),
            tuple(self.groups),
            self.quorum,
            tuple(self.former),
            tuple(self.spans),
        )

    def read(self, line: str) -> None:
        """Take one line."""
        for start, keys in ((_PUBLISH, self.publish), (_FORMER, self.former)):
            if line.startswith(start):
                keys.append(self._spanned(line.removeprefix(start).split()))
                return
        match line.split():
            case []:
                pass
            case [first, *_] if first.startswith("#"):
                pass
            case ["log", vkey] | ["log", vkey, _]:
                self.logs.append(parse_vkey(vkey))
            case ["witness", name, vkey, *url] if len(url) <= 1:
                self._declare(name)
                self.witnesses.append(Witness(name, parse_vkey(vkey), *url))
            case ["group", name, threshold, *members] if members:
                self._group(name, threshold, members)
            case ["quorum", name] if not self.quorum and name in self.names:
                self.quorum = name
            case _:
                raise EvidenceRefused(f"{line[:80]!r} is not understood", remedy=_LINES)

    def _spanned(self, words: list[str]) -> VerifyKey:
        """Take a key with the sizes it counts for: ``<vkey> [from <size>] [until <size>]``."""
        first, last, rest = ALWAYS.from_size, ALWAYS.to_size, words[1:]
        if rest[:1] == ["from"]:
            first, rest = _size(rest[1:2]), rest[2:]
        if rest[:1] == ["until"]:
            last, rest = _size(rest[1:2]), rest[2:]
        if rest or not words:
            raise EvidenceRefused(f"{' '.join(words)[:80]!r} is not a key with its sizes", remedy=_SPAN)
        key = parse_vkey(words[0])
        if (first, last) != ALWAYS:
            self.spans.append((key, Span(first, last)))
        return key

    def _declare(self, name: str) -> None:
        if name in self.names:
            raise EvidenceRefused(f"name {name!r} is used twice, or is `none`")
        self.names.add(name)

    def _group(self, name: str, threshold: str, members: list[str]) -> None:
        unknown = [member for member in members if member == NONE or member not in self.names]
        if unknown or len(set(members)) != len(members) or len(members) > _MEMBERS_MAX:
            raise EvidenceRefused(f"group {name!r} names a member twice, or one not declared before: {unknown}")
        words = {"any": 1, "all": len(members)}
        plain = threshold.isascii() and threshold.isdecimal() and not threshold.startswith("0")
        count = words.get(threshold, int(threshold) if plain else 0)
        if not 1 <= count <= len(members):
            raise EvidenceRefused(f"group {name!r} asks {threshold[:16]!r} of {len(members)} members")
        self._declare(name)
        self.groups.append(Group(name, count, tuple(members)))


def _format_group(group: Group) -> str:
    return f"group {group.name} {group.threshold} {' '.join(group.members)}"


def _format_span(span: Span) -> str:
    start = f" from {span.from_size}" if span.from_size else ""
    return start if span.to_size == SIZE_MAX else f"{start} until {span.to_size}"


def _size(words: list[str]) -> int:
    if not words or not _SIZE.fullmatch(words[0]) or int(words[0]) > SIZE_MAX:
        raise EvidenceRefused(f"{' '.join(words)[:24]!r} is not a tree size", remedy=_SPAN)
    return int(words[0])
