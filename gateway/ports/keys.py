"""Ports of the machine's keys: one key that signs, and the place where the keys of one purpose lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gateway.ledger.note import VerifyKey


class Signer(Protocol):
    """One private key of the machine, wherever it lies. Blocking; several threads may call, one is served at a time."""

    @property
    def key(self) -> VerifyKey:
        """Its public half; it bears the origin as its name."""
        ...

    def sign(self, text: bytes) -> bytes:
        """Return the signature bytes of a note line over ``text``.

        Raises `Unavailable` when the key cannot be reached now (the same call may be made again), `LedgerDoubt` when what
        it gives does not hold under its public half: then it must not be asked again.
        """
        ...


class KeyPlace(Protocol):
    """Where the keys of one purpose lie: a file, or a token that never gives them away. Blocking."""

    @property
    def where(self) -> str:
        """The place as people name it."""
        ...

    def signers(self) -> Sequence[Signer]:
        """Return every key that lies there, the oldest first where the place knows.

        None where there is no key yet. Raises `ConfigurationRefused` when the place cannot be opened or holds something
        else.
        """
        ...

    def create(self) -> Signer:
        """Make one more key there, beside those that are there, durably; on a token it can never be exported.

        Raises `ConfigurationRefused` when the place takes none, `Unavailable` when it does not answer.
        """
        ...
