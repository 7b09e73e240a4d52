"""Time stamps of bundles: both verifiers take ours, refuse what is not, and agree on every mutant of a token."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from datetime import timedelta
from hashlib import sha256
from random import Random
from types import SimpleNamespace

import pytest

from gateway.errors import EvidenceRefused
from gateway.ledger.authority import Authority
from gateway.ledger.bundle import BundleRequest, StampedHead, Subject, build_bundle
from gateway.ledger.disclosed import Disclosed
from gateway.ledger.keys import KeyRing
from gateway.ledger.policy import format_policy
from gateway.ledger.proof import LeafReader, check_consistency
from gateway.ledger.records import Anchor, format_record
from gateway.ledger.revocation import read_lists
from gateway.ledger.timestamp import make_request, parse_answer, parse_stamped
from gateway.ledger.verify import verify_bundle
from gateway.ledger.verify.bundle_stamps import BundleStamps, parse_consistency
from gateway.ledger.verify.manifest import read_manifest
from tests.counterparts import tsa
from tests.ledger.logs import Log, genesis, reading
from tests.ledger.stamp_forge import STAMPING, Holder, Token, info
from tests.ledger.test_bundle import OWN, SCRIPT, standalone
from tests.ledger.test_damage import POLICY, cosigned, entries
from tests.ledger.vector_files import WITNESS_KEY

GOOD = "VERIFIED  22 records, 1 head, 1 witness, 4 time stamps, batch B-123"
OWN_TSA = "note: the authority of time stamps is the bundle's own"
COSIGNED_NS = 1_792_889_410_000_000_000
FORGED = Holder("stamper", [STAMPING])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tsa.Authority(tmp_path_factory.mktemp("tsa"), curve=True)


@pytest.fixture(scope="module")
def case(made):
    """Readings are records 6-15 and 16-25, the anchor of size 5 is record 5; stamped are 5, 16, 26 and the end, 27."""
    log = Log([genesis()])
    ours = Authority(made.ca.read_bytes())
    heads, times = {}, {}

    def stamp(note: bytes) -> None:
        size = log.head.size
        imprint = sha256(note).digest()
        answer = made.reply(make_request(imprint, size))
        heads[size] = StampedHead(size=size, note=note, token=answer)
        times[size] = ours.open(answer, imprint).gen_ns

    stamp(log.notes[-1])
    anchor = Anchor(
        at_ns=1, boot_ns=1, clock=1, event="timestamped", size=5, root=log.head.root().hex(),
        token_sha256=sha256(heads[5].token).hexdigest(), gen_ns=times[5],
    )  # fmt: skip
    log.commit([format_record(anchor)])
    for first in (1, 11):
        log.commit([reading(n) for n in range(first, first + 10)])
        stamp(log.notes[-1])
    batch = b'{"v":1,"kind":"batch","at_ns":1,"boot_ns":1,"clock":1,"event":"end","batch":"B-123","revision":2}'
    log.commit([batch])
    stamp(cosigned(log.notes[-1]))
    every = [entry for number in range(len(log.frames)) for entry in entries(log, number)]
    leaves = [leaf for plan in log.plans for frame in plan.frames for leaf in frame.leaf_hashes]
    request = BundleRequest(
        subject=Subject(kind="batch", id="B-123"),
        scope="site",
        made_ns=1,
        entries=[(i, every[i]) for i in range(5, 27)],
        note=heads[27].note,
        policy=POLICY,
        token=heads[27].token,
        brackets=[heads[5], heads[16], heads[26]],
        authority=made.ca.read_bytes(),
        extra={"verify.py": SCRIPT.read_bytes()},
    )
    members = build_bundle(request, LeafReader(leaves))
    return SimpleNamespace(members=members, times=times, authority=ours, made=made, heads=heads)


def listed(members: dict[str, bytes]) -> dict[str, bytes]:
    """The bundle of somebody who also brings the manifest's list up to date."""
    manifest = json.loads(members["manifest.json"])
    others = {name: content for name, content in members.items() if name != "manifest.json"}
    manifest["files"] = {name: sha256(content).hexdigest() for name, content in others.items()}
    return {"manifest.json": json.dumps(manifest).encode(), **others}


def both(members, policy=None, authority=None):
    ours = verify_bundle(members, policy=policy, authority=authority)
    outside = None if policy is None else standalone.read_policy(format_policy(policy).encode())
    theirs = standalone.Verifier(members, outside, None if authority is None else authority.pem)
    theirs.run()
    assert theirs.lines() == ours.lines()
    assert json.loads(theirs.as_json())["counts"]["time_stamps"] == ours.counts.time_stamps
    return ours


