"""The verify.py that travels with a bundle: alone, from the zip, on mutants, against OpenSSL's arithmetic."""

from __future__ import annotations

import ast
import base64
import json
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import EvidenceRefused
from gateway.ledger.checkpoint import parse_checkpoint
from gateway.ledger.crypto import ed25519_public, ed25519_sign, sealer
from gateway.ledger.merkle import hash_leaf, hash_node
from gateway.ledger.note import VerifyKey, format_vkey, parse_note, sign_note
from gateway.ledger.policy import parse_policy
from gateway.ledger.tlogproof import parse_tlog_proof
from gateway.ledger.verify.texts import describe, utc_ms
from tests.ledger.damage import flip
from tests.ledger.test_bundle import BUNDLE, GOOD, OWN, SCRIPT, both, make_bundle, standalone
from tests.ledger.test_damage import POLICY
from tests.ledger.vector_files import ORIGIN, SEAL_KEY


def mutant(data, members: dict[str, bytes]) -> dict[str, bytes]:
    name = data.draw(st.sampled_from(sorted(set(members) - {"verify.py"})))
    content = members[name]
    place = data.draw(st.integers(0, len(content) * 8 - 1))
    how = data.draw(st.sampled_from(["bit", "cut", "double"]))
    if how == "bit":
        changed = flip(content, place // 8, place % 8)
    elif how == "cut":
        changed = content[: place // 8]
    else:
        changed = content[: place // 8] + content[place // 16 :]
    return members | {name: changed}


SMALL = make_bundle(extra={})


LINE = "— a AAAAAAA=\n".encode()


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_us_01_gateway_and_verify_py_agree_on_mutants(data):
    members = mutant(data, SMALL)
    changed = {name for name in members if members[name] != SMALL[name]}
    result = both(members, data.draw(st.sampled_from([None, POLICY])))
    assert result.exit_code == 1 or changed <= {"manifest.json"}, "only the manifest's own remarks are not proved here"


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=80), st.data())
@settings(max_examples=20, deadline=None)
def test_us_01_ed25519_in_plain_integers_agrees_with_openssl(seed, message, data):
    key, signature = ed25519_public(seed), ed25519_sign(seed, message)
    assert standalone.ed25519_holds(key, message, signature)
    assert not standalone.ed25519_holds(key, message + b"x", signature)
    place = data.draw(st.integers(0, 511))
    assert not standalone.ed25519_holds(key, message, flip(signature, place // 8, place % 8))


def test_us_01_ed25519_refuses_second_spellings():
    seed = bytes(32)
    key, signature = ed25519_public(seed), ed25519_sign(seed, b"m")
    s = int.from_bytes(signature[32:], "little") + standalone.L
    assert not standalone.ed25519_holds(key, b"m", signature[:32] + s.to_bytes(32, "little"))
    assert not standalone.ed25519_holds(key[:31], b"m", signature)
    assert standalone.ed_decode(b"\xff" * 32) is None
    assert standalone.ed_decode((1 << 255 | 1).to_bytes(32, "little")) is None


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    for name, content in BUNDLE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def run(*arguments: object, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python, "-I", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60)


def test_us_03_verify_py_inside_the_unpacked_bundle(unpacked, tmp_path):
    ran = run(unpacked / "verify.py")
    assert (ran.returncode, ran.stdout.splitlines(), ran.stderr) == (0, [OWN, GOOD], "")
    policy = tmp_path / "policy"
    policy.write_bytes(BUNDLE["keys/policy"])
    ran = run(unpacked / "verify.py", "--witness-policy", policy, "--json")
    assert json.loads(ran.stdout)["counts"] == {"records": 18, "heads": 1, "witnesses": 1, "time_stamps": 0}
    policy.write_text("nonsense")
    assert run(unpacked / "verify.py", "--witness-policy", policy).returncode == 78
    (unpacked / "readings.csv").write_text("other")
    ran = run(unpacked / "verify.py")
    assert (ran.returncode, ran.stdout.splitlines()[-1]) == (1, "FAILED in readings.csv: differs from the records")


def test_us_03_verify_py_on_the_zip_and_what_it_extracts(tmp_path):
    archive = tmp_path / "B-123.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name, content in BUNDLE.items():
            file.writestr(name, content)
    ran = run(SCRIPT, archive, "--extract", tmp_path / "out")
    assert (ran.returncode, ran.stdout.splitlines()[-1]) == (0, GOOD)
    out = tmp_path / "out"
    assert {"cp.txt", "seal.pem", "seal.sig", "checkpoint", "5.entry", "5.tlog-proof"} <= {
        p.name for p in out.iterdir()
    }
    pem = base64.b64decode("".join((out / "seal.pem").read_text().splitlines()[1:-1]))
    assert pem[-32:] == SEAL_KEY.key
    archive.write_bytes(b"no zip")
    assert run(SCRIPT, archive).returncode == 69
    assert run(SCRIPT, tmp_path / "absent.zip", "--wrong").returncode == 2


def test_us_03_verify_py_speaks_only_the_standard_library():
    allowed = {"__future__", "argparse", "base64", "hashlib", "json", "pathlib", "re", "sys", "typing", "zipfile"}
    allowed |= {"shutil", "subprocess", "tempfile"}  # openssl alone judges time stamps
    tree = ast.parse(SCRIPT.read_text(), feature_version=(3, 8))
    names = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names <= allowed


def test_us_01_der_is_read_in_one_way_only():
    good = bytes.fromhex("3006020101020101")
    assert standalone.der_integers(good) == (1, 1)
    for bad in ("3006020101020181", "300602010102", "3106020101020101", "3006030101020101", "300702010102020001",
                "3007020101020101", "3006020101020201", "3008020101020101ff00", "30060201010200ff"):  # fmt: skip
        assert standalone.der_integers(bytes.fromhex(bad)) is None, bad
    key = standalone.SPKI_P256 + bytes(64)
    assert not standalone.p256_holds(key, b"", good), "no point of the curve"
    assert not standalone.p256_holds(key[:-1], b"", good)
    assert standalone.ec_add((5, 7), (5, standalone.EC_P - 7)) is None
    assert not standalone.line_holds(standalone.Key("a", 99, b""), b"", b"")


@pytest.mark.parametrize(
    "text",
    ["witness a b+00000000+AQE=\nquorum none", "group g 1 none\nquorum g", "group g 2 none\nquorum g", "quorum none\nquorum none",
     "log a\nquorum none", "", "log a+00000000+AQ==\nquorum none", "log a+00000000+Ä\nquorum none", "log a+00000000+AQF=\nquorum none", "# log \nquorum none",
     *(f"# publish {format_vkey(SEAL_KEY)} {rest}\nquorum none" for rest in ("from", "until x", "until 1 from 0", "from 9223372036854775808"))],
)  # fmt: skip
def test_us_01_bad_policies_are_refused_by_both(text):
    with pytest.raises(standalone.Broken):
        standalone.read_policy(text.encode())
    with pytest.raises(EvidenceRefused):
        parse_policy(text)


@pytest.mark.parametrize(
    "ns", [0, 951_782_400_000_000_000, 1_709_164_800_001_000_000, 4_102_444_799_999_999_999, (1 << 63) - 1]
)
def test_times_are_written_alike(ns):
    assert standalone.utc(ns) == utc_ms(ns)


@pytest.mark.parametrize(
    "content",
    [b"", b"c2sp.org/tlog-proof@v1\n\nx", b"c2sp.org/tlog-proof@v1\nindex 01\n\nx", b"c2sp.org/tlog-proof@v1\nindex 1\nAAAA\n\nx"],
)  # fmt: skip
def test_us_01_bad_proofs_are_refused_by_both(content):
    with pytest.raises(standalone.Broken):
        standalone.read_tlog_proof(content)
    with pytest.raises(EvidenceRefused):
        parse_tlog_proof(content)


@pytest.mark.parametrize(
    "content", [b"\x00\n\n" + LINE, b"a\tb\n\n" + LINE, b"a\n\n" + LINE[1:], b"a\n\n- a AAAAAAA=\n"]
)
def test_us_01_bad_notes_are_refused_by_both(content):
    with pytest.raises(standalone.Broken):
        standalone.read_note(content)
    with pytest.raises(EvidenceRefused):
        parse_note(content)


@pytest.mark.parametrize("text", [b"o\n1\nAAAA\n", b"o\n01\nAAAA\n", b"\xff\n"])
def test_us_01_bad_checkpoints_are_refused_by_both(text):
    with pytest.raises(standalone.Broken):
        standalone.read_checkpoint(text)
    with pytest.raises(EvidenceRefused):
        parse_checkpoint(text)


@pytest.mark.parametrize(
    "record",
    [b"", b"[]", b"{", b'{"a":\t1}', b'{"at_ns":1}', b'{"at_ns":1,"kind":"gap"}', b'{"at_ns":true,"kind":"x"}'],
)
def test_us_01_records_are_described_alike(record):
    assert standalone.describe(record) == describe(record)


def test_extra_bytes_of_a_proof_are_read_over():
    content = b"c2sp.org/tlog-proof@v1\nextra AAE=\nindex 1\n\nx"
    assert standalone.read_tlog_proof(content) == (1, [], b"x")


def test_us_01_paths_of_the_wrong_length_are_refused():
    leaf, other = hash_leaf(b"a"), hash_leaf(b"b")
    assert standalone.root_from_path(0, 2, leaf, [other]) == hash_node(leaf, other)
    for place, size, path in ((0, 2, []), (0, 1, [other]), (2, 2, [other]), (0, 2, [other, other])):
        with pytest.raises(standalone.Broken):
            standalone.root_from_path(place, size, leaf, path)
    assert standalone.root_from_path(2, 3, leaf, [other]) == hash_node(other, leaf)


def test_us_03_the_command_in_this_process(unpacked, tmp_path, monkeypatch, capsys):
    def main(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["verify.py", *map(str, arguments)])
        return standalone.main()

    assert main(unpacked) == 0
    assert main(unpacked, "--json") == 0
    assert main(unpacked, "--extract", tmp_path / "out") == 0
    assert main(tmp_path / "absent") == 69
    policy = tmp_path / "policy"
    policy.write_bytes(BUNDLE["keys/policy"])
    assert main(unpacked, "--witness-policy", policy) == 0
    policy.write_text("nonsense")
    assert main(unpacked, "--witness-policy", policy) == 78
    archive = tmp_path / "B-123.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("checkpoint.tsr", b"")
    assert main(archive) == 1
    assert "FAILED in manifest.json: cannot be read" in capsys.readouterr().out
    assert main(unpacked, "--tsa", tmp_path / "absent") == 69


def test_cosignatures_that_it_cannot_check_are_named():
    policy = standalone.Policy([], [], [("pq", standalone.Key("pq", 6, b"k"))], [], "pq")
    verifier = standalone.Verifier(BUNDLE, policy)
    verifier.run()
    assert any("type 06 (ML-DSA-44) are not checked here" in note for note in verifier.notes)
    assert verifier.lines()[-1].startswith("FAILED at size 46")


def test_us_03_started_as_a_program(unpacked, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["verify.py", str(unpacked)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert ended.value.code == 0


def test_us_03_publish_signature_is_extracted_for_openssl(tmp_path, capsys):
    private = ec.derive_private_key(7, ec.SECP256R1())
    spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    key = standalone.Key(ORIGIN, 2, spki)
    text = BUNDLE["checkpoint"].rpartition(b"\n\n")[0] + b"\n"
    signs = [
        (SEAL_KEY, sealer(bytes(range(32)))),
        (VerifyKey(ORIGIN, 2, spki), lambda t: private.sign(t, ec.ECDSA(SHA256()))),
    ]
    policy = standalone.Policy([], [key], [], [], "none")
    standalone.extract({"checkpoint": sign_note(text, signs)}, policy, tmp_path)
    assert "openssl dgst -sha256 -verify publish.pem" in capsys.readouterr().out
    assert spki == base64.b64decode("".join((tmp_path / "publish.pem").read_text().splitlines()[1:-1]))
