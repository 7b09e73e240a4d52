"""A restored names database: whole, and every name opens the commitment that the ledger bears."""

from __future__ import annotations

import os
from pathlib import Path

import apsw
import pytest

from gateway.adapters.people import PeopleFile
from gateway.app.restore import check_names
from gateway.errors import EvidenceRefused, LedgerDoubt, Unavailable


@pytest.fixture
def names(tmp_path: Path) -> Path:
    path = tmp_path / "people.db"
    people = PeopleFile(path, os.urandom)
    for text in ("A. Person", "B. Person", "C. Person"):
        people.add(text, 1)
    people.erase(people.all()[1].person, 2)
    people.close()
    return path


def test_names_that_open_and_those_erased_pass(names):
    check_names(names)


@pytest.mark.parametrize("change", ["text = 'Z. Person'", "salt = zeroblob(32)"])
def test_a_changed_name_is_refused(names, change):
    connection = apsw.Connection(str(names))
    connection.execute(f"UPDATE name SET {change} WHERE id = 1")
    connection.close()
    with pytest.raises(EvidenceRefused, match="1 names do not open their commitments"):
        check_names(names)


def test_a_file_that_is_no_database_is_refused(names):
    names.write_bytes(b"x" * 8192)
    with pytest.raises((LedgerDoubt, Unavailable), match=r"people\.db"):
        check_names(names)
