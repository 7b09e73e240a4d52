"""Bundles: built, verified by the one verifier and by the stand-alone verify.py, damaged, and judged alike by both."""

from __future__ import annotations

import importlib.util
import json
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.errors import EvidenceRefused
from gateway.ledger.bundle import BundleRequest, Subject, build_bundle, sample_indexes
from gateway.ledger.crypto import ed25519_public, seal_key, sealer
from gateway.ledger.disclosed import Disclosed, format_disclosed, parse_disclosed, render_readings
from gateway.ledger.merkle import hash_leaf
from gateway.ledger.note import ECDSA_P256, VerifyKey, sign_note
from gateway.ledger.policy import Witness, format_policy, make_policy, parse_policy
from gateway.ledger.proof import LeafReader
from gateway.ledger.tile import split_hashes
from gateway.ledger.verify import verify_bundle
from gateway.ledger.verify.bundle import blob_name
from tests.ledger.damage import edit_value
from tests.ledger.logs import Log, genesis, reading
from tests.ledger.test_damage import POLICY, cosigned, entries
from tests.ledger.vector_files import ORIGIN, SEAL_KEY, WITNESS_KEY, vector

SCRIPT = Path(__file__).parents[2] / "gateway/ledger/standalone/verify.py"
SPEC = importlib.util.spec_from_file_location("standalone_verify", SCRIPT)
assert SPEC is not None
assert SPEC.loader is not None
standalone = importlib.util.module_from_spec(SPEC)
sys.modules["standalone_verify"] = standalone
SPEC.loader.exec_module(standalone)

OTHER = "FRZ-02/temp"
OWN = "note: keys are the bundle's own: consistent with itself"


def mixed_log() -> Log:
    """Two signals take turns: records 5.. are readings of FRZ-01 and FRZ-02; then one batch record."""
    pool = [reading(n, signal) for n in range(1, 21) for signal in ("FRZ-01/temp", OTHER)]
    batch = b'{"v":1,"kind":"batch","at_ns":1792888212000000000,"boot_ns":1,"clock":1,"event":"start","batch":"B-123","revision":1}'
    return Log([genesis(), pool[:20], pool[20:], [batch]])


