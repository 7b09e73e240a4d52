"""What others wrote judges what we write: each program accepts the good log and its proofs, and refuses every tampered copy."""

from __future__ import annotations

import base64
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.ledger.bundle import BundleRequest, Subject, build_bundle
from gateway.ledger.note import format_vkey, parse_note
from gateway.ledger.tile import TileReader
from tests.counterparts.missing import need
from tests.fakes.log import ORIGIN, SEALER
from tests.foreign import big_log, tools
from tests.ledger.vector_files import WITNESS_KEY
from tests.paths import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

LOG_VKEY, WITNESS_VKEY = SEALER.vkey, format_vkey(WITNESS_KEY)
FSCK_SECONDS = 60


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> big_log.BigLog:
    return big_log.make(tmp_path_factory.mktemp("foreign"))


@pytest.fixture(scope="module")
def bad_logs(log, tmp_path_factory) -> dict[str, Path]:
    return big_log.tampered_logs(log, log.tiles.parent / "tampered")


@pytest.fixture(scope="module")
def good_proofs(log, tmp_path_factory) -> dict[str, Path]:
    return big_log.proofs(log, tmp_path_factory.mktemp("proofs"))


@pytest.fixture(scope="module")
def bad_proofs(log, tmp_path_factory) -> dict[str, Path]:
    return big_log.tampered_proofs(log, tmp_path_factory.mktemp("tampered-proofs"))


