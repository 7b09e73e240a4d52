"""Key book: the private keys of this run beside what the log says of them; seals frames, signs published heads (`ledger.md` 4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from msgspec import UNSET

from gateway.errors import LedgerDoubt, Unavailable
from gateway.ledger.checkpoint import parse_checkpoint
from gateway.ledger.keys import KnownKey, endorse_all
from gateway.ledger.note import Line, VerifyKey, add_lines, format_vkey, parse_note, sign_note
from gateway.ledger.policy import SIZE_MAX
from gateway.ledger.records import Key
from gateway.pipeline.key_standing import KeyStanding, LogKey
from gateway.ports import Stamp
from gateway.ports.keys import Signer


class KeyBook:
    """Implements `gateway.ports.Sealer`. One for a run; ``standing`` is the fold it shares with the start.

    ``signers``: the private keys that were found, of both purposes. A key that the log does not know signs nothing.
    """

    def __init__(self, origin: str, standing: KeyStanding, signers: Sequence[Signer]) -> None:
        self.standing = standing
        self._origin = origin
        self._signers = {format_vkey(one.key): one for one in signers}
        self._seals: tuple[tuple[VerifyKey, Callable[[bytes], bytes]], ...] = ()
        self.settle()

    @property
    def key(self) -> VerifyKey:
        """The oldest seal key in force: it names the log to others."""
        return self._seals[0][0]

    @property
    def vkey(self) -> str:
        """C2SP verifier key of `key`."""
        return format_vkey(self.key)

    def add(self, signer: Signer) -> None:
        """Take one more private key; it signs once a record has entered it and `settle` was called."""
        self._signers[format_vkey(signer.key)] = signer

    def settle(self) -> None:
        """Take up who seals from now on: every seal key in force, the oldest first."""
        self._seals = tuple((one.key, one.sign) for one in self.signers("seal"))

    def signers(self, purpose: str) -> list[Signer]:
        """Return the private keys of the keys in force."""
        keys = (format_vkey(one.key) for one in self.standing.in_force(purpose))
        return [self._signers[key] for key in keys if key in self._signers]

    def spare(self, signers: Sequence[Signer]) -> Signer | None:
        """Return the first of some private keys that no record has named yet."""
        named = {format_vkey(one.key) for one in self.standing.all()}
        return next((one for one in signers if format_vkey(one.key) not in named), None)

    def absent(self, purpose: str) -> list[LogKey]:
        """Return the keys in force whose private half was not found."""
        return [one for one in self.standing.in_force(purpose) if format_vkey(one.key) not in self._signers]

    def seal(self, text: bytes) -> bytes:
        """Return the whole note: text, empty line, a line of each seal key in force; raise `LedgerDoubt` if one fails."""
        try:
            return sign_note(text, self._seals)
        except (UnsupportedAlgorithm, ValueError) as error:
            raise LedgerDoubt(f"seal key failed: {error}", remedy="check the key, then start again") from error

    def publish(self, note: bytes) -> bytes:
        """Return the note with the line of each publish key that counts for its size; blocking.

        Raises `Unavailable` while a key cannot be reached, `LedgerDoubt` for one that fails.
        """
        text = parse_note(note).text
        counting = (format_vkey(one.key) for one in self.standing.counting("publish", parse_checkpoint(text).size))
        signers = [self._signers[key] for key in counting if key in self._signers]
        return add_lines(note, [Line(one.key.name, one.key.key_id, one.sign(text)) for one in signers])

    def enter(
        self, stamp: Stamp, signer: Signer, purpose: str, from_size: int, replaces: LogKey | None, overlap_s: int
    ) -> Key:
        """Return the record that introduces a key, endorsed by itself, by every seal key and by the key it replaces."""
        known = KnownKey(signer.key, purpose, from_size)
        elders = self.signers("seal") + (self.signers("publish") if purpose == "publish" else [])
        return Key(
            **stamp(),
            event="introduced",
            purpose=_word(purpose),
            key=format_vkey(signer.key),
            from_size=from_size,
            replaces=UNSET if replaces is None else format_vkey(replaces.key),
            endorsed=self._endorsed("introduced", known, [signer, *elders]),
            facts=UNSET if replaces is None else {"overlap_s": overlap_s},
        )

    def end(self, stamp: Stamp, event: str, one: LogKey, to_size: int, facts: dict[str, Any] | None = None) -> Key:
        """Return the record that ends a key, endorsed by every seal key in force and by the key itself if it is at hand."""
        known = KnownKey(one.key, one.purpose, one.from_size, min(to_size, SIZE_MAX))
        return Key(
            **stamp(),
            event=_word(event),
            purpose=_word(one.purpose),
            key=format_vkey(one.key),
            from_size=one.from_size,
            to_size=to_size,
            endorsed=self._endorsed(event, known, self.signers("seal")) + self._own(event, known),
            facts=facts or UNSET,
        )

    def _own(self, event: str, known: KnownKey) -> Any:
        """Return what a key says to its own end; nothing where it is lost or does not answer."""
        own = self._signers.get(format_vkey(known.key))
        if own is None or own in self.signers("seal"):
            return []
        try:
            return self._endorsed(event, known, [own])
        except Unavailable:
            return []

    def _endorsed(self, event: str, known: KnownKey, signers: Sequence[Signer]) -> Any:
        return endorse_all(self._origin, event, known, [(one.key, one.sign) for one in signers])


def _word(word: str) -> Any:
    """Return a word that is one of a record's: the callers here write no other."""
    return word
