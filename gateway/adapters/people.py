"""`state/people.db` (port `People`): names with their salts, in SQLite that overwrites what it forgets. Mode 0600.

Never rebuilt from the ledger, so it is in every backup. Each write is one transaction with a full sync.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Final, cast

import apsw

from gateway.errors import DiskFull, GatewayError, Refused, Unavailable
from gateway.ledger.names import NAME_BYTES_MAX, SALT_BYTES, Opening, make_opening
from gateway.ports import Person

SCHEMA: Final = 1
BUSY_MS: Final = 30_000
TABLES: Final = """
CREATE TABLE name (
  id INTEGER PRIMARY KEY, number INTEGER NOT NULL, name TEXT NOT NULL UNIQUE, salt BLOB, text TEXT,
  added_ns INTEGER NOT NULL, erased_ns INTEGER
);
CREATE INDEX name_number ON name (number);
"""
SETTINGS: Final = "PRAGMA journal_mode=DELETE; PRAGMA synchronous=EXTRA; PRAGMA secure_delete=ON;"
"""A rollback journal and no WAL: after a commit the database is the only file; what is deleted is overwritten with zeros."""
_COLUMNS: Final = "SELECT number, name, text, added_ns, erased_ns FROM name"


class PeopleFile:
    """One connection, opened at the first question; safe for several threads, which wait for each other."""

    def __init__(self, path: Path, entropy: Callable[[int], bytes]) -> None:
        self._path = path
        self._entropy = entropy
        self._lock = Lock()
        self._connection: Any = None

    def add(self, text: str, at_ns: int, *, person: str | None = None, above: int = 0) -> Person:
        """Keep a name under a fresh salt; durable on return."""
        _demand_name(text)
        opening = make_opening(text, self._entropy(SALT_BYTES))
        with self._writing() as database:
            known = _number(person) if person is not None else None
            if known is not None and not _is_open(database, known):
                raise _unknown(str(person))
            number = known if known is not None else 1 + max(above, _last(database))
            values = (number, opening.name, bytes.fromhex(opening.salt), opening.text, at_ns)
            database.execute("INSERT INTO name (number, name, salt, text, added_ns) VALUES (?, ?, ?, ?, ?)", values)
        return Person(person=_reference(number), name=opening.name, text=opening.text, added_ns=at_ns)

    def openings(self, names: Iterable[str]) -> Sequence[Opening]:
        """Return the openings of commitments; those erased or not known are left out."""
        query = "SELECT name, salt, text FROM name WHERE name = ? AND text IS NOT NULL"
        with self._reading() as database:
            found = [row for name in sorted(set(names)) for row in database.execute(query, (name,))]
        return [Opening(name=name, salt=bytes(salt).hex(), text=text) for name, salt, text in found]

    def find(self, name: str) -> Person | None:
        """Return what stands behind a commitment."""
        return next(iter(self._people(f"{_COLUMNS} WHERE name = ?", (name,))), None)

    def newest(self, person: str) -> Person | None:
        """Return the newest name of an account."""
        query = f"{_COLUMNS} WHERE number = ? ORDER BY id DESC LIMIT 1"
        return next(iter(self._people(query, (_number(person),))), None)

    def all(self) -> Sequence[Person]:
        """Return every name, by account."""
        return self._people(f"{_COLUMNS} ORDER BY number, id", ())

    def last(self) -> int:
        """Return the highest number that was given."""
        with self._reading() as database:
            return _last(database)

    def erase(self, person: str, at_ns: int) -> int:
        """Overwrite all names and salts of an account; durable on return."""
        number = _number(person)
        with self._writing() as database:
            if database.execute("SELECT count(*) FROM name WHERE number = ?", (number,)).get == 0:
                raise _unknown(person)
            forget = "UPDATE name SET salt = NULL, text = NULL, erased_ns = ? WHERE number = ? AND text IS NOT NULL"
            database.execute(forget, (at_ns, number))
            return int(database.changes())

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _people(self, query: str, values: tuple[object, ...]) -> list[Person]:
        with self._reading() as database:
            rows = database.execute(query, values).fetchall()
        return [
            Person(person=_reference(number), name=name, text=text, added_ns=added, erased_ns=erased)
            for number, name, text, added, erased in rows
        ]

    @contextmanager
    def _reading(self) -> Generator[Any]:
        with self._lock:
            try:
                yield self._opened()
            except apsw.Error as error:
                raise _judged(error, self._path) from error

    @contextmanager
    def _writing(self) -> Generator[Any]:
        with self._reading() as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
                database.execute("COMMIT")
            except BaseException:
                if not database.get_autocommit():
                    database.execute("ROLLBACK")
                raise

    def _opened(self) -> Any:
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            connection = cast("Any", apsw.Connection(str(self._path)))
            connection.set_busy_timeout(BUSY_MS)
            connection.execute(
                SETTINGS
            ).fetchall()  # a statement that answers must be read, else those after it never run
            with connection:
                if connection.execute("PRAGMA user_version").get == 0:
                    connection.execute(f"{TABLES} PRAGMA user_version = {SCHEMA};")
            if connection.execute("PRAGMA user_version").get != SCHEMA:
                connection.close()
                raise Unavailable(f"{self._path} is of another version", remedy="use the version that wrote it")
            self._connection = connection
        return self._connection


def _judged(error: apsw.Error, path: Path) -> GatewayError:
    if isinstance(error, apsw.FullError):
        return DiskFull(f"{path}: no space left", remedy="make space and do it again")
    return Unavailable(
        f"{path}: {error}", remedy="if the file is damaged, restore it from backup: no ledger makes it again"
    )


def _is_open(database: Any, number: int) -> bool:
    """Tell whether an account has a name that is not erased."""
    query = "SELECT count(*) FROM name WHERE number = ? AND text IS NOT NULL"
    return int(database.execute(query, (number,)).get) > 0


def _last(database: Any) -> int:
    found = database.execute("SELECT max(number) FROM name").get
    return found if isinstance(found, int) else 0


def _reference(number: int) -> str:
    return f"P-{number:06d}"


def _number(person: str) -> int:
    digits = person.removeprefix("P-")
    if not person.startswith("P-") or not digits.isascii() or not digits.isdecimal():
        raise _unknown(person)
    return int(digits)


def _unknown(person: str) -> Refused:
    return Refused(f"no account {person} with a name here", code="ACC-010", remedy="gateway user list")


def _demand_name(text: str) -> None:
    if not text.strip() or len(text.encode()) > NAME_BYTES_MAX or not text.isprintable():
        raise Refused(
            f"a name has 1 to {NAME_BYTES_MAX} bytes and no control characters",
            code="ACC-011",
            remedy="give the name as it is to be printed",
        )
