"""The golden store of format v1: every later version verifies it, opens it, goes on with it, and reads it byte for byte."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from gateway.adapters.segment_store import SegmentStore
from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.adapters.segment_store.verify_folder import verify_folder
from gateway.ledger.commit import plan_commit
from gateway.ledger.crypto import seal_key, sealer
from gateway.ledger.note import format_vkey, sign_note
from gateway.ledger.policy import parse_policy
from gateway.ledger.records import KINDS, format_record, kind_of, parse_record
from gateway.ledger.tlogproof import check_tlog_proof, parse_tlog_proof
from gateway.ledger.verify import verify_bundle
from tests.fakes.clock import StillClock
from tests.paths import ROOT

GOLDEN = Path(__file__).with_name("v1")
POLICY = parse_policy((GOLDEN / "ledger/keys/policy").read_text())
ORIGIN = "golden.example/site-1/gw-01"
SIZE = 65_603
DIGEST = "f5d24cfb8a47d83a9077205b424d5d9742238da731e520f036ca3dee677bdf91"
ROOT_HASH = "1cb6bcda3e939f2868654ce369238ce78c038a5aa9ba05cb26a912db4c8431cb"
BUNDLE_LINE = "VERIFIED  59 records, 1 head, 1 witness, batch B-GOLD-1"


def differing() -> dict[int, bytes]:
    """Index → JSON of the records that are no plain filling, cut out of their lines as they stand."""
    found = {}
    for line in (GOLDEN / "records.jsonl").read_bytes().splitlines():
        head, _, rest = line.partition(b',"record":')
        found[int(head.removeprefix(b'{"index":'))] = rest[:-1]
    return found


@pytest.fixture
def ledger(tmp_path) -> Path:
    shutil.copytree(GOLDEN / "ledger", tmp_path / "ledger")
    return tmp_path / "ledger"


def test_no_file_of_the_golden_store_was_edited():
    listed = dict(line.split("  ")[::-1] for line in (GOLDEN / "SHA256SUMS").read_text().splitlines())
    found = {
        path.relative_to(GOLDEN).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in GOLDEN.rglob("*")
        if path.is_file() and path.name not in {"README.md", "SHA256SUMS"}
    }
    assert found == listed
    assert DIGEST in (GOLDEN / "README.md").read_text()


def test_us_01_the_golden_ledger_verifies():
    result = verify_folder(GOLDEN / "ledger", policy=POLICY, all_seals=True)
    assert result.lines() == ["VERIFIED  65,603 records, 26 heads, 1 witness"]
    assert (result.size, result.root.hex()) == (SIZE, ROOT_HASH)


def test_golden_records_are_read_back_byte_for_byte():
    digest, due = sha256(), differing()
    for index, salt, record in LedgerFolder(GOLDEN / "ledger").reader.read(0, SIZE):
        digest.update(index.to_bytes(8, "big") + len(record).to_bytes(4, "big") + salt + record)
        if index in due:
            assert record == due.pop(index)
    assert not due
    assert digest.hexdigest() == DIGEST


def test_every_kind_is_understood_and_written_as_it_was():
    records = differing()
    for part in (range(65_536), range(65_536, SIZE)):
        assert {kind_of(record) for index, record in records.items() if index in part} == set(KINDS)
    for index, record in records.items():
        assert format_record(parse_record(record)) == record, index


def test_the_store_opens_the_golden_ledger_and_goes_on(ledger):
    seed = sha256(b"golden v1: seal").digest()
    key = seal_key(ORIGIN, seed)
    store = SegmentStore(
        ledger, ORIGIN, StillClock(), vkeys=[format_vkey(key)], check_place=lambda _: None, reserve_bytes=4096
    )
    head = store.open()
    assert (head.tree.size, head.tree.root().hex()) == (SIZE, ROOT_HASH)
    pool = [next(record for record in differing().values() if kind_of(record) == "annotation")]
    plan = plan_commit(head.tree, ORIGIN, pool, iter([bytes(32)]), lambda text: sign_note(text, [(key, sealer(seed))]))
    store.commit(plan.frames)
    assert [record for _, _, record in store.read(SIZE, SIZE + 1)] == pool
    store.close()
    assert verify_folder(ledger, all_seals=True).last_line.startswith("VERIFIED  65,604 records")


@pytest.mark.parametrize("index", [6, 65_540])
def test_us_01_golden_proofs_hold_and_are_made_again(index):
    proof = (GOLDEN / f"{index}.tlog-proof").read_bytes()
    entry = (GOLDEN / f"{index}.entry").read_bytes()
    assert check_tlog_proof(parse_tlog_proof(proof), entry).size == SIZE
    folder = LedgerFolder(GOLDEN / "ledger")
    assert folder.entry(index) == entry
    assert folder.prove(index) == parse_tlog_proof(proof)


@pytest.mark.parametrize("outside", [False, True])
def test_us_01_the_golden_bundle_verifies(outside):
    with zipfile.ZipFile(GOLDEN / "bundle.zip") as file:
        members = {name: file.read(name) for name in file.namelist()}
    result = verify_bundle(members, policy=POLICY if outside else None)
    assert (result.exit_code, result.last_line) == (0, BUNDLE_LINE)
    shown = {one["index"]: one for one in json.loads(members["batch.json"])["records"]}
    assert set(shown) <= set(differing())


@pytest.mark.parametrize("whose", ["of that time", "of today"])
def test_us_03_verify_py_reads_the_golden_bundle(whose, tmp_path):
    with zipfile.ZipFile(GOLDEN / "bundle.zip") as file:
        file.extractall(tmp_path)
    script = tmp_path / "verify.py" if whose == "of that time" else ROOT / "gateway/ledger/standalone/verify.py"
    done = subprocess.run(
        [sys.executable, "-I", str(script), str(tmp_path), "--witness-policy", str(GOLDEN / "ledger/keys/policy")],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout.splitlines()[-1:], done.stderr) == (0, [BUNDLE_LINE], "")