def test_us_03_time_stamps_are_counted_by_both(case):
    assert both(case.members).lines() == [OWN, GOOD]
    assert both(case.members, POLICY).lines() == [OWN_TSA, GOOD]
    assert both(case.members, POLICY, case.authority).lines() == [GOOD]


def test_di_14_the_bracket_has_two_sides(case):
    result = verify_bundle(case.members, policy=POLICY)
    after, before = result.bracket
    assert after == case.times[5]
    assert before == min(case.times[26], COSIGNED_NS)
    document = json.loads(result.to_json())
    assert document["bracket"] == {"after_ns": after, "before_ns": before}


def test_us_03_openssl_takes_the_token_of_the_checkpoint(case):
    assert case.made.accepts(case.members["checkpoint"], case.members["checkpoint.tsr"])
    assert not case.made.accepts(case.members["checkpoint"] + b"\n", case.members["checkpoint.tsr"])
    assert case.made.accepts(case.members["brackets/16"], case.members["brackets/16.tsr"])


def test_us_03_what_a_bundle_with_time_stamps_holds(case):
    manifest = json.loads(case.members["manifest.json"])
    assert manifest["tokens"] == ["brackets/16.tsr", "brackets/26.tsr", "brackets/5.tsr", "checkpoint.tsr"]
    assert manifest["checkpoints"] == [5, 16, 26, 27]
    assert case.members["keys/tsa.pem"] == case.made.ca.read_bytes()
    proof = parse_consistency(case.members["brackets/16.consistency"])
    note = standalone.read_checkpoint(standalone.read_note(case.members["brackets/16"])[0])
    check_consistency(16, 27, note[2], bytes.fromhex(manifest["root"]), proof)


def other(case, **changes):
    return listed({**case.members, **{name.replace("__", "/"): content for name, content in changes.items()}})


@pytest.mark.parametrize(
    ("name", "take", "line"),
    [
        ("checkpoint.tsr", "brackets/16.tsr", "FAILED in checkpoint.tsr: time stamp does not verify"),
        ("brackets/26.tsr", "brackets/16.tsr", "FAILED in brackets/26.tsr: time stamp does not verify"),
        ("brackets/26", "brackets/16", "FAILED in brackets/26: is no sealed head of this log"),
        ("brackets/16.consistency", "brackets/5.consistency", "FAILED in brackets/16.consistency: proof does not hold"),
        ("brackets/16", "readings.csv", "FAILED in brackets/16: is no sealed head of this log"),
        ("brackets/16.consistency", "readings.csv", "FAILED in brackets/16.consistency: proof does not hold"),
        ("checkpoint.tsr", "readings.csv", "FAILED in checkpoint.tsr: time stamp does not verify"),
        ("keys/tsa.pem", "readings.csv", "FAILED in brackets/5.tsr: time stamp does not verify"),
    ],
)
def test_ac_03_what_stands_in_the_place_of_another_is_named_by_both(case, name, take, line):
    changed = listed({**case.members, name: case.members[take]})
    assert both(changed, POLICY).last_line == line


def test_ac_03_a_missing_member_is_named_by_both(case):
    without = {name: content for name, content in case.members.items() if name != "brackets/16.consistency"}
    assert both(listed(without), POLICY).last_line == "FAILED in brackets/16.consistency: proof does not hold"
    assert both(without, POLICY).failures[-1].text == "FAILED in brackets/16.consistency: file is missing"
    without = {name: content for name, content in case.members.items() if name != "keys/tsa.pem"}
    assert both(listed(without), POLICY).last_line == "FAILED in brackets/5.tsr: time stamp does not verify"


def test_ac_03_another_authority_from_outside_refuses_all(case, tmp_path):
    outside = Authority(tsa.Authority(tmp_path, curve=True).ca.read_bytes())
    result = both(case.members, POLICY, outside)
    assert len(result.failures) == 4


def test_us_01_both_verifiers_agree_on_mutated_tokens(case):
    random = Random(3161)
    for _ in range(40):
        name = random.choice(["checkpoint.tsr", "brackets/5.tsr", "brackets/26.tsr"])
        result = both({**case.members, name: flipped(case.members[name], random)}, POLICY)
        assert result.last_line == f"FAILED in {name}: content hash differs"


def test_ac_03_whoever_mends_the_manifest_too_finds_neither_verifier_more_trusting_than_openssl(case):
    """Bytes of the envelope that nothing signs may differ and openssl look away; we refuse most of them."""
    random = Random(3161)
    small = {name: content for name, content in case.members.items() if not name.startswith("brackets/")}
    refused = 0
    for _ in range(60):
        changed = listed({**small, "checkpoint.tsr": flipped(case.members["checkpoint.tsr"], random)})
        ours = verify_bundle(changed, policy=POLICY)
        theirs = standalone.Verifier(changed, standalone.read_policy(format_policy(POLICY).encode()))
        theirs.run()
        refused += ours.exit_code
        assert ours.exit_code >= len(theirs.found)
    assert refused > 50


