"""Damage of ledger files: each kind is named with its record and exact line, in open and in sealed files."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from gateway.ledger.crypto import cosigner
from gateway.ledger.frame import format_frame, frame_entries, parse_frame
from gateway.ledger.note import sign_note
from gateway.ledger.policy import Witness, make_policy, parse_policy
from gateway.ledger.verify import verify_ledger
from tests.ledger.damage import edit_value, flip, forged, replace_frame, rewrite, strip_log
from tests.ledger.logs import Log, reading, small_log
from tests.ledger.vector_files import SEAL_KEY, WITNESS_KEY, WITNESS_SEED, vector

POLICY = make_policy([SEAL_KEY], [], [Witness("hq", WITNESS_KEY)])
PLAIN = make_policy([SEAL_KEY], [], [])
LATER = 5 + 5
"""Record of reading n 6: inside the second frame (records 5..14)."""
TIME_6 = "2026-10-25T00:30:11.250Z FRZ-01/temp"


def cosigned(note: bytes, seconds: int = 1_792_889_410) -> bytes:
    text = note[: note.rindex(b"\n\n") + 1]
    return note + sign_note(text, [(WITNESS_KEY, cosigner(WITNESS_SEED, seconds))])[len(text) + 1 :]


def verified(log: Log, *, published: bool = True, policy=PLAIN, **options):
    note = log.notes[-1] if published else None
    return verify_ledger(log.files.items(), published=note, policy=policy, **options)


@pytest.mark.parametrize("file", ["00000000000000000000.seg", "stripped.seg"])
def test_us_01_the_worked_example_verifies(file):
    files = [("00000000000000000000.seg", vector(file))]
    policy = parse_policy(vector("policy").decode())
    result = verify_ledger(files, published=vector("checkpoint"), policy=policy, all_seals=True)
    assert result.lines() == ["VERIFIED  18 records, 2 heads, 1 witness"]
    assert (result.exit_code, result.size) == (0, 18)
    assert result.root.hex() == "d1d14d68e3bd5206930aeeaf6b584bf771bcf2b3174de259bfa1e655540c3a35"


@pytest.mark.parametrize("form", [small_log, lambda: strip_log(small_log())])
def test_us_01_a_clean_log_verifies_in_both_forms(form):
    seen: list[int] = []
    result = verified(form(), all_seals=True, progress=seen.append)
    assert result.lines() == ["VERIFIED  35 records, 4 heads"]
    assert seen == [35]
    assert json.loads(result.to_json()) == {
        "format": "verify/1",
        "result": "verified",
        "counts": {"records": 35, "heads": 4, "witnesses": 0, "time_stamps": 0},
        "bracket": None,
        "findings": [],
    }


def test_without_note_and_policy_a_log_is_consistent_with_itself():
    assert verify_ledger(small_log().files.items()).last_line == "VERIFIED  35 records, 1 head"
    assert verify_ledger([]).last_line == "VERIFIED  0 records"


def altered_in_place(items):
    return [edit_value(item, b'"value":6.5', b'"value":9.5') if b'"n":6,' in item else item for item in items]


def drop(first: int, stop: int) -> Callable:
    return lambda items: items[:first] + items[stop:]


def swap(one: int, other: int) -> Callable:
    def change(items):
        items = list(items)
        items[one], items[other] = items[other], items[one]
        return items

    return change


def insert(at: int) -> Callable:
    return lambda items: [*items[:at], bytes(16) + reading(6), *items[at:]]


def keep(prefixes):
    return prefixes


DAMAGE = {
    "altered": (
        lambda log: rewrite(log, 1, altered_in_place),
        f"FAILED at record 10 ({TIME_6}): content hash differs",
        "altered",
    ),
    "altered, 4-byte hashes forged too": (
        lambda log: rewrite(
            log,
            1,
            altered_in_place,
            prefixes=lambda kept: [*kept[:5], forged(altered_in_place(entries(log, 1)))[5], *kept[6:]],
        ),
        "FAILED in records 5..14: content hash differs",
        "altered",
    ),
    "missing": (
        lambda log: rewrite(log, 1, drop(5, 8), prefixes=drop(5, 8)),
        "FAILED at record 10: 3 records missing",
        "missing",
    ),
    "missing at the end of a frame": (
        lambda log: rewrite(log, 1, drop(9, 10), prefixes=drop(9, 10)),
        "FAILED at record 14: 1 record missing",
        "missing",
    ),
    "inserted": (
        lambda log: rewrite(log, 1, insert(5), prefixes=lambda kept: [*kept[:5], b"\0\0\0\0", *kept[5:]]),
        "FAILED at record 10: record was never sealed",
        "inserted",
    ),
    "reordered": (
        lambda log: rewrite(log, 1, swap(5, 7), prefixes=swap(5, 7)),
        "FAILED at record 10: out of order, belongs at 12",
        "reordered",
    ),
    "reordered, hashes left": (
        lambda log: rewrite(log, 1, swap(5, 7)),
        "FAILED at record 10: out of order, belongs at 12",
        "reordered",
    ),
}


def entries(log: Log, number: int) -> list[bytes]:
    name, offset, _ = log.frames[number]
    return frame_entries(parse_frame(log.files[name], offset))


@pytest.mark.parametrize("kind", DAMAGE)
def test_us_01_each_damage_of_an_open_file_has_its_exact_line(kind):
    damage, line, class_ = DAMAGE[kind]
    log = small_log()
    damage(log)
    result = verified(log)
    assert result.last_line == line
    assert (result.failures[0].class_, result.exit_code) == (class_, 1)
    assert result.failures[0].file == "00000000000000000000.seg"


STRIPPED = {
    "altered": DAMAGE["altered"],
    "missing": DAMAGE["missing"],
    "reordered": DAMAGE["reordered"],
    "inserted": (
        lambda log: rewrite(
            log, 1, lambda items: [*items[:5], reading(6), *items[5:]], prefixes=lambda k: [*k[:5], bytes(4), *k[5:]]
        ),
        "FAILED at record 10: record was never sealed",
        "inserted",
    ),
}


@pytest.mark.parametrize("kind", STRIPPED)
def test_us_01_each_damage_of_a_sealed_file_has_its_exact_line(kind):
    damage, line, class_ = STRIPPED[kind]
    log = strip_log(small_log())
    damage(log)
    result = verified(log)
    assert result.last_line == line
    assert (result.failures[0].class_, result.exit_code) == (class_, 1)


def test_us_01_flipped_bit_is_named():
    log = small_log()
    name, offset, _ = log.frames[1]
    at = log.files[name].index(b'"value":6.5', offset) + 8
    log.files[name] = flip(log.files[name], at)
    assert verified(log).last_line == f"FAILED at record 10 ({TIME_6}): content hash differs"


def test_us_01_flipped_bit_in_the_last_frame_is_named_when_it_was_published():
    log = small_log()
    name, offset, _ = log.frames[3]
    at = log.files[name].index(b'"value":26.5', offset) + 8
    log.files[name] = flip(log.files[name], at)
    line = "FAILED at record 30 (2026-10-25T00:30:31.250Z FRZ-01/temp): content hash differs"
    assert verified(log).last_line == line
    tail = verified(log, published=False)
    assert tail.lines()[0].startswith("note: torn tail of ")
    assert tail.last_line == "VERIFIED  25 records, 1 head"


def test_us_01_deleted_frame():
    log = small_log()
    name, offset, length = log.frames[1]
    content = log.files[name]
    log.files[name] = content[:offset] + content[offset + length :]
    assert verified(log).last_line == "FAILED at record 5: 10 records missing"


def test_us_01_frame_written_twice_and_frames_exchanged():
    log = small_log()
    name, offset, length = log.frames[1]
    content = log.files[name]
    twice = content[: offset + length] + content[offset:]
    assert verify_ledger([(name, twice)]).last_line == "FAILED at record 5: record was never sealed"
    _, second, size = log.frames[2]
    exchanged = (
        content[:offset]
        + content[second : second + size]
        + content[offset : offset + length]
        + content[second + size :]
    )
    assert verify_ledger([(name, exchanged)]).last_line == "FAILED at record 5: out of order, belongs at 15"


def test_us_01_cut_tail_of_a_published_log():
    log = small_log()
    name, offset, _ = log.frames[3]
    log.files[name] = log.files[name][:offset]
    result = verified(log)
    assert result.last_line == "FAILED at record 25: ledger ends here, 35 were published"
    assert result.failures[0].class_ == "truncated"
    assert (result.failures[0].first, result.failures[0].size) == (25, 35)
    assert verified(log, published=False).exit_code == 0


def test_us_01_torn_tail_of_a_published_log():
    log = small_log()
    name, offset, _ = log.frames[3]
    log.files[name] = log.files[name][: offset + 100]
    result = verified(log)
    assert result.lines() == [
        "note: torn tail of 100 bytes after record 24, never acknowledged",
        "FAILED at record 25: ledger ends here, 35 were published",
    ]


@pytest.mark.parametrize("length", [b"\xff\xff", b"\x00\x10"])
def test_us_01_damaged_length_names_the_first_record_it_spoils(length):
    log = small_log()
    name, offset, _ = log.frames[1]
    sizes = [len(entry) for entry in entries(log, 1)]
    at = offset + 64 + sum(sizes[:5]) + 2 * 5
    content = log.files[name]
    spoilt = content[:at] + length + content[at + 2 :]
    result = verify_ledger([(name, spoilt)])
    assert result.exit_code == 1
    if length == b"\x00\x10":
        assert result.last_line == "FAILED at record 10: content hash differs"
    else:
        assert result.last_line == "FAILED in records 5..14: content hash differs"


def test_us_01_entry_whose_salt_is_gone():
    log = small_log()
    rewrite(log, 1, lambda items: [*items[:5], b"short", *items[6:]])
    assert verified(log).last_line == "FAILED at record 10: content hash differs"


def test_us_01_body_that_holds_more_or_less_than_it_says():
    for change, line in (
        (drop(5, 8), "FAILED at record 10: 3 records missing"),
        (insert(5), "FAILED at record 10: record was never sealed"),
    ):
        log = small_log()
        rewrite(log, 1, change)
        assert verified(log).last_line == line


def test_us_01_record_written_twice_in_a_frame():
    log = small_log()
    rewrite(log, 1, lambda items: [*items[:6], items[2], *items[6:]], prefixes=lambda k: [*k[:6], k[2], *k[6:]])
    assert verified(log).last_line == "FAILED at record 11: record was never sealed"


def test_us_01_frame_header_that_is_gone():
    log = small_log()
    name, offset, _ = log.frames[1]
    log.files[name] = flip(log.files[name], offset)
    assert verified(log).last_line == "FAILED in records 5..14: cannot be read, no frame begins here"


def test_us_01_last_frame_cut_short_by_the_next_file():
    log = small_log()
    name, offset, _ = log.frames[3]
    log.new_file()
    log.commit([reading(31)])
    log.files[name] = log.files[name][: offset + 300]
    assert verified(log).exit_code == 1
    assert verified(log).failures[0].first == 25


def test_us_01_seed_that_was_changed_spoils_every_salt():
    log = small_log()
    name, offset, _ = log.frames[1]
    frame = parse_frame(log.files[name], offset)
    leaves = log.plans[1].frames[0].leaf_hashes
    replace_frame(log, 1, format_frame(5, bytes(32), frame.body, leaves, frame.checkpoint))
    assert verified(log).last_line == "FAILED in records 5..14: frame is damaged, its records are whole"
