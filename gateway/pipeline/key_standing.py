"""Key standing: which keys sign checkpoints by the log's own records; a fold that travels in the carry (`ledger.md` 1, 4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from gateway.ledger.keys import ENTERS, TYPES
from gateway.ledger.note import VerifyKey, format_vkey, parse_vkey
from gateway.ledger.policy import SIZE_MAX, Policy, Span
from gateway.ledger.records import Key, Record

_NS: Final = 1_000_000_000
_NAMES: Final = ("key_from", "key_purpose", "key_retire_ns", "key_to", "key_vkey")


class LogKey(Struct, frozen=True, kw_only=True):
    """A key of the log: the sizes it counts for, and from when on it is retired (ns since 1970; 0: not set)."""

    purpose: str
    key: VerifyKey
    from_size: int
    to_size: int = SIZE_MAX
    retire_ns: int = 0

    @property
    def in_force(self) -> bool:
        """Whether it has no end yet."""
        return self.to_size == SIZE_MAX


class KeyStanding:
    """The fold. `apply` every key record in ledger order."""

    def __init__(self) -> None:
        self._keys: dict[str, LogKey] = {}

    def apply(self, record: Record) -> None:
        """Move on by one record; one of another kind, or of a key that signs no checkpoint, changes nothing."""
        if not isinstance(record, Key) or record.purpose not in TYPES:
            return
        known = self._keys.get(record.key)
        to_size = record.to_size if isinstance(record.to_size, int) else SIZE_MAX
        if record.event in ENTERS:
            self._add(LogKey(purpose=record.purpose, key=parse_vkey(record.key), from_size=record.from_size))
            facts = record.facts if isinstance(record.facts, dict) else {}
            overlap, elder = facts.get("overlap_s"), self._keys.get(str(record.replaces))
            if elder is not None and isinstance(overlap, int):
                self._add(_changed(elder, retire_ns=record.at_ns + overlap * _NS))
        elif known is not None:
            self._add(_changed(known, to_size=min(to_size, known.to_size), retire_ns=0))

    def all(self, purpose: str | None = None) -> list[LogKey]:
        """Return all keys ever, in the order they entered."""
        return [one for one in self._keys.values() if purpose in {None, one.purpose}]

    def counting(self, purpose: str, size: int) -> list[LogKey]:
        """Return the keys that count for a tree of ``size``."""
        return [one for one in self.all(purpose) if one.from_size <= size <= one.to_size]

    def in_force(self, purpose: str) -> list[LogKey]:
        """Return the keys that have no end yet, the oldest first."""
        return [one for one in self.all(purpose) if one.in_force]

    def facts(self) -> dict[str, Any]:
        """Return the keys as parallel lists for the facts of a carry; an end of -1 is none."""
        if not self._keys:
            return {}
        keys = list(self._keys.values())
        rows = (
            [one.from_size for one in keys],
            [one.purpose for one in keys],
            [one.retire_ns for one in keys],
            [-1 if one.in_force else one.to_size for one in keys],
            [format_vkey(one.key) for one in keys],
        )
        return dict(zip(_NAMES, rows, strict=True))

    def load(self, facts: Mapping[str, Any]) -> None:
        """Take the keys of a carry."""
        for first, purpose, retire_ns, last, vkey in zip(*(facts.get(name, ()) for name in _NAMES), strict=True):
            end = SIZE_MAX if last < 0 else last
            key = parse_vkey(vkey)
            self._add(LogKey(purpose=purpose, key=key, from_size=first, to_size=end, retire_ns=retire_ns))

    def adopt(self, policy: Policy) -> None:
        """Take the keys of `keys/policy` where no record told of them: a carry of an older version does not hold them."""
        named = [("seal", key) for key in policy.seals] + [("publish", key) for key in policy.publish]
        for purpose, key in named:
            first, last = policy.span_of(key)
            self._add(LogKey(purpose=purpose, key=key, from_size=first, to_size=last))

    def policy_keys(self) -> Policy:
        """Return the keys as a policy without witnesses: seal keys in force, former ones, publish keys with their sizes."""
        seals, publish = self.all("seal"), self.all("publish")
        spans = [(one.key, Span(0, one.to_size)) for one in seals if not one.in_force]
        spans += [(one.key, Span(one.from_size, one.to_size)) for one in publish]
        return Policy(
            logs=tuple(one.key for one in seals if one.in_force),
            publish=tuple(one.key for one in publish),
            former=tuple(one.key for one in seals if not one.in_force),
            spans=tuple((key, span) for key, span in spans if span != Span()),
        )

    def _add(self, key: LogKey) -> None:
        self._keys = {
            **self._keys,
            format_vkey(key.key): key,
        }  # never changed in place: others read it in their threads


def _changed(key: LogKey, **changes: int) -> LogKey:
    fields = {"from_size": key.from_size, "to_size": key.to_size, "retire_ns": key.retire_ns} | changes
    return LogKey(purpose=key.purpose, key=key.key, **fields)
