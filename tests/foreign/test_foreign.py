"""What others wrote judges what we write: each program accepts the good log and its proofs, and refuses every tampered copy."""

from __future__ import annotations

import base64
import json
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.cli.ledger import ledger
from gateway.ledger.bundle import BundleRequest, Subject, build_bundle
from gateway.ledger.crypto import seal_key, sealer
from gateway.ledger.note import format_vkey, parse_note, sign_note
from gateway.ledger.tile import TileReader
from gateway.ledger.timestamp import make_request
from gateway.ledger.tlogproof import format_tlog_proof
from tests.counterparts import tsa
from tests.counterparts.missing import need
from tests.fakes.log import ORIGIN, SEALER
from tests.foreign import big_log, tools
from tests.ledger.test_keys import SIGNS
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


def test_us_02_tlog_scales_judges_proofs(good_proofs, bad_proofs):
    must_split(judged(scales_of_proofs(), {**good_proofs, **bad_proofs}), set(good_proofs))


def scales_of_proofs() -> list[str]:
    python = tools.environment("tlog-scales") / "python"
    return [str(python), "-I", str(tools.HERE / "judge_scales_proof.py"), LOG_VKEY, WITNESS_VKEY]


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


@pytest.fixture(scope="module")
def authority(log, tmp_path_factory) -> tsa.Authority:
    made = tsa.Authority(tmp_path_factory.mktemp("tsa"), intermediate=True)
    big_log.stamp(log, made)
    return made


def test_ac_03_openssl_judges_the_time_stamp_of_the_log(log, authority, bad_logs, tmp_path):
    """Over the published note of 70,000 entries; a token or a note with one thing changed is refused."""
    token = (log.ledger / "cp" / "x070" / "000.tsr").read_bytes()
    cases = {"good": (log.note, token)}
    for name in ("wrong root", "wrong signature", "other key"):
        cases[name] = ((bad_logs[name] / "checkpoint").read_bytes(), token)
    cases["other size"] = (log.note.replace(b"70000", b"70001"), token)
    cases["cut note"] = (log.note[:-1], token)
    cases["cut token"] = (log.note, token[:-1])
    cases["other imprint"] = (log.note, authority.reply(make_request(bytes(32), 71)))
    cases["other authority"] = (log.note, stranger(log, tmp_path))
    for bit in range(40, 8 * len(token), 8 * len(token) // 24):
        changed = bytearray(token)
        changed[bit // 8] ^= 1 << bit % 8
        cases[f"bit {bit}"] = (log.note, bytes(changed))
    must_split({name: "accepted" if authority.accepts(*case) else "refused" for name, case in cases.items()}, {"good"})


def stranger(log: big_log.BigLog, folder: Path) -> bytes:
    return tsa.Authority(folder / "stranger").reply(make_request(sha256(log.note).digest(), 72))


def test_us_02_foreign_tools_judge_the_whole_proof_of_a_reading(log, authority, tmp_path):
    """What `gateway ledger prove INDEX -o DIR` writes: entry, tlog-proof, time stamp, keys."""
    program, sumdb = tools.environment("proofbundle") / "proofbundle", str(tools.sumdb())
    good, bad = {}, {}
    for index in big_log.PICKED:
        laid = tmp_path / "laid" / str(index)
        done = CliRunner().invoke(ledger, ["prove", str(index), "-o", str(laid), "--path", str(log.ledger)])
        assert re.match(r"inclusion, \d+ hashes, size 70,000, time stamp, before ", done.output), done.output
        names = sorted(one.relative_to(laid).as_posix() for one in laid.rglob("*") if one.is_file())
        assert names == [f"{index}.entry", f"{index}.tlog-proof", f"{index}.tsr", "keys/policy", "keys/tsa.pem"]
        entry, proof = (laid / f"{index}.entry").read_bytes(), (laid / f"{index}.tlog-proof").read_bytes()
        assert authority.accepts(proof.partition(b"\n\n")[2], (laid / f"{index}.tsr").read_bytes())
        assert not authority.accepts(proof, (laid / f"{index}.tsr").read_bytes())
        good[f"record {index}"] = big_log._lay(tmp_path / "good" / str(index), entry, proof)
        bad[f"entry {index}"] = big_log._lay(tmp_path / "entry" / str(index), entry[:-1] + b" ", proof)
        lines = proof.split(b"\n")
        lines[2], lines[3] = lines[3], lines[2]
        bad[f"proof {index}"] = big_log._lay(tmp_path / "proof" / str(index), entry, b"\n".join(lines))
    must_split(judged([sumdb, LOG_VKEY, "proof"], {**good, **bad}), set(good))
    must_split(judged(scales_of_proofs(), {**good, **bad}), set(good))
    must_split({name: proofbundle_says(program, folder) for name, folder in {**good, **bad}.items()}, set(good))


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


def test_us_01_foreign_judges_accept_both_keys_of_a_rotation_and_one_after_it(log, tmp_path):
    """In the overlap a checkpoint bears two seal and two publish lines: who knows one of the seal keys accepts it."""
    new, text = seal_key(ORIGIN, big_log.OTHER_SEED), parse_note(log.note).text
    elder, heir, publish = SIGNS["old"], (new, sealer(big_log.OTHER_SEED)), [SIGNS["publish"], SIGNS["next"]]
    ledger = LedgerFolder(log.ledger)
    entry, proof = ledger.entry(51_207), ledger.prove(51_207)
    notes = {
        "overlap": sign_note(text, [elder, heir, *publish]),
        "retired": sign_note(text, [heir, publish[1]]),
        "before": sign_note(text, [elder, publish[0]]),
    }
    folders = {
        name: big_log._lay(tmp_path / name, entry, format_tlog_proof(replace(proof, note=note)))
        for name, note in notes.items()
    }
    sumdb = str(tools.sumdb())
    must_split(judged([sumdb, LOG_VKEY, "proof"], folders), {"overlap", "before"})
    must_split(judged([sumdb, format_vkey(new), "proof"], folders), {"overlap", "retired"})
