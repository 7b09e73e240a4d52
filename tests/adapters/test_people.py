"""`people.db`: what is erased leaves no byte, what was kept survives a kill, and a damaged file is said to be one."""

from __future__ import annotations

import signal
import subprocess
import sys
from threading import Thread

import apsw
import pytest

from gateway.adapters.entropy import os_entropy
from gateway.adapters.people import PeopleFile
from gateway.errors import DiskFull, Refused, Unavailable
from gateway.ledger.names import commitments_in
from tests.paths import ROOT


@pytest.fixture
def path(tmp_path):
    return tmp_path / "people.db"


@pytest.fixture
def people(path):
    store = PeopleFile(path, os_entropy)
    yield store
    store.close()


def test_an_erased_name_leaves_no_byte_in_the_store(people, path, tmp_path):
    names = [f"Person number {n} of the plant" for n in range(200)]
    added = [people.add(name, n) for n, name in enumerate(names)]
    salts = {one.name: bytes.fromhex(one.salt) for one in people.openings(one.name for one in added)}
    for one in added[50:150]:
        assert people.erase(one.person, 1_000) == 1
    left = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    for number, one in enumerate(added):
        erased = 50 <= number < 150
        assert one.name.encode() in left, "a commitment stays"
        assert (salts[one.name] in left) is not erased
        assert (names[number].encode() in left) is not erased


def test_only_its_owner_reads_it(people, path):
    people.add("Åsa Berg", 1)
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(one.name for one in path.parent.iterdir()) == ["people.db"], "no journal stays behind"


def test_writes_are_synced_before_they_return(people):
    people.add("Åsa Berg", 1)
    connection = people._connection
    assert [connection.execute(f"PRAGMA {name}").get for name in ("synchronous", "secure_delete", "journal_mode")] == [
        3, 1, "delete",
    ]  # fmt: skip


CHILD = """
import os, sys, signal
from pathlib import Path
from gateway.adapters.people import PeopleFile
store = PeopleFile(Path(sys.argv[1]), os.urandom)
for n in range(10):
    print(store.add(f"Person {n}", n).name, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_returned_is_there_after_a_kill(people, path):
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path)], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )
    assert done.returncode == -signal.SIGKILL
    names = done.stdout.split()
    assert len(names) == 10
    assert [one.name for one in people.all()] == names
    assert len(people.openings(names)) == 10


def test_two_processes_give_no_number_twice(people, path):
    other = PeopleFile(path, os_entropy)

    def add(store):
        for n in range(20):
            store.add(f"Person {n}", n)

    threads = [Thread(target=add, args=(store,)) for store in (people, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert len({one.person for one in people.all()}) == 40


def test_a_damaged_file_is_unavailable_with_what_to_do(path):
    path.write_bytes(b"no database at all, but long enough to be looked at as one" * 100)
    with pytest.raises(Unavailable) as refused:
        PeopleFile(path, os_entropy).all()
    assert "restore it from backup" in refused.value.remedy


def test_a_file_of_another_version_is_not_touched(people, path):
    people.add("Åsa Berg", 1)
    people.close()
    with apsw.Connection(str(path)) as connection:
        connection.execute("PRAGMA user_version = 9")
    before = path.read_bytes()
    with pytest.raises(Unavailable, match="another version"):
        PeopleFile(path, os_entropy).all()
    assert path.read_bytes() == before


def fill(people):
    for n in range(200):
        people.add("x" * 400, n)


def test_a_full_disk_writes_nothing_and_may_be_tried_again(people):
    people.add("Åsa Berg", 1)
    connection = people._connection
    pages = connection.execute("PRAGMA page_count").get
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(DiskFull):
        fill(people)
    connection.execute("PRAGMA max_page_count = 1000000")
    before = len(people.all())
    people.add("Jane Doe", 2)
    assert len(people.all()) == before + 1


@pytest.mark.parametrize("person", ["P-", "P-x", "7", "P-٣"])
def test_what_is_no_reference_names_no_account(people, person):
    with pytest.raises(Refused):
        people.erase(person, 1)


def test_commitments_are_found_in_signatures_and_audit_records_alone():
    one, other = "a" * 64, "b" * 64
    signature = b'{"v":1,"kind":"signature","at_ns":1,"person":"P-000001","name":"%s"}' % one.encode()
    audit = b'{"v":1,"kind":"audit","at_ns":1,"facts":{"name":"%s"}}' % other.encode()
    assert commitments_in(signature) == [one]
    assert commitments_in(audit) == [other]
    assert commitments_in(signature.replace(b"signature", b"reading")) == []