def flipped(content: bytes, random: Random) -> bytes:
    mutant = bytearray(content)
    at = random.randrange(len(mutant) * 8)
    mutant[at // 8] ^= 1 << at % 8
    return bytes(mutant)


def test_us_03_without_openssl_it_says_that_time_stamps_were_not_checked(case, monkeypatch):
    monkeypatch.setattr(standalone.shutil, "which", lambda _: None)
    verifier = standalone.Verifier(listed({**case.members, "checkpoint.tsr": b"junk"}), None)
    verifier.run()
    assert verifier.notes[-1] == "note: time stamps not checked"
    assert verifier.lines()[-1] == "VERIFIED  22 records, 1 head, 1 witness, batch B-123"


@pytest.mark.parametrize(
    ("said", "checked"),
    [("LibreSSL 3.3.6", False), ("OpenSSL 1.0.2k-fips", False), ("OpenSSL 1.1.1w", True), ("", False)],
)
def test_us_03_an_openssl_that_cannot_judge_is_not_asked(case, tmp_path, monkeypatch, said, checked):
    """One that does not know the time in a token would refuse every one of them."""
    program = tmp_path / "openssl"
    program.write_text(f'#!/bin/sh\nif [ "$1" = version ]; then echo "{said}  1 Jan 2026"; else exit 0; fi\n')
    program.chmod(0o755)
    monkeypatch.setattr(standalone.shutil, "which", lambda _: str(program))
    verifier = standalone.Verifier(case.members, None)
    verifier.run()
    assert verifier.stamps == (4 if checked else 0)
    assert ("note: time stamps not checked" in verifier.notes) is not checked
    assert verifier.found == []
    assert standalone.usable_openssl(str(tmp_path / "gone")) is None


def test_us_03_the_program_checks_and_extracts_time_stamps(case, tmp_path):
    folder = tmp_path / "bundle"
    for name, content in case.members.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-I", "verify.py", "--tsa", case.made.ca, "--extract", tmp_path / "out"],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == GOOD
    [line] = [line for line in done.stdout.splitlines() if line.startswith("openssl ts")]
    subprocess.run(line.split(), cwd=tmp_path / "out", capture_output=True, check=True)


def test_us_03_the_command_for_a_time_stamp_is_said_with_its_second(case, tmp_path, capsys):
    standalone.extract(case.members, standalone.Policy([], [], [], [], "none"), tmp_path)
    second = standalone.stamp_second(case.members["checkpoint.tsr"])
    words = f"openssl ts -verify -data checkpoint -in checkpoint.tsr -CAfile tsa.pem -attime {second}"
    assert words in capsys.readouterr().out.splitlines()
    assert (tmp_path / "tsa.pem").read_bytes() == case.members["keys/tsa.pem"]


def test_us_03_revocation_lists_travel_and_openssl_reads_them(tmp_path, capsys):
    """`--extract` says the command; a list that revokes the signer makes it fail, our last line stays: it reads no lists."""
    authority = tsa.Authority(tmp_path / "tsa", curve=True, crl_url="http://ca.example/tsa.crl")
    log = Log([genesis()])
    imprint = sha256(log.notes[-1]).digest()
    answer = authority.reply(make_request(imprint, 7))
    _, chain = Authority(authority.ca.read_bytes()).open_with_chain(answer, imprint, 7)
    leaves = [leaf for plan in log.plans for frame in plan.frames for leaf in frame.leaf_hashes]
    for name, revoked, code in (("good", None, 0), ("revoked", tsa.now() - timedelta(hours=2), 1)):
        request = BundleRequest(
            subject=Subject(kind="range", id="0"), scope="site", made_ns=1, entries=[(0, entries(log, 0)[0])],
            note=log.notes[-1], policy=POLICY._replace(witnesses=(), groups=(), quorum="none"), token=answer,
            authority=authority.ca.read_bytes(), revocations=read_lists([authority.crl(revoked)], chain),
        )  # fmt: skip
        members = build_bundle(request, LeafReader(leaves))
        assert b"BEGIN X509 CRL" in members["keys/tsa.crl"]
        assert both(members).last_line == "VERIFIED  1 record, 1 head, 1 time stamp, range 0"
        standalone.extract(members, standalone.read_policy(members["keys/policy"]), tmp_path / name)
        [line] = [line for line in capsys.readouterr().out.splitlines() if "-crl_check" in line]
        done = subprocess.run(line.split(), cwd=tmp_path / name, capture_output=True, check=False)
        assert done.returncode == code, done.stderr


def test_the_time_of_a_token_is_read_alike(case):
    for size, head in case.heads.items():
        assert standalone.stamp_second(head.token) == case.times[size] // 10**9
    for text, second in (
        (b"19700101000000Z", 0),
        (b"20000229235959.25Z", 951868799),
        (b"21000301000000Z", 4107542400),
        (b"20990229000000Z", None),
        (b"19691231235959Z", None),
        (b"20261301000000Z", None),
        (b"20261201240000Z", None),
        (b"20261201000060Z", None),
        (b"20261201000000.50Z", None),
        (b"20261201000000", None),
    ):
        answer = Token(FORGED, content=info(text)).answer
        if second is None:
            with pytest.raises(standalone.Broken):
                standalone.stamp_second(answer)
        else:
            assert standalone.stamp_second(answer) == second


def test_growth_is_judged_as_our_own_check_does(case):
    leaves = [bytes([i]) * 32 for i in range(24)]
    reader = LeafReader(leaves)
    from gateway.ledger.merkle import Tree
    from gateway.ledger.proof import prove_consistency

    def root(size: int) -> bytes:
        tree = Tree()
        tree.extend(leaves[:size])
        return tree.root()

    for second in range(2, 24):
        for first in range(1, second):
            path = prove_consistency(reader, first, second)
            assert standalone.growth_holds(first, second, root(first), root(second), path)
            for wrong in (path[:-1], [*path, path[0]], [bytes(32), *path[1:]]):
                theirs = standalone.growth_holds(first, second, root(first), root(second), wrong)
                try:
                    check_consistency(first, second, root(first), root(second), wrong)
                except EvidenceRefused:
                    assert not theirs
                else:
                    assert theirs
    assert not standalone.growth_holds(5, 5, root(5), root(5), [])


def test_ac_03_a_second_line_of_a_witness_moves_no_time(case):
    """The first line of a key speaks for it, and only that one is checked: a made-up time behind it counts for nothing."""
    note = case.members["checkpoint"]
    line = next(line for line in note.split(b"\n") if b"witness" in line)
    name, encoded = line.split(b" ")[1:]
    forged = base64.b64decode(encoded)
    forged = forged[:4] + (1).to_bytes(8, "big") + forged[12:]
    changed = note + b"\xe2\x80\x94 " + name + b" " + base64.b64encode(forged) + b"\n"
    result = verify_bundle({**case.members, "checkpoint": changed}, policy=POLICY)
    assert result.bracket == (case.times[5], COSIGNED_NS)


def test_a_bundle_without_readings_or_records_still_says_what_it_can(case):
    manifest = read_manifest(case.members["manifest.json"])
    stamps = BundleStamps(manifest, case.members, KeyRing(POLICY), case.authority)
    stamps.check()
    assert stamps.held == 4
    assert stamps.bracket([], ()) is None
    strange = b'{"v":1,"kind":"anchor",'
    other_event = format_record(Anchor(at_ns=1, boot_ns=1, clock=1, event="cosigned", size=5, root="00", note="n"))
    entries = [Disclosed(i, b"", bytes(16) + record) for i, record in ((7, strange), (8, other_event))]
    assert stamps.bracket(entries, ()) == (None, case.times[16])
    bare = {name: content for name, content in case.members.items() if name != "checkpoint"}
    assert BundleStamps(manifest, bare, KeyRing(POLICY), None).bracket(entries, (WITNESS_KEY,)) is None


def test_a_frozen_note_may_stand_without_a_time_stamp(case):
    without = {name: content for name, content in case.members.items() if name != "brackets/16.tsr"}
    assert both(listed(without), POLICY).counts.time_stamps == 3
    only = {name: content for name, content in case.members.items() if name != "checkpoint.tsr"}
    assert both(listed(only), POLICY).counts.time_stamps == 3
    cut = {**without, "brackets/16.consistency": case.members["brackets/16.consistency"][:-1]}
    assert both(listed(cut), POLICY).last_line == "FAILED in brackets/16.consistency: proof does not hold"


def test_us_01_verify_py_reads_a_token_as_we_do_whatever_byte_of_it_differs(case):
    token = case.members["checkpoint.tsr"]
    refused = 0
    for at, value in ((at, value) for at in range(len(token)) for value in (0x00, 0x1F, 0x80, 0x81, 0xFF)):
        mutant = token[:at] + bytes([value]) + token[at + 1 :]
        try:
            ours: int | None = parse_stamped(parse_answer(mutant).content).gen_ns // 1_000_000_000
        except EvidenceRefused:
            ours = None
        theirs = standalone.stamp_second(mutant) if standalone.is_stamp(mutant) else None
        assert theirs == ours, (at, value)
        refused += ours is None
    assert refused > len(token) // 2
