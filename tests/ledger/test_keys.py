"""Keys of a log: entered by endorsement, counting for sizes, retired and revoked, trusted by a policy from outside."""

from __future__ import annotations

from msgspec import UNSET
from msgspec.structs import replace

from gateway.ledger.crypto import seal_key, sealer
from gateway.ledger.keys import KeyRing, endorse, endorsed_text
from gateway.ledger.note import format_vkey, sign_note
from gateway.ledger.policy import make_policy
from gateway.ledger.records import Key, format_record, parse_record
from gateway.ledger.verify import verify_ledger
from tests.ledger.logs import reading, small_log
from tests.ledger.vector_files import ORIGIN, SEAL_KEY, SEAL_SEED, records

NEW_SEED = bytes(range(1, 33))
NEW_KEY = seal_key(ORIGIN, NEW_SEED)


def first_record() -> Key:
    record = parse_record(records()[2])
    assert isinstance(record, Key)
    return record


def introduced(*endorsers: str, from_size: int = 36, event="introduced") -> Key:
    text = endorsed_text(ORIGIN, event, "seal", format_vkey(NEW_KEY), from_size, UNSET)
    signs = {
        "old": lambda: endorse(text, SEAL_KEY, sealer(SEAL_SEED)),
        "new": lambda: endorse(text, NEW_KEY, sealer(NEW_SEED)),
    }
    return replace(
        first_record(),
        event=event,
        key=format_vkey(NEW_KEY),
        from_size=from_size,
        endorsed=[signs[one]() for one in endorsers],
    )


def test_us_01_the_first_key_endorses_itself():
    ring = KeyRing()
    assert ring.counting("seal", 5) == []
    assert ring.learn(ORIGIN, first_record()) == ""
    assert ring.counting("seal", 5) == [SEAL_KEY]
    assert ring.counting("publish", 5) == []
    text = endorsed_text(ORIGIN, "introduced", "seal", format_vkey(SEAL_KEY), 0, UNSET)
    assert first_record().endorsed == [endorse(text, SEAL_KEY, sealer(SEAL_SEED))]
    assert endorsed_text(ORIGIN, "retired", "seal", "k", 0, 7).endswith(b"\nk\n0\n7\n")


def test_us_01_a_later_key_needs_its_own_and_an_elder_endorsement():
    for endorsers, refused in ((("old", "new"), False), (("new",), True), (("old",), True), ((), True)):
        ring = KeyRing()
        ring.learn(ORIGIN, first_record())
        assert bool(ring.learn(ORIGIN, introduced(*endorsers))) is refused
    spoilt = replace(introduced("old", "new"), from_size=35)
    assert "is not endorsed" in ring.learn(ORIGIN, spoilt)
    bad = introduced("new")
    bad = replace(bad, endorsed=[replace(bad.endorsed[0], sig="no base64")])
    assert "is not endorsed" in ring.learn(ORIGIN, bad)


def test_us_01_keys_count_for_sizes():
    ring = KeyRing()
    ring.learn(ORIGIN, first_record())
    ring.learn(ORIGIN, introduced("old", "new"))
    assert ring.counting("seal", 35) == [SEAL_KEY]
    assert ring.counting("seal", 36) == [SEAL_KEY, NEW_KEY]
    assert ring.learn(ORIGIN, replace(first_record(), event="retired", to_size=100)) == ""
    assert ring.learn(ORIGIN, replace(first_record(), event="revoked", to_size=40)) == ""
    assert ring.counting("seal", 40) == [SEAL_KEY, NEW_KEY]
    assert ring.counting("seal", 41) == [NEW_KEY]
    stranger = replace(first_record(), event="revoked", key=format_vkey(seal_key(ORIGIN, bytes(32))), to_size=0)
    assert ring.learn(ORIGIN, stranger) == ""
    assert ring.counting("seal", 40) == [SEAL_KEY, NEW_KEY]


def test_us_01_other_purposes_and_rubbish():
    ring = KeyRing([SEAL_KEY])
    assert ring.learn(ORIGIN, replace(first_record(), purpose="webhook", key="whpk_x")) == ""
    assert "is not name+id+key" in ring.learn(ORIGIN, replace(first_record(), key="rubbish"))
    assert ring.counting("seal", 1) == [SEAL_KEY], "before any key record the policy speaks"
    ring.learn(ORIGIN, first_record())
    ring.learn(ORIGIN, introduced("old", "new"))
    assert ring.counting("seal", 40) == [SEAL_KEY], "a policy from outside trusts what it names"


def test_us_01_rotation_in_the_last_part_of_a_ledger_alone():
    log = small_log()
    head = log.head.copy()
    log.new_file()
    log.commit([reading(31)])
    log.commit([format_record(introduced("old", "new"))])
    log.sealer = lambda text: sign_note(text, [(NEW_KEY, sealer(NEW_SEED))])
    log.commit([reading(32)])
    part = list(log.files.items())[1:]
    policy = make_policy([SEAL_KEY, NEW_KEY], [], [])
    result = verify_ledger(part, policy=policy, start=head, all_seals=True)
    assert result.last_line == "VERIFIED  3 records, 3 heads"


def test_us_01_rotation_in_a_ledger():
    log = small_log()
    log.commit([format_record(introduced("old", "new"))])
    log.sealer = lambda text: sign_note(text, [(NEW_KEY, sealer(NEW_SEED))])
    log.commit([reading(31)])
    assert verify_ledger(log.files.items(), all_seals=True).last_line == "VERIFIED  37 records, 6 heads"
    log.sealer = small_log().sealer
    log.commit([format_record(replace(first_record(), event="revoked", to_size=20))])
    line = f"FAILED at size 38: signature of {SEAL_KEY} does not verify"
    assert verify_ledger(log.files.items()).last_line == line
    stolen = small_log()
    stolen.commit([format_record(introduced("new"))])
    assert verify_ledger(stolen.files.items()).last_line == f"FAILED at record 35: key {NEW_KEY} is not endorsed"
