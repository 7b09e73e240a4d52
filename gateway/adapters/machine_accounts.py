"""Machine accounts: who may call the API without being a person. Only the SHA-256 of a token is kept.

A scope is an operation id (`interface.md` 4). People, roles and signatures are not kept here: no token ever signs.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from gateway.errors import ConfigurationRefused, Refused
from gateway.ports import People

TOKEN_PREFIX: Final = "gwt_"  # noqa: S105 - what every token begins with, not a token
TOKEN_BYTES: Final = 32
DAY_NS: Final = 86_400_000_000_000
DAYS_MAX: Final = 365
SCOPES: Final = frozenset(
    {
        "batch.create",
        "batch.start",
        "batch.phase",
        "batch.use",
        "batch.hold",
        "batch.resume",
        "batch.end",
        "batch.abort",
        "batch.cancel",
        "batch.read",
        "bundle.export",
        "live.read",
        "health.read",
        "delivery.read",
        "hook.test",
        "hook.replay",
        "backup",
        "ledger.prune",
        "key.rotate",
        "key.revoke",
    },
)
"""Operations a machine account may be given in this version."""


class MachineAccount(Struct, frozen=True, kw_only=True):
    """One account: its reference, SHA-256 of its token in hex, its operations, and when it ends (ns since 1970).

    ``name``: commitment to the name it was given, which `people.db` alone can open; None: it has none.
    """

    person: str
    token_sha256: str
    scopes: list[str]
    created_ns: int
    expires_ns: int
    name: str | None = None


class MachineAccounts:
    """The file `state/machines.json`, 0600; read again when it changes on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._by_hash: dict[str, MachineAccount] = {}

    def all(self) -> list[MachineAccount]:
        """Return the accounts in the order of their references."""
        self._refresh()
        return sorted(self._by_hash.values(), key=lambda account: account.person)

    def find(self, token: str, now_ns: int) -> MachineAccount | None:
        """Return the account of a token that is still valid, None for every other text."""
        if not token.startswith(TOKEN_PREFIX):
            return None
        self._refresh()
        account = self._by_hash.get(sha256(token.encode()).hexdigest())
        return account if account is not None and now_ns < account.expires_ns else None

    def last(self) -> int:
        """Return the highest number of an account, 0 if there is none."""
        return max((int(account.person.removeprefix("P-")) for account in self.all()), default=0)

    def name_of(self, person: str) -> str | None:
        """Return the commitment to an account's name, None if it has none."""
        self._refresh()
        return next((one.name for one in self._by_hash.values() if one.person == person), None)

    def add(
        self,
        scopes: list[str],
        days: int,
        now_ns: int,
        entropy: Callable[[int], bytes],
        names: People | None = None,
        name: str | None = None,
    ) -> tuple[MachineAccount, str]:
        """Create an account; return it with its token, which is shown once and kept nowhere.

        ``names`` counts people and machines together and keeps the name, if one is given.
        """
        unknown = sorted(set(scopes) - SCOPES)
        if unknown or not scopes:
            raise Refused(
                f"scope {', '.join(unknown) or 'missing'}: not an operation a machine account may have",
                code="ACC-002",
                remedy=f"choose from {', '.join(sorted(SCOPES))}",
            )
        if not 1 <= days <= DAYS_MAX:
            raise Refused(f"{days} days: a token lives 1 to {DAYS_MAX} days", code="ACC-002", remedy="give --days")
        accounts = self.all()
        assert name is None or names is not None, "a name is kept by somebody"
        kept = None if name is None or names is None else names.add(name, now_ns, above=self.last())
        number = 1 + max(self.last(), 0 if names is None else names.last())
        person = f"P-{number:06d}" if kept is None else kept.person
        token = TOKEN_PREFIX + entropy(TOKEN_BYTES).hex()
        account = MachineAccount(
            person=person,
            token_sha256=sha256(token.encode()).hexdigest(),
            scopes=sorted(set(scopes)),
            created_ns=now_ns,
            expires_ns=now_ns + days * DAY_NS,
            name=None if kept is None else kept.name,
        )
        self._write([*accounts, account])
        return account, token

    def _refresh(self) -> None:
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            self._seen, self._by_hash = None, {}
            return
        seen = (stat.st_mtime_ns, stat.st_size)
        if seen == self._seen:
            return
        try:
            accounts = msgspec.json.decode(self._path.read_bytes(), type=list[MachineAccount])
        except msgspec.MsgspecError as error:
            raise ConfigurationRefused(
                f"{self._path}: {error}",
                remedy="restore this file from backup, or remove it and add the accounts again",
            ) from error
        self._seen, self._by_hash = seen, {account.token_sha256: account for account in accounts}

    def _write(self, accounts: list[MachineAccount]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(accounts)))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._seen = None
