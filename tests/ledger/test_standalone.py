"""The verify.py that travels with a bundle: alone, from the zip, on mutants, against OpenSSL's arithmetic."""

from __future__ import annotations

import ast
import base64
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ledger.crypto import ed25519_public, ed25519_sign
from tests.ledger.damage import flip
from tests.ledger.test_bundle import BUNDLE, GOOD, OWN, SCRIPT, both, make_bundle, standalone
from tests.ledger.test_damage import POLICY
from tests.ledger.vector_files import SEAL_KEY


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
    tree = ast.parse(SCRIPT.read_text(), feature_version=(3, 8))
    names = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names <= allowed
