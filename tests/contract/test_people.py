"""Contract of the port `People`: one suite on the fake and on `people.db`."""

from __future__ import annotations

from hashlib import sha256

import pytest

from gateway.adapters.entropy import os_entropy
from gateway.adapters.people import PeopleFile
from gateway.errors import Refused
from gateway.ledger.names import format_openings, opens
from gateway.ports import ERASED
from tests.fakes.people import MemoryPeople


@pytest.fixture(params=["fake", "real"])
def people(request, tmp_path):
    if request.param == "fake":
        yield MemoryPeople()
        return
    store = PeopleFile(tmp_path / "state" / "people.db", os_entropy)
    yield store
    store.close()


def test_us_05_accounts_are_numbered_and_no_number_comes_twice(people):
    assert people.last() == 0
    first, second = people.add("Åsa Berg", 1), people.add("MES Basel", 2)
    assert [first.person, second.person] == ["P-000001", "P-000002"]
    assert people.add("Jane Doe", 3, above=41).person == "P-000042"
    assert people.erase("P-000042", 4) == 1
    assert people.add("John Roe", 5).person == "P-000043"
    assert people.last() == 43


def test_a_commitment_is_the_hash_of_salt_and_name_and_opens(people):
    person = people.add("A\u030asa Berg", 1)
    assert person.text == "Åsa Berg", "NFC"
    [opening] = people.openings([person.name, "0" * 64])
    assert len(bytes.fromhex(opening.salt)) == 32
    assert sha256(bytes.fromhex(opening.salt) + "Åsa Berg".encode()).hexdigest() == opening.name == person.name
    [line] = format_openings([opening]).splitlines()
    assert opens(line)
    assert not opens(line.replace("Åsa".encode(), "Ása".encode()))


def test_equal_names_have_different_commitments(people):
    assert people.add("Jane Doe", 1).name != people.add("Jane Doe", 2).name


def test_an_account_may_bear_another_name_and_the_old_one_still_opens(people):
    before = people.add("Jane Doe", 1)
    after = people.add("Jane Roe", 2, person=before.person)
    assert after.person == before.person
    assert people.newest(before.person) == after
    assert [one.text for one in people.openings([before.name, after.name])].count("Jane Doe") == 1
    assert [one.text for one in people.all()] == ["Jane Doe", "Jane Roe"]


def test_an_erased_name_opens_nothing_and_its_commitment_is_still_known(people):
    kept, gone = people.add("Åsa Berg", 1), people.add("Jane Doe", 2)
    again = people.add("Jane Roe", 3, person=gone.person)
    assert people.erase(gone.person, 9) == 2
    assert people.openings([kept.name, gone.name, again.name])[0].name == kept.name
    assert len(people.openings([kept.name, gone.name, again.name])) == 1
    found = people.find(gone.name)
    assert (found.text, found.erased_ns, found.shown) == (None, 9, ERASED)
    assert people.find(kept.name).shown == "Åsa Berg"
    assert people.erase(gone.person, 10) == 0
    with pytest.raises(Refused) as refused:
        people.add("Jane Doe", 11, person=gone.person)
    assert refused.value.code == "ACC-010"


def test_what_was_never_made_is_not_found(people):
    assert people.find("0" * 64) is None
    assert people.newest("P-000009") is None
    with pytest.raises(Refused):
        people.erase("P-000009", 1)
    with pytest.raises(Refused):
        people.add("Jane Doe", 1, person="P-000009")


@pytest.mark.parametrize("text", ["", "  ", "a\nb", "\x00", "é" * 251])
def test_what_is_no_name_is_refused(people, text):
    with pytest.raises(Refused) as refused:
        people.add(text, 1)
    assert refused.value.code == "ACC-011"
    assert people.all() == []
