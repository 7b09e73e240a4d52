"""Which keys seal a log at which sizes: key records, their endorsements, and the policy (`ledger.md` 4, rotation)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Final, NamedTuple

from msgspec import UnsetType

from gateway.errors import EvidenceRefused
from gateway.ledger.crypto import verify_line
from gateway.ledger.note import Sign, VerifyKey, parse_vkey
from gateway.ledger.records import Endorsement, Key

SIZE_MAX: Final = 2**63 - 1


class KnownKey(NamedTuple):
    """A key and the tree sizes it counts for: ``from_size`` ≤ size ≤ ``to_size``."""

    key: VerifyKey
    purpose: str
    from_size: int
    to_size: int = SIZE_MAX


def endorsed_text(origin: str, event: str, purpose: str, key: str, from_size: int, to_size: int | UnsetType) -> bytes:
    """Return what old and new key sign when a key enters a log."""
    until = "-" if isinstance(to_size, UnsetType) else str(to_size)
    return f"gateway-key/v1\n{origin}\n{event}\n{purpose}\n{key}\n{from_size}\n{until}\n".encode()


def endorse(text: bytes, key: VerifyKey, sign: Sign) -> Endorsement:
    """Return one key's endorsement of another's entry (or of its own)."""
    return Endorsement(key=str(key), sig=base64.b64encode(sign(text)).decode())


class KeyRing:
    """The keys of one log as its key records tell them, from the first one on."""

    def __init__(self, logs: Sequence[VerifyKey] = ()) -> None:
        """``logs``: seal keys that a policy from outside trusts; empty: the log's own records are believed."""
        self.trusted = frozenset(logs)
        self._known: dict[str, KnownKey] = {}

    def learn(self, origin: str, record: Key) -> str:
        """Take a key record; return why it is refused, empty if it is not."""
        if record.purpose not in {"seal", "publish"}:
            return ""
        try:
            key = parse_vkey(record.key)
        except EvidenceRefused as error:
            return error.text
        to_size = record.to_size if isinstance(record.to_size, int) else SIZE_MAX
        if record.event in {"retired", "revoked"}:
            known = self._known.get(str(key))
            if known is not None:
                self._known[str(key)] = known._replace(to_size=min(to_size, known.to_size))
            return ""
        if not self._is_endorsed(origin, record, key):
            return f"key {key} is not endorsed"
        self._known[str(key)] = KnownKey(key, record.purpose, record.from_size, to_size)
        return ""

    def counting(self, purpose: str, size: int) -> list[VerifyKey]:
        """Return the keys that count for a tree of ``size``.

        A trusted key that no record read so far has named counts too: its record may stand before the part that is read.
        """
        known = [
            one.key for one in self._known.values() if one.purpose == purpose and one.from_size <= size <= one.to_size
        ]
        if purpose != "seal":
            return known
        named = {one.key for one in self._known.values()}
        return [key for key in known if not self.trusted or key in self.trusted] + sorted(self.trusted - named)

    def _is_endorsed(self, origin: str, record: Key, key: VerifyKey) -> bool:
        """Say whether the key itself and, unless it is the first, a key already known have signed its entry."""
        text = endorsed_text(origin, record.event, record.purpose, record.key, record.from_size, record.to_size)
        given = {one.key: one.sig for one in record.endorsed}
        elders = [one.key for one in self._known.values() if one.purpose == "seal"]
        by_itself = _signed(key, text, given)
        return by_itself and (not elders or any(_signed(elder, text, given) for elder in elders))


def _signed(key: VerifyKey, text: bytes, given: dict[str, str]) -> bool:
    try:
        signature = base64.b64decode(given.get(str(key), ""), validate=True)
    except ValueError:
        return False
    return verify_line(key, text, signature)