def make_bundle(**changes) -> dict[str, bytes]:
    """The readings of FRZ-01 and the batch record; FRZ-02 is another client's, and 4..6 of FRZ-01 are too."""
    log = mixed_log()
    every = [entry for number in range(len(log.frames)) for entry in entries(log, number)]
    shown = [i for i in range(5, 45, 2) if not 4 <= (i - 3) // 2 <= 6]
    leaves = [leaf for plan in log.plans for frame in plan.frames for leaf in frame.leaf_hashes]
    request = {
        "subject": Subject(kind="batch", id="B-123"),
        "scope": "client C7F2",
        "made_ns": 1,
        "entries": [(i, every[i]) for i in [*shown, 45]],
        "note": cosigned(log.notes[-1]),
        "policy": POLICY,
        "withheld": {"FRZ-01/temp": [(4, 6)]},
        "seal": 45,
        "extra": {"verify.py": SCRIPT.read_bytes()},
    }
    return build_bundle(BundleRequest(**(request | changes)), LeafReader(leaves))


BUNDLE = make_bundle()
GOOD = "VERIFIED  18 records, 1 head, 1 witness, batch B-123"


def both(members: dict[str, bytes], policy=None):
    """The result of the one verifier, once the stand-alone one has said the same lines."""
    ours = verify_bundle(members, policy=policy)
    outside = None
    if policy is not None:
        outside = standalone.read_policy(format_policy(policy).encode())
    theirs = standalone.Verifier(members, outside)
    theirs.run()
    assert theirs.lines() == ours.lines()
    assert json.loads(theirs.as_json())["result"] == ours.result
    return ours


def test_us_01_a_clean_bundle_verifies_by_both():
    result = both(BUNDLE, POLICY)
    assert result.lines() == [GOOD]
    assert (result.exit_code, result.size) == (0, 46)
    assert both(BUNDLE).lines() == [OWN, GOOD]


def test_us_03_what_a_bundle_holds():
    manifest = json.loads(BUNDLE["manifest.json"])
    assert manifest["format"] == "gateway-bundle/1"
    assert manifest["signals"] == [{"signal": "FRZ-01/temp", "n_first": 1, "n_last": 20, "withheld": [[4, 6]]}]
    assert set(manifest["files"]) == set(BUNDLE) - {"manifest.json"}
    assert (manifest["count"], manifest["size"], manifest["seal"]) == (18, 46, 45)
    rows = BUNDLE["readings.csv"].decode().splitlines()
    assert rows[1] == "5,FRZ-01/temp,1,1792888206000000000,1792888206250000000,1.5,good,,0,live"
    assert json.loads(BUNDLE["batch.json"])["records"][0]["index"] == 45
    samples = {int(name.split("/")[1].split(".")[0]) for name in BUNDLE if name.startswith("samples/")}
    assert {5, 43, 45} <= samples
    assert 10 <= len(samples) <= 13
    assert b"python3 verify.py" in BUNDLE["README.txt"]


def test_us_01_worked_example_discloses_5_6_9():
    every = standalone.read_entries(vector("entries-5-6-9.bin"))[0]
    assert [one.place for one in every] == [5, 6, 9]
    pairs = [(one.place, one.entry) for one in every]
    assert format_disclosed(pairs) == vector("entries-5-6-9.bin")
    request = BundleRequest(
        subject=Subject(kind="range", id="5..9"),
        scope="site",
        made_ns=1,
        entries=pairs,
        note=vector("checkpoint"),
        policy=parse_policy(vector("policy").decode()),
        build={"version": "1"},
    )
    members = build_bundle(request, LeafReader(split_hashes(vector("tile/0/000.p/18"))))
    assert members["entries.bin"] == vector("entries-5-6-9.bin")
    assert members["proof.bin"] == vector("multiproof-5-6-9.bin")
    assert members["samples/6.tlog-proof"] == vector("reading-6.tlog-proof")
    assert members["samples/6.entry"] == vector("reading-6.entry")
    assert both(members).last_line == "VERIFIED  3 records, 1 head, 1 witness, range 5..9"


def with_entries(change) -> dict[str, bytes]:
    """The bundle with other entries.bin bytes, made from a changed list of (index, prefix, entry)."""
    parsed = [(e.index, e.prefix, e.entry) for e in parse_disclosed(BUNDLE["entries.bin"])[0]]
    made = [i.to_bytes(8, "big") + p + len(e).to_bytes(2, "big") + e for i, p, e in change(parsed)]
    return BUNDLE | {"entries.bin": b"".join(made)}


def alter(items, forge=False):
    index, prefix, entry = items[8]
    entry = edit_value(entry, b'"value":12.5', b'"value":13.5')
    return [*items[:8], (index, hash_leaf(entry)[:4] if forge else prefix, entry), *items[9:]]


def swap_contents(items):
    (a, p, one), (b, q, other) = items[8], items[9]
    return [*items[:8], (a, p, other), (b, q, one), *items[10:]]


AT = "FAILED at record 27"
DAMAGE = {
    "altered": (alter, f"{AT} (2026-10-25T00:30:17.250Z FRZ-01/temp): content hash differs"),
    "altered, 4-byte hash forged too": (lambda e: alter(e, forge=True), "FAILED in records 5..45: content hash differs"),
    "missing": (lambda e: [*e[:8], *e[11:]], "FAILED at record 33: 3 records missing"),
    "last readings missing": (lambda e: [*e[:15], e[17]], "FAILED at record 40: 2 records missing"),
    "no record of n missing": (lambda e: e[:-1], "FAILED in records 5..43: 1 record missing"),
    "inserted": (lambda e: [*e[:8], (26, *e[8][1:]), *e[8:]], f"{AT}: record was never sealed"),
    "inserted of another kind": (lambda e: [*e[:17], (44, *e[17][1:]), e[17]], "FAILED in records 5..45: record was never sealed"),
    "written twice": (lambda e: [*e[:8], e[8], *e[8:]], f"{AT}: record was never sealed"),
    "reordered": (lambda e: [*e[:8], e[9], e[8], *e[10:]], f"{AT}: out of order, belongs at 29"),
    "contents exchanged": (swap_contents, f"{AT}: out of order, belongs at 29"),
    "past the tree": (lambda e: [*e[:17], (99, *e[17][1:])], "FAILED in records 5..99: content hash differs"),
    "nothing left": (lambda e: [], "FAILED at record 0: 17 records missing"),
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGE)
def test_us_01_each_damage_of_a_bundle_has_its_exact_line(kind):
    change, line = DAMAGE[kind]
    result = both(with_entries(change), POLICY)
    assert (result.last_line, result.exit_code) == (line, 1)


def test_us_01_entry_left_out_and_proof_made_again_is_found_by_n():
    log = mixed_log()
    every = [entry for number in range(len(log.frames)) for entry in entries(log, number)]
    shown = [(i, every[i]) for i in range(5, 45, 2) if i != 27]
    members = make_bundle(entries=shown, seal=None, withheld={})
    assert both(members, POLICY).last_line == "FAILED at record 29: 1 record missing"


def test_us_01_readings_of_a_signal_that_the_manifest_does_not_name():
    manifest = json.loads(BUNDLE["manifest.json"])
    for signals, line in (
        ([], "FAILED at record 5: record was never sealed"),
        ([*manifest["signals"], {"signal": "X/y", "n_first": 1, "n_last": 2, "withheld": []}], "FAILED at record 0: 2 records missing"),
    ):  # fmt: skip
        members = BUNDLE | {"manifest.json": json.dumps(manifest | {"signals": signals}).encode()}
        assert both(members, POLICY).last_line == line


MANIFESTS = [
    ({"count": 17}, "FAILED in manifest.json: counts other records"),
    ({"origin": "other"}, "FAILED in manifest.json: is not about the tree in checkpoint"),
    ({"format": "gateway-bundle/2"}, "FAILED in manifest.json: cannot be read"),
    ({"root": "00"}, "FAILED in manifest.json: cannot be read"),
    ({"size": True}, "FAILED in manifest.json: cannot be read"),
    ({"size": -1}, "FAILED in manifest.json: cannot be read"),
    ({"signals": [{"signal": "a", "n_first": 1, "n_last": 1, "withheld": [[1]]}]}, "FAILED in manifest.json: cannot be read"),
    ({"signals": 7}, "FAILED in manifest.json: cannot be read"),
    ({"subject": "x"}, "FAILED in manifest.json: cannot be read"),
    ({"files": {"a": 1}}, "FAILED in manifest.json: cannot be read"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "line"), MANIFESTS)
def test_us_01_manifest_that_does_not_fit(change, line):
    manifest = json.dumps(json.loads(BUNDLE["manifest.json"]) | change).encode()
    assert both(BUNDLE | {"manifest.json": manifest}, POLICY).last_line == line


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("manifest.json", b"{", "FAILED in manifest.json: cannot be read"),
        ("keys/policy", b"nonsense", "FAILED in keys/policy: cannot be read"),
        ("keys/policy", b"\xff", "FAILED in keys/policy: cannot be read"),
        ("checkpoint", b"rubbish", "FAILED in checkpoint: cannot be read"),
        ("checkpoint", b"rubbish\n\n\xe2\x80\x94 a AAAAAAA=\n", "FAILED in checkpoint: cannot be read"),
        ("entries.bin", BUNDLE["entries.bin"] + b"x", "FAILED in entries.bin: ends inside a record"),
        ("proof.bin", BUNDLE["proof.bin"] + bytes(32), "FAILED in records 5..45: content hash differs"),
        ("readings.csv", b"other", "FAILED in readings.csv: differs from the records"),
        ("batch.json", b"other", "FAILED in batch.json: differs from the records"),
        ("verify.py", b"print('VERIFIED')", "FAILED in verify.py: content hash differs"),
        ("more.txt", b"", "FAILED in more.txt: file was never listed"),
        ("samples/5.entry", b"x", "FAILED in samples/5.tlog-proof: proof does not hold"),
        ("samples/5.tlog-proof", b"x", "FAILED in samples/5.tlog-proof: proof does not hold"),
        ("samples/5.tlog-proof", BUNDLE["samples/43.tlog-proof"], "FAILED in samples/5.tlog-proof: proof does not hold"),
        ("blob/00/aa", b"x", "FAILED in blob/00/aa: content hash differs from its name"),
        ("names.jsonl", b"{}\n", "FAILED in names.jsonl: a name does not open its commitment"),
        ("names.jsonl", b'{"name":"00","salt":"xx","text":"a"}\n', "FAILED in names.jsonl: a name does not open its commitment"),
    ],
)  # fmt: skip
def test_us_01_members_that_do_not_fit(name, content, line):
    assert both(BUNDLE | {name: content}).last_line == line


