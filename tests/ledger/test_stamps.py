"""Time stamps of a ledger: counted where they hold, named where file, imprint, signature or authority do not fit."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256

import pytest

from gateway.ledger.authority import Authority
from gateway.ledger.records import Anchor, Key, format_record
from gateway.ledger.timestamp import make_request
from gateway.ledger.verify import LedgerVerifier, scan_file
from tests.counterparts import tsa
from tests.ledger.logs import Log, genesis, reading

HEAD = {"at_ns": 1_792_888_300_000_000_000, "boot_ns": 1, "clock": 1}


@dataclass
class Files:
    """Frozen notes, answers and side objects by name."""

    notes: dict[int, bytes] = field(default_factory=dict)
    tokens: dict[int, bytes] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)

    def note(self, size: int) -> bytes | None:
        return self.notes.get(size)

    def token(self, size: int) -> bytes | None:
        return self.tokens.get(size)

    def blob(self, digest: str) -> bytes | None:
        return self.blobs.get(digest)

    def copy(self) -> Files:
        return Files(dict(self.notes), dict(self.tokens), dict(self.blobs))


@dataclass
class Case:
    """Records 0-4 genesis, 5-14 readings, then key and anchor of size 15, 10 readings, anchor of size 27, 5 readings."""

    made: tsa.Authority
    log: Log
    files: Files

    def verify(self, files: Files | None = None, authority: Authority | None = None):
        verifier = LedgerVerifier(beside=self.files if files is None else files, authority=authority)
        for name, content in self.log.files.items():
            verifier.add(scan_file(name, content))
        return verifier.finish()


def stamped(made: tsa.Authority, *, key: bool = True, **changes) -> Case:
    log = Log([genesis(), [reading(n) for n in range(1, 11)]])
    files = Files()
    pem = made.ca.read_bytes()
    digest = sha256(pem).hexdigest()
    files.blobs[digest] = pem
    ours = Authority(pem)
    for first, last in ((11, 21), (21, 26)):
        size, note = log.head.size, log.notes[-1]
        imprint = sha256(note)
        answer = made.reply(make_request(imprint.digest(), size))
        told = ours.open(answer, imprint.digest(), size)
        files.notes[size], files.tokens[size] = note, answer
        anchor = {
            "event": "timestamped",
            "size": size,
            "root": log.head.root().hex(),
            "note_sha256": imprint.hexdigest(),
            "token_sha256": sha256(answer).hexdigest(),
            "gen_ns": told.gen_ns,
            "accuracy_ns": told.accuracy_ns,
            "serial": str(told.serial),
            "policy": told.policy,
            "url": "https://tsa.example/tsr",
            "facts": {"authority_sha256": digest},
        } | changes
        records = [format_record(Anchor(**HEAD, **anchor))]
        if key and size == 15:
            named = {"purpose": "tsa", "key": ours.keys[0], "from_size": size, "endorsed": []}
            records.insert(0, format_record(Key(**HEAD, event="introduced", **named)))
        log.commit(records)
        log.commit([reading(n) for n in range(first, last)])
    return Case(made, log, files)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tsa.Authority(tmp_path_factory.mktemp("tsa"), curve=True)


@pytest.fixture(scope="module")
def case(made):
    return stamped(made)


def test_di_14_time_stamps_that_hold_are_counted(case):
    result = case.verify()
    assert result.last_line == "VERIFIED  33 records, 3 heads, 2 time stamps"
    assert result.exit_code == 0
    assert case.verify(authority=Authority(case.made.ca.read_bytes())).counts.time_stamps == 2


def test_us_02_revocation_lists_beside_a_stamp_are_there_as_they_were(made):
    lists = b"-----BEGIN X509 CRL-----"
    digest, pem = sha256(lists).hexdigest(), sha256(made.ca.read_bytes()).hexdigest()
    case = stamped(made, facts={"authority_sha256": pem, "crl_sha256": digest})
    assert case.verify().last_line.endswith("lists of the time stamp's authority are missing")
    case.files.blobs[digest] = b"other"
    assert case.verify().last_line.endswith("lists of the time stamp's authority differ from their record")
    case.files.blobs[digest] = lists
    assert case.verify().last_line == "VERIFIED  33 records, 3 heads, 2 time stamps"


def test_without_the_files_beside_time_stamps_are_not_looked_at(case):
    verifier = LedgerVerifier()
    for name, content in case.log.files.items():
        verifier.add(scan_file(name, content))
    assert verifier.finish().last_line == "VERIFIED  33 records, 1 head"


def test_ac_03_a_missing_or_changed_file_is_named(case):
    for change, line in (
        (lambda files: files.tokens.pop(15), "FAILED at size 15: time stamp is missing"),
        (lambda files: files.notes.pop(27), "FAILED at size 27: frozen note is missing"),
        (
            lambda files: files.tokens.update({15: case.files.tokens[27]}),
            "FAILED at size 15: time stamp differs from its record",
        ),
        (
            lambda files: files.notes.update({15: case.files.notes[27]}),
            "FAILED at size 15: frozen note differs from its record",
        ),
        (
            lambda files: files.blobs.clear(),
            "FAILED at size 15: certificates of the time stamp's authority are missing",
        ),
    ):
        files = case.files.copy()
        change(files)
        result = case.verify(files)
        assert (result.last_line, result.exit_code) == (line, 1)


def test_ac_03_no_flipped_bit_of_a_time_stamp_passes(case):
    for at in range(0, len(case.files.tokens[15]) * 8, 997):
        files = case.files.copy()
        mutant = bytearray(files.tokens[15])
        mutant[at // 8] ^= 1 << at % 8
        files.tokens[15] = bytes(mutant)
        assert case.verify(files).last_line == "FAILED at size 15: time stamp differs from its record"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"gen_ns": 1}, "FAILED at size 15: time stamp differs from its record"),
        ({"serial": "999"}, "FAILED at size 15: time stamp differs from its record"),
        ({"root": "00" * 32}, "FAILED at size 15: frozen note is about another tree than its record"),
        ({"facts": {}}, "FAILED at size 15: certificates of the time stamp's authority are missing"),
    ],
)
def test_ac_03_a_record_that_says_something_else_is_named(made, changes, line):
    assert stamped(made, **changes).verify().last_line == line


def test_certificates_that_cannot_be_read_judge_nothing(made):
    case = stamped(made, facts={"authority_sha256": sha256(b"nothing").hexdigest()})
    case.files.blobs[sha256(b"nothing").hexdigest()] = b"nothing"
    line = "FAILED at size 15: certificates of the time stamp's authority cannot be read"
    assert case.verify().last_line == line


def test_ac_03_an_authority_that_no_key_record_names_does_not_count(made):
    line = "FAILED at size 15: no key record names the time stamp's authority"
    assert stamped(made, key=False).verify().last_line == line


def test_ac_03_another_authority_is_refused_though_the_ledger_names_its_own(case, tmp_path):
    other = tsa.Authority(tmp_path, curve=True)
    result = case.verify(authority=Authority(other.ca.read_bytes()))
    assert result.last_line == "FAILED at size 15: time stamp does not verify"


def test_a_token_about_another_note_with_matching_digests_is_refused(made):
    """Whoever rewrites the record too cannot make a token of one note speak for another."""
    good = stamped(made)
    token = good.files.tokens[27]
    forged = stamped(made, token_sha256=sha256(token).hexdigest())
    forged.files.tokens[15] = forged.files.tokens[27] = token
    assert forged.verify().last_line == "FAILED at size 15: time stamp does not verify"
