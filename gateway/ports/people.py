"""Port of the names of people: the one store that no ledger rebuilds, because it alone can forget (`ledger.md` 1 and 6)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from msgspec import Struct

from gateway.ledger.names import Opening

ERASED: Final = "name erased"


class Person(Struct, frozen=True, kw_only=True):
    """A name of a person or machine account ``P-…``: its commitment (64 hex); ``text`` None: erased. Times: ns since 1970."""

    person: str
    name: str
    text: str | None
    added_ns: int
    erased_ns: int | None = None

    @property
    def shown(self) -> str:
        """What stands where the name would: the name, or that it is erased."""
        return ERASED if self.text is None else self.text


class People(Protocol):
    """Names and their salts beside the ledger, which holds only commitments. All methods block: call them in a thread.

    Durability: what a method returned from survives power loss. ``add`` returns the commitment, so no frame can hold one
    whose row is not on disk already (`ledger.md` 3, step 2). Several processes may use one store; their writes take turns.
    Order: references rise and are never given twice, also not after an erasure. `DiskFull`: nothing was written, the same call may be made
    again. `Unavailable`: the store cannot be read or written now.
    """

    def add(self, text: str, at_ns: int, *, person: str | None = None, above: int = 0) -> Person:
        """Keep a name under a fresh salt and return it with its commitment.

        ``person`` None: of a new account, whose number is above all that were given and above ``above``. Else one more name of
        a known account, which is the newest from then on. Raises `Refused` for an empty name, one over 500 bytes, one with
        control characters, and for an account that is not known or is erased.
        """
        ...

    def openings(self, names: Iterable[str]) -> Sequence[Opening]:
        """Return the openings of these commitments, by commitment; one that is erased or not known is left out."""
        ...

    def find(self, name: str) -> Person | None:
        """Return what stands behind a commitment, also after an erasure; None: no such commitment was made here."""
        ...

    def newest(self, person: str) -> Person | None:
        """Return the newest name of an account, None if it has none."""
        ...

    def all(self) -> Sequence[Person]:
        """Return every name, by account and then as they came."""
        ...

    def last(self) -> int:
        """Return the highest number of an account that was given, 0 if there is none."""
        ...

    def erase(self, person: str, at_ns: int) -> int:
        """Forget all names and salts of an account and return how many; their commitments stay, and open nothing any more.

        Afterwards no byte of name or salt is in the store. 0: there was nothing left to forget. Raises `Refused` for an account
        that is not known.
        """
        ...