def test_us_01_member_that_is_missing():
    members = dict(BUNDLE)
    del members["README.txt"]
    assert both(members, POLICY).last_line == "FAILED in README.txt: file is missing"


def test_us_01_an_empty_bundle_and_one_without_entries():
    assert both({}).last_line == "FAILED in manifest.json: cannot be read"
    members = make_bundle(entries=[], seal=None, withheld={})
    assert both(members, POLICY).last_line == "VERIFIED  0 records, 1 head, 1 witness, batch B-123"
    assert (
        both(members | {"proof.bin": bytes(32)}, POLICY).last_line == "FAILED in proof.bin: does not lead to the root"
    )


def test_names_and_side_objects_open():
    salt = bytes(range(32))
    name = sha256(salt + "Ana Müller".encode()).hexdigest()
    line = json.dumps({"name": name, "salt": salt.hex(), "text": "Ana Müller"}).encode() + b"\n"
    extra = {"names.jsonl": line, blob_name(b"long"): b"long"}
    assert both(make_bundle(extra=extra), POLICY).last_line == GOOD


def test_us_01_keys_from_outside_decide():
    stranger = seal_key(ORIGIN, bytes(32))
    policy = make_policy([stranger], [], [])
    line = f"FAILED at size 46: signature of {SEAL_KEY} does not verify"
    assert both(BUNDLE, policy).last_line == line
    assert both(BUNDLE, make_policy([], [], [])).last_line == line
    bare = make_bundle(note=mixed_log().notes[-1])
    assert both(bare, POLICY).last_line == "UNWITNESSED at size 46: 0 of 1 cosignatures"
    assert both(bare, make_policy([SEAL_KEY], [], [])).last_line == GOOD.replace(", 1 witness", "")