def judged(command: list[str], folders: dict[str, Path], env: dict[str, str] | None = None) -> dict[str, str]:
    """Name of the folder → accepted, or what its judge said against it."""
    done = subprocess.run(
        [*command, *map(str, folders.values())], capture_output=True, text=True, check=False, timeout=300, env=env
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    said = {path: verdict if verdict == "accepted" else why for verdict, path, why in lines}
    assert set(said) == {str(path) for path in folders.values()}, done.stdout
    return {name: said[str(path)] for name, path in folders.items()}


def must_split(verdicts: dict[str, str], good: set[str]) -> None:
    accepted = {name for name, said in verdicts.items() if said == "accepted"}
    assert accepted == good, verdicts


def test_us_02_the_export_is_552_files(log):
    files = [path for path in log.tiles.rglob("*") if path.is_file()]
    assert len(files) == log.files == 552


def test_us_02_the_go_teams_sumdb_judges_the_log(log, bad_logs):
    verdicts = judged([str(tools.sumdb()), LOG_VKEY, "tiles"], {"good": log.tiles, **bad_logs})
    must_split(verdicts, {"good"})


def test_us_02_the_go_teams_sumdb_judges_proofs(good_proofs, bad_proofs):
    verdicts = judged([str(tools.sumdb()), LOG_VKEY, "proof"], {**good_proofs, **bad_proofs})
    must_split(verdicts, set(good_proofs))


def test_us_02_the_go_teams_sumdb_judges_growth(log, tmp_path):
    ledger = LedgerFolder(log.ledger)
    old = parse_note(ledger.head(big_log.EARLIER - 1).note).text.split(b"\n", 1)[1]
    growth = [base64.b64encode(one) + b"\n" for one in ledger.prove_growth(big_log.EARLIER)]
    note = log.note
    cases = {
        "good": (old, growth, note),
        "other root before": (b"12000\n" + base64.b64encode(bytes(32)) + b"\n", growth, note),
        "other size before": (old.replace(b"12000", b"12001"), growth, note),
        "truncated": (old, growth[:-1], note),
        "reordered": (old, [growth[1], growth[0], *growth[2:]], note),
        "wrong root": (old, growth, big_log.other_root()),
        "wrong signature": (old, growth, big_log.bent_seal(note)),
    }
    folders = {}
    for name, (before, proof, checkpoint) in cases.items():
        folders[name] = tmp_path / name.replace(" ", "-")
        folders[name].mkdir()
        (folders[name] / "old").write_bytes(before)
        (folders[name] / "growth").write_bytes(b"".join(proof))
        (folders[name] / "checkpoint").write_bytes(checkpoint)
    must_split(judged([str(tools.sumdb()), LOG_VKEY, "growth"], folders), {"good"})


def test_us_02_tesseras_fsck_judges_the_log(log, bad_logs, tmp_path):
    fsck = tools.tessera_fsck()
    key = tmp_path / "key"
    key.write_text(LOG_VKEY)
    folders = {"good": log.tiles, **bad_logs}
    must_split({name: fsck_says(fsck, key, folder) for name, folder in folders.items()}, {"good"})


def fsck_says(fsck: Path, key: Path, folder: Path) -> str:
    """What it says; it ends with 0 also when it found something, and hangs when it finds more than it has workers."""
    command = [str(fsck), f"--storage_url=file://{folder}", f"--public_key={key}", "--ui=false", "--N=16", "--v=1"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=FSCK_SECONDS)
    except subprocess.TimeoutExpired:
        return "hangs"
    if done.returncode or "fsck failed" in done.stderr or "Completed ranges" not in done.stderr:
        return done.stderr[-400:] or "says nothing"
    return "accepted"


def test_us_02_tlog_scales_judges_the_log(log, bad_logs):
    python = tools.environment("tlog-scales") / "python"
    command = [str(python), "-I", str(tools.HERE / "judge_scales.py"), LOG_VKEY, WITNESS_VKEY]
    must_split(judged(command, {"good": log.tiles, **bad_logs}), {"good"})


def test_us_02_pymerkle_judges_the_root(log, bad_logs):
    python = tools.environment("pymerkle") / "python"
    names = ("altered entry", "truncated", "cut inside an entry", "reordered", "wrong root")
    folders = {"good": log.tiles, **{name: bad_logs[name] for name in names}}
    must_split(judged([str(python), "-I", str(tools.HERE / "judge_pymerkle.py")], folders), {"good"})


def test_us_02_proofbundle_judges_proofs(good_proofs, bad_proofs):
    program = tools.environment("proofbundle") / "proofbundle"
    verdicts = {name: proofbundle_says(program, folder) for name, folder in {**good_proofs, **bad_proofs}.items()}
    must_split(verdicts, set(good_proofs))


def proofbundle_says(program: Path, folder: Path, witness: str = WITNESS_VKEY) -> str:
    keys = ["--log-vkey", LOG_VKEY, "--witness-vkey", witness, "--threshold", "1", "--expected-origin", ORIGIN]
    files = [str(folder / "tlog-proof"), "--payload-file", str(folder / "entry")]
    done = subprocess.run(
        [str(program), "verify-proof", *files, *keys], capture_output=True, text=True, check=False, timeout=60
    )
    return "accepted" if done.returncode == 0 else done.stdout[-300:] + done.stderr[-300:] or "refused"


def test_us_02_sigstores_javascript_judges_proofs(good_proofs, bad_proofs):
    spki = base64.b64encode(bytes.fromhex("302a300506032b6570032100") + SEALER.key.key).decode()
    command = [need("node"), str(tools.HERE / "node" / "judge.js"), ORIGIN, spki, SEALER.key.key_id.hex()]
    env = {"JUDGE_MODULES": str(tools.node_modules())}
    must_split(judged(command, {**good_proofs, **bad_proofs}, env), set(good_proofs))


def test_us_03_openssl_judges_what_verify_py_extracts(log, tmp_path):
    openssl = need("openssl")
    seal = [openssl, *shlex.split("pkeyutl -verify -pubin -inkey seal.pem -rawin -in cp.txt -sigfile seal.sig")]
    publish = [openssl, *shlex.split("dgst -sha256 -verify publish.pem -signature publish.sig cp.txt")]
    out = extracted(log, tmp_path)
    assert [holds(command, out) for command in (seal, publish)] == [True, True]
    for name, commands in (("seal", [seal]), ("publish", [publish])):
        signature = (out / f"{name}.sig").read_bytes()
        (out / f"{name}.sig").write_bytes(signature[:-1] + bytes([signature[-1] ^ 1]))
        assert [holds(command, out) for command in commands] == [False]
        (out / f"{name}.sig").write_bytes(signature)
    text = (out / "cp.txt").read_bytes()
    for changed in (text.replace(b"70000", b"70001"), text[:-1], text.replace(b"gw-01", b"gw-02")):
        (out / "cp.txt").write_bytes(changed)
        assert [holds(command, out) for command in (seal, publish)] == [False, False]


def extracted(log: big_log.BigLog, folder: Path) -> Path:
    """A bundle of a stretch of the log, laid out by its own verify.py for other tools."""
    ledger = LedgerFolder(log.ledger)
    head = ledger.published()
    entries = [(index, salt + record) for index, salt, record in ledger.reader.read(51_000, 51_300)]
    request = BundleRequest(
        subject=Subject(kind="range", id="51000"),
        scope="site",
        made_ns=1,
        entries=entries,
        note=log.note,
        policy=big_log.POLICY,
    )
    members = build_bundle(request, TileReader(head.checkpoint.size, head.checkpoint.root, ledger.maker.tile))
    bundle, out = folder / "bundle", folder / "out"
    for name, content in members.items():
        (bundle / name).parent.mkdir(parents=True, exist_ok=True)
        (bundle / name).write_bytes(content)
    script = ROOT / "gateway/ledger/standalone/verify.py"
    done = subprocess.run(
        [sys.executable, "-I", str(script), str(bundle), "--extract", str(out), "--json"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout.splitlines()[-1])["counts"]["records"] == 300
    return out


def holds(command: list[str], folder: Path) -> bool:
    return subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=60).returncode == 0
