"""Keys of a log: entered by endorsement, counting for sizes, retired and revoked, trusted by a policy from outside."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import UNSET
from msgspec.structs import replace

from gateway.ledger.crypto import seal_key, sealer
from gateway.ledger.keys import KeyRing, KnownKey, endorse, endorse_all, endorsed_text, parse_told
from gateway.ledger.note import ECDSA_P256, VerifyKey, format_vkey, sign_note
from gateway.ledger.policy import SIZE_MAX, Policy, Span, make_policy
from gateway.ledger.records import Key, format_record, parse_record
from gateway.ledger.verify import verify_ledger
from tests.ledger.logs import reading, small_log
from tests.ledger.vector_files import ORIGIN, SEAL_KEY, SEAL_SEED, records, seal

NEW_SEED = bytes(range(1, 33))
NEW_KEY = seal_key(ORIGIN, NEW_SEED)
STRANGER = seal_key(ORIGIN, bytes(32))


def p256(number: int):
    """A publish key and what signs with it."""
    private = ec.derive_private_key(number, ec.SECP256R1())
    spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return VerifyKey(ORIGIN, ECDSA_P256, spki), lambda text: private.sign(text, ec.ECDSA(SHA256()))


PUBLISH, SIGN_PUBLISH = p256(7)
NEXT, SIGN_NEXT = p256(8)
SIGNS = {
    "old": (SEAL_KEY, sealer(SEAL_SEED)),
    "new": (NEW_KEY, sealer(NEW_SEED)),
    "stranger": (STRANGER, sealer(bytes(32))),
    "publish": (PUBLISH, SIGN_PUBLISH),
    "next": (NEXT, SIGN_NEXT),
}
ALL = KnownKey(SEAL_KEY, "seal", 0)


def key_record(key: VerifyKey, *endorsers: str, event="introduced", from_size=36, to_size=SIZE_MAX, purpose="seal"):
    """A key record with the endorsements named."""
    known = KnownKey(key, purpose, from_size, to_size)
    return Key(
        at_ns=1,
        boot_ns=1,
        clock=1,
        event=event,
        purpose=purpose,
        key=format_vkey(key),
        from_size=from_size,
        to_size=UNSET if to_size == SIZE_MAX else to_size,
        endorsed=endorse_all(ORIGIN, event, known, [SIGNS[one] for one in endorsers]),
    )


def first_record() -> Key:
    record = parse_record(records()[2])
    assert isinstance(record, Key)
    return record


def introduced(*endorsers: str, from_size: int = 36, event="introduced") -> Key:
    return key_record(NEW_KEY, *endorsers, event=event, from_size=from_size)


def ended(key: VerifyKey, to_size: int, *endorsers: str, event="revoked", purpose="seal") -> Key:
    return key_record(key, *endorsers, event=event, from_size=0, to_size=to_size, purpose=purpose)


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
    assert ring.learn(ORIGIN, ended(SEAL_KEY, 100, "new", event="retired")) == ""
    assert ring.learn(ORIGIN, ended(SEAL_KEY, 40, "new")) == ""
    assert ring.counting("seal", 40) == [SEAL_KEY, NEW_KEY]
    assert ring.counting("seal", 41) == [NEW_KEY]
    assert ring.ended_before(40) == []
    assert ring.ended_before(41) == [SEAL_KEY]
    assert ring.end_of(SEAL_KEY) == 40
    assert ring.learn(ORIGIN, ended(SEAL_KEY, 90, "new")) == "", "an end is never put off"
    assert ring.end_of(SEAL_KEY) == 40
    assert ring.learn(ORIGIN, ended(STRANGER, 0, "new")) == ""
    assert ring.counting("seal", 40) == [SEAL_KEY, NEW_KEY]


def test_us_01_the_end_of_a_key_is_endorsed_and_an_ended_key_vouches_for_nobody():
    ring = KeyRing()
    ring.learn(ORIGIN, first_record())
    ring.learn(ORIGIN, introduced("old", "new"))
    assert ring.learn(ORIGIN, ended(SEAL_KEY, 40)) == f"end of key {SEAL_KEY} is not endorsed"
    assert ring.learn(ORIGIN, replace(ended(SEAL_KEY, 40, "new"), to_size=UNSET)) == "", "no end, nothing ends"
    assert ring.end_of(SEAL_KEY) == SIZE_MAX
    ring.learn(ORIGIN, ended(SEAL_KEY, 40, "new"))
    late = key_record(STRANGER, "stranger", "old", from_size=41)
    assert "is not endorsed" in ring.learn(ORIGIN, late)
    assert ring.learn(ORIGIN, key_record(STRANGER, "stranger", "new", from_size=41)) == ""


def test_us_01_a_key_is_of_the_type_of_its_purpose():
    ring = KeyRing()
    ring.learn(ORIGIN, first_record())
    assert "of type 02 is no seal key" in ring.learn(ORIGIN, key_record(PUBLISH, "publish", "old"))
    assert "of type 01 is no publish key" in ring.learn(ORIGIN, key_record(NEW_KEY, "new", "old", purpose="publish"))
    assert ring.learn(ORIGIN, key_record(PUBLISH, "publish", "old", purpose="publish")) == ""
    assert ring.counting("publish", 36) == [PUBLISH]
    assert ring.counting("publish", 35) == []


def test_us_01_other_purposes_and_rubbish():
    ring = KeyRing(Policy(logs=(SEAL_KEY,)))
    assert ring.learn(ORIGIN, replace(first_record(), purpose="webhook", key="whpk_x")) == ""
    assert "is not name+id+key" in ring.learn(ORIGIN, replace(first_record(), key="rubbish"))
    assert ring.counting("seal", 1) == [SEAL_KEY], "before any key record the policy speaks"


def test_us_01_trust_from_outside_passes_to_the_key_that_a_trusted_one_vouched_for():
    ring = KeyRing(Policy(logs=(SEAL_KEY,)))
    ring.learn(ORIGIN, first_record())
    ring.learn(ORIGIN, introduced("old", "new"))
    assert ring.counting("seal", 40) == [SEAL_KEY, NEW_KEY]
    foreign = KeyRing(Policy(logs=(STRANGER,)))
    assert foreign.learn(ORIGIN, first_record()) == ""
    assert foreign.learn(ORIGIN, introduced("old", "new")) == ""
    assert foreign.counting("seal", 40) == [STRANGER], "what strangers vouch for is told, not trusted"
    later = KeyRing(Policy(logs=(NEW_KEY,)))
    later.learn(ORIGIN, first_record())
    later.learn(ORIGIN, introduced("old", "new"))
    assert later.counting("seal", 40) == [NEW_KEY]
    assert later.counting("seal", 35) == [], "the record says since when"


def test_ac_03_a_demanded_publish_key_ends_by_its_own_word_alone():
    def ring() -> KeyRing:
        made = KeyRing(Policy(logs=(SEAL_KEY,), publish=(PUBLISH,)))
        made.learn(ORIGIN, first_record())
        assert made.learn(ORIGIN, key_record(PUBLISH, "publish", "old", from_size=5, purpose="publish")) == ""
        return made

    assert ring().counting("publish", 4) == []
    one = ring()
    assert one.learn(ORIGIN, ended(PUBLISH, 50, "old", event="retired", purpose="publish")) == ""
    assert one.counting("publish", 51) == [PUBLISH], "the thief of the seal key cannot take the demand away"
    assert one.learn(ORIGIN, ended(PUBLISH, 50, "publish", "old", event="retired", purpose="publish")) == ""
    assert one.counting("publish", 51) == []
    heir = ring()
    assert heir.learn(ORIGIN, key_record(NEXT, "next", "old", purpose="publish")) == ""
    assert heir.counting("publish", 40) == [PUBLISH], "a stranger to the policy is not demanded"
    assert heir.learn(ORIGIN, key_record(NEXT, "next", "old", "publish", purpose="publish")) == ""
    assert heir.counting("publish", 40) == [PUBLISH, NEXT]
    believed = KeyRing()
    believed.learn(ORIGIN, first_record())
    believed.learn(ORIGIN, key_record(PUBLISH, "publish", "old", purpose="publish"))
    believed.learn(ORIGIN, ended(PUBLISH, 50, "old", event="revoked", purpose="publish"))
    assert believed.counting("publish", 51) == []


def test_us_01_a_policy_says_for_which_sizes_a_former_key_counts():
    policy = Policy(
        logs=(NEW_KEY,), publish=(PUBLISH,), former=(SEAL_KEY,), spans=((SEAL_KEY, Span(0, 40)), (PUBLISH, Span(9, 70)))
    )
    ring = KeyRing(policy)
    assert ring.counting("seal", 40) == [NEW_KEY, SEAL_KEY]
    assert ring.counting("seal", 41) == [NEW_KEY]
    assert [ring.counting("publish", size) for size in (8, 9, 70, 71)] == [[], [PUBLISH], [PUBLISH], []]


def test_what_a_key_record_tells_is_read_in_one_way():
    told = parse_told(format_record(introduced("old", "new")))
    assert told is not None
    assert (told.event, told.purpose, told.from_size, told.to_size) == ("introduced", "seal", 36, UNSET)
    good = format_record(ended(SEAL_KEY, 40, "new"))
    assert parse_told(good) is not None
    for change in (
        (b'"to_size":40', b'"to_size":null'),
        (b'"to_size":40', b'"to_size":9223372036854775808'),
        (b'"from_size":0', b'"from_size":-1'),
        (b'"event":"revoked"', b'"event":"lost"'),
        (b'"purpose":"seal"', b'"purpose":1'),
        (b'"endorsed":[', b'"endorsed":[1,'),
    ):
        assert change[0] in good
        assert parse_told(good.replace(*change)) is None


def test_us_01_rotation_in_the_last_part_of_a_ledger_alone():
    log = small_log()
    head = log.head.copy()
    log.new_file()
    log.commit([reading(31)])
    log.commit([format_record(introduced("old", "new"))])
    log.sealer = lambda text: sign_note(text, [(NEW_KEY, sealer(NEW_SEED))])
    log.commit([reading(32)])
    part = list(log.files.items())[1:]
    for logs in ([SEAL_KEY, NEW_KEY], [SEAL_KEY]):
        policy = make_policy(logs, [], [])
        result = verify_ledger(part, policy=policy, start=head, all_seals=True)
        assert result.last_line == "VERIFIED  3 records, 3 heads"


def test_us_01_rotation_in_a_ledger():
    log = small_log()
    log.commit([format_record(introduced("old", "new"))])
    log.sealer = lambda text: sign_note(text, [(NEW_KEY, sealer(NEW_SEED))])
    log.commit([reading(31)])
    assert verify_ledger(log.files.items(), all_seals=True).last_line == "VERIFIED  37 records, 6 heads"
    log.sealer = seal
    log.commit([format_record(ended(SEAL_KEY, 20, "new"))])
    line = f"FAILED at size 38: signature of {SEAL_KEY} does not verify"
    assert verify_ledger(log.files.items()).last_line == line
    stolen = small_log()
    stolen.commit([format_record(introduced("new"))])
    assert verify_ledger(stolen.files.items()).last_line == f"FAILED at record 35: key {NEW_KEY} is not endorsed"


@pytest.mark.parametrize("other_file", [False, True])
def test_us_01_what_a_revoked_key_sealed_alone_is_covered_by_the_next_head_of_another(other_file):
    log = small_log()
    log.commit([format_record(introduced("old", "new"))])
    both = lambda text: sign_note(text, [SIGNS["old"], SIGNS["new"]])  # noqa: E731
    log.sealer = both
    log.commit([reading(31)])
    if other_file:
        log.new_file()
    log.sealer = lambda text: sign_note(text, [SIGNS["new"]])
    log.commit([format_record(ended(SEAL_KEY, 20, "new"))])
    result = verify_ledger(log.files.items(), all_seals=True)
    assert result.exit_code == 0, result.lines()
    note = f"note: 3 heads at sizes 25..36 only by {SEAL_KEY} after its end; the one at 38 holds what they hold"
    assert result.lines() == [note, "VERIFIED  38 records, 4 heads"]
    uncovered = small_log()
    uncovered.commit([format_record(introduced("old", "new"))])
    uncovered.sealer = lambda text: sign_note(text, [SIGNS["new"]])
    uncovered.commit([format_record(ended(SEAL_KEY, 35, "new"))])
    assert (
        verify_ledger(uncovered.files.items(), all_seals=True).lines()[0].startswith("note: 1 head at size 36 only by")
    )


def test_ac_03_the_published_note_of_a_ledger_bears_the_line_of_its_publish_key():
    log = small_log()
    log.commit([format_record(key_record(PUBLISH, "publish", "old", purpose="publish"))])
    bare = log.notes[-1]
    text = bare.split(b"\n\n")[0] + b"\n"
    whole = sign_note(text, [SIGNS["old"], SIGNS["publish"]])
    policy = make_policy([SEAL_KEY], [PUBLISH], [])
    for trusted in (None, policy):
        assert verify_ledger(log.files.items(), published=whole, policy=trusted).exit_code == 0
        line = f"FAILED at size 36: signature of {PUBLISH} does not verify"
        assert verify_ledger(log.files.items(), published=bare, policy=trusted).last_line == line
    end = whole.rindex(b" ") + 1
    signature = bytearray(base64.b64decode(whole[end:]))
    signature[-1] ^= 1
    bent = whole[:end] + base64.b64encode(signature) + b"\n"
    assert verify_ledger(log.files.items(), published=bent).last_line == line