def test_us_01_publish_key_is_demanded_and_holds():
    private = ec.derive_private_key(7, ec.SECP256R1())
    spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    key = VerifyKey(ORIGIN, ECDSA_P256, spki)
    policy = make_policy([SEAL_KEY], [key], [])
    assert both(BUNDLE, policy).last_line == f"FAILED at size 46: signature of {key} does not verify"
    text = BUNDLE["checkpoint"].rpartition(b"\n\n")[0] + b"\n"
    signs = [(SEAL_KEY, sealer(bytes(range(32)))), (key, lambda t: private.sign(t, ec.ECDSA(SHA256())))]
    good = make_bundle(note=sign_note(text, signs), policy=policy)
    assert both(good).last_line == "VERIFIED  18 records, 1 head, batch B-123"
    bad = [signs[0], (key, lambda t: private.sign(t + b"x", ec.ECDSA(SHA256())))]
    assert both(make_bundle(note=sign_note(text, bad), policy=policy)).exit_code == 1


def test_us_01_quorum_of_groups_is_judged_alike():
    names = [Witness(name, VerifyKey(name, 4, ed25519_public(bytes([i]) * 32)), "u") for i, name in enumerate("ab")]
    policy = make_policy([SEAL_KEY], [], [Witness("hq", WITNESS_KEY), *names])
    assert both(make_bundle(policy=policy)).last_line == "UNWITNESSED at size 46: 1 of 2 cosignatures"


