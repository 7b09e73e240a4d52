"""Which keys count for which sizes of a log: key records, their endorsements, and the policy (`ledger.md` 4, rotation)."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Struct, UnsetType

from gateway.errors import EvidenceRefused
from gateway.ledger.crypto import verify_line
from gateway.ledger.note import ECDSA_P256, ED25519, Sign, VerifyKey, format_vkey, parse_base64, parse_vkey
from gateway.ledger.policy import SIZE_MAX, Policy
from gateway.ledger.records import Endorsement, Key

TYPES: Final = {"seal": ED25519, "publish": ECDSA_P256}
"""Keys that sign checkpoints, with the type of each; those of other purposes are no keys of notes."""
ENTERS: Final = frozenset({"introduced", "rotated"})


class KnownKey(NamedTuple):
    """A key and the tree sizes it counts for: ``from_size`` ≤ size ≤ ``to_size``.

    ``told``: a record of the log speaks of it; ``trusted``: a policy from outside does, or a key it trusts vouched for it.
    """

    key: VerifyKey
    purpose: str
    from_size: int
    to_size: int = SIZE_MAX
    told: bool = True
    trusted: bool = True

    def counts_at(self, size: int) -> bool:
        """Say whether the key counts for a tree of ``size``."""
        return self.from_size <= size <= self.to_size


class ToldKey(Struct, frozen=True):
    """What of a disclosed key record decides whether its key counts; the rest is not looked at."""

    event: Literal["introduced", "rotated", "retired", "revoked"]
    purpose: str
    key: str
    from_size: int
    endorsed: list[Endorsement]
    to_size: int | UnsetType = UNSET


_TOLD: Final = msgspec.json.Decoder(ToldKey)


def parse_told(record: bytes) -> ToldKey | None:
    """Return what a key record tells, None where its bytes do not say it in the one way."""
    try:
        told = _TOLD.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    sizes = [told.from_size] if isinstance(told.to_size, UnsetType) else [told.from_size, told.to_size]
    return told if all(0 <= size <= SIZE_MAX for size in sizes) else None


def endorsed_text(origin: str, event: str, purpose: str, key: str, from_size: int, to_size: int | UnsetType) -> bytes:
    """Return what old and new key sign when a key enters or leaves a log."""
    until = "-" if isinstance(to_size, UnsetType) else str(to_size)
    return f"gateway-key/v1\n{origin}\n{event}\n{purpose}\n{key}\n{from_size}\n{until}\n".encode()


def endorse(text: bytes, key: VerifyKey, sign: Sign) -> Endorsement:
    """Return one key's endorsement of another's entry (or of its own)."""
    return Endorsement(key=str(key), sig=base64.b64encode(sign(text)).decode())


def endorse_all(
    origin: str, event: str, known: KnownKey, signers: Iterable[tuple[VerifyKey, Sign]]
) -> list[Endorsement]:
    """Return what every signer says to the record of an event of a key, each signer once."""
    to_size = UNSET if known.to_size == SIZE_MAX else known.to_size
    text = endorsed_text(origin, event, known.purpose, format_vkey(known.key), known.from_size, to_size)
    return [endorse(text, key, sign) for key, sign in dict(signers).items()]


class KeyRing:
    """The keys of one log: those that a policy names, then what its key records tell, from the first one on.

    Without a policy the log's own records are believed.
    """

    def __init__(self, policy: Policy | None = None) -> None:
        self._known: dict[str, KnownKey] = {}
        self._outside = policy is not None
        if policy is not None:
            named = [("seal", key) for key in policy.seals] + [("publish", key) for key in policy.publish]
            for purpose, key in named:
                self._known[str(key)] = KnownKey(key, purpose, *policy.span_of(key), told=False)

    def learn(self, origin: str, record: Key | ToldKey) -> str:
        """Take a key record; return why it is refused, empty if it is not."""
        if record.purpose not in TYPES:
            return ""
        try:
            key = parse_vkey(record.key)
        except EvidenceRefused as error:
            return error.text
        if key.type != TYPES[record.purpose]:
            return f"key {key} of type {key.type:02x} is no {record.purpose} key"
        known = self._known.get(str(key))
        signers = self._signers(origin, record, key)
        if record.event not in ENTERS:
            return self._leave(record, known, signers)
        elders = [one for one in self._known.values() if one.purpose == "seal" and one.counts_at(record.from_size)]
        first = not any(one.purpose == "seal" and one.told for one in self._known.values())
        vouching = [one for one in elders if one.key in signers]
        if key not in signers or not (first or vouching):
            return f"key {key} is not endorsed"
        to_size = record.to_size if isinstance(record.to_size, int) else SIZE_MAX
        self._known[str(key)] = KnownKey(
            key,
            record.purpose,
            record.from_size,
            to_size if known is None else min(to_size, known.to_size),
            trusted=not self._outside
            or (known is not None and known.trusted)
            or self._trust(record, signers, vouching),
        )
        return ""

    def counting(self, purpose: str, size: int) -> list[VerifyKey]:
        """Return the keys that count for a tree of ``size``.

        A key of the policy that no record read so far has named counts too: its record may stand before the part that is read.
        """
        return [
            one.key for one in self._known.values() if one.purpose == purpose and one.trusted and one.counts_at(size)
        ]

    def ended_before(self, size: int) -> list[VerifyKey]:
        """Return the trusted seal keys that count for ``size`` no more."""
        found = self._known.values()
        return [one.key for one in found if one.purpose == "seal" and one.trusted and one.to_size < size]

    def end_of(self, key: VerifyKey) -> int:
        """Return the largest size that a known key counts for."""
        return self._known[str(key)].to_size

    def _trust(self, record: Key | ToldKey, signers: Sequence[VerifyKey], vouching: Sequence[KnownKey]) -> bool:
        """Say whether trust passes on: by a trusted seal key to a seal key, by a demanded publish key to its successor."""
        if record.purpose == "seal":
            return any(one.trusted for one in vouching)
        demanded = (one for one in self._known.values() if one.purpose == "publish" and one.trusted)
        return any(one.key in signers for one in demanded)

    def _leave(self, record: Key | ToldKey, known: KnownKey | None, signers: Sequence[VerifyKey]) -> str:
        if known is None or not isinstance(record.to_size, int):
            return ""
        if not signers:
            return f"end of key {known.key} is not endorsed"
        demanded = known.purpose == "publish" and self._outside and known.trusted
        if not demanded or known.key in signers:  # nobody but the key itself takes a demand of a policy back
            self._known[str(known.key)] = known._replace(to_size=min(record.to_size, known.to_size))
        return ""

    def _signers(self, origin: str, record: Key | ToldKey, key: VerifyKey) -> list[VerifyKey]:
        """Return who has endorsed a record: the key itself, and keys known before."""
        text = endorsed_text(origin, record.event, record.purpose, record.key, record.from_size, record.to_size)
        given = {one.key: one.sig for one in record.endorsed}
        asked = dict.fromkeys([key, *(one.key for one in self._known.values())])
        return [one for one in asked if _signed(one, text, given)]


def _signed(key: VerifyKey, text: bytes, given: dict[str, str]) -> bool:
    try:
        signature = parse_base64(given.get(str(key), ""), "signature")
    except EvidenceRefused:
        return False
    return verify_line(key, text, signature)