def test_values_stand_in_the_table_as_in_the_record():
    values = [b"37.0", b"1e16", b"-0.5", b'"a,\\"b"', b"true", b"null", b"[1,2.50]", b'{"a":1}', b'"plain"']
    pool = [reading(n).replace(b'"value":%d.5' % n, b'"value":%b' % value) for n, value in enumerate(values, start=1)]
    pool[0] = pool[0].replace(b'"quality":"good"', b'"quality":"bad","reason":["a","b"]')
    log = Log([genesis(), pool])
    every = [entry for number in range(2) for entry in entries(log, number)]
    leaves = [leaf for plan in log.plans for frame in plan.frames for leaf in frame.leaf_hashes]
    request = BundleRequest(
        subject=Subject(kind="range", id="x"),
        scope="site",
        made_ns=1,
        entries=list(enumerate(every)),
        note=log.notes[-1],
        policy=make_policy([SEAL_KEY], [], []),
    )
    members = build_bundle(request, LeafReader(leaves))
    cells = [row.split(",", 5)[5].rsplit(",", 4)[0] for row in members["readings.csv"].decode().splitlines()[1:]]
    assert cells[:3] == ["37.0", "1e16", "-0.5"]
    assert cells[3:] == ['"a,""b"', "true", "null", '"[1,2.50]"', '"{""a"":1}"', "plain"]
    assert both(members).last_line == "VERIFIED  14 records, 1 head, range x"


def test_a_reading_that_is_none_makes_no_row():
    bad = Disclosed(7, b"", bytes(16) + b'{"v":1,"kind":"reading","signal":1}')
    with pytest.raises(EvidenceRefused, match="record 7 is no reading"):
        render_readings([bad])


def test_samples_are_chosen_by_hash():
    assert sample_indexes([1, 2], [], None, b"r") == [1, 2]
    chosen = sample_indexes(range(100), [0, 50, 99], 60, b"root")
    assert {0, 99, 60} <= set(chosen)
    assert chosen == sample_indexes(range(99, -1, -1), [0, 50, 99], 60, b"root")


def sealed_as(record: bytes) -> dict[str, bytes]:
    """A bundle of one entry that was sealed as it is, whatever it is."""
    log = Log([[record]])
    every = entries(log, 0)
    request = BundleRequest(
        subject=Subject(kind="range", id="x"),
        scope="site",
        made_ns=1,
        entries=[(0, every[0])],
        note=log.notes[0],
        policy=make_policy([SEAL_KEY], [], []),
    )
    return build_bundle(request, LeafReader(log.plans[0].frames[0].leaf_hashes))


def test_us_01_readings_that_are_none_are_judged_alike():
    bare = reading(1).replace(b'"status":0,', b"").replace(b'"source_ns":1792888206000000000,', b"")
    assert b"FRZ-01/temp,1,,1792888206250000000,1.5,good,,,live" in sealed_as(bare)["readings.csv"]
    assert both(sealed_as(bare)).exit_code == 0
    good = sealed_as(reading(1))
    assert both(good).exit_code == 0
    for record in (
        b'{"v":1,"kind":"reading",',
        reading(1) + b"x",
        reading(1).replace(b'"n":1', b'"n":"1"'),
        reading(1).replace(b'"quality":"good"', b'"quality":7'),
        reading(1).replace(b'"quality"', b'"qualify"'),
        reading(1).replace(b'"status":0', b'"status":null'),
        reading(1).replace(b'"quality"', b'"reason":[1],"quality"'),
        reading(1).replace(b'"quality"', b'"reason":"a","quality"'),
    ):
        log = Log([[record]])
        leaf = hash_leaf(entries(log, 0)[0])
        entry = entries(log, 0)[0]
        binary = bytes(8) + leaf[:4] + len(entry).to_bytes(2, "big") + entry
        manifest = json.loads(good["manifest.json"]) | {"root": log.head.root().hex()}
        members = good | {
            "entries.bin": binary,
            "checkpoint": log.notes[0],
            "manifest.json": json.dumps(manifest).encode(),
        }
        assert both(members).exit_code == 1
        assert any("readings.csv: differs" in line for line in both(members).lines())
