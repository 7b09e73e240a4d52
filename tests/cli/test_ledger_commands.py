"""`gateway verify` and `gateway ledger`: last lines, exits, files, on our own log and on the vectors of ledger-v1."""

from __future__ import annotations

import json
import re
import shutil
import zipfile

import apsw
import pytest
from click.testing import CliRunner

from gateway.adapters.segment_store import SegmentStore
from gateway.adapters.segment_store.lock import WriterLock
from gateway.cli.ledger import ledger
from gateway.cli.verify import verify
from gateway.errors import ConfigurationRefused, Refused, Unavailable
from gateway.ledger.policy import Policy, format_policy
from gateway.ledger.tlogproof import check_tlog_proof, parse_tlog_proof
from tests.fakes.clock import StillClock
from tests.fakes.log import NOON_NS, ORIGIN, SEALER, plan, reading
from tests.paths import shared


def run(command, *words):
    return CliRunner().invoke(command, [str(word) for word in words], catch_exceptions=False, standalone_mode=True)


@pytest.fixture
def root(tmp_path):
    """A ledger of 300 readings, published at 290."""
    folder = tmp_path / "ledger"
    store = SegmentStore(
        folder, ORIGIN, StillClock(), vkeys=[SEALER.vkey], check_place=lambda _: None, reserve_bytes=4096
    )
    tree = store.open().tree
    for start in range(0, 300, 10):
        made = plan(tree, [reading(n) for n in range(start + 1, start + 11)])
        store.commit(made.frames)
        tree = made.head
        if tree.size == 290:
            store.publish(made.frames[-1].note, 290)
    store.save_policy(format_policy(Policy((SEALER.key,))))
    store.close()
    return folder


@pytest.fixture
def vectors(tmp_path):
    """The ledger of ledger-v1 as a folder."""
    source = shared("vectors/ledger-v1/checkpoint").parent
    folder = tmp_path / "vectors"
    (folder / "seg").mkdir(parents=True)
    (folder / "keys").mkdir()
    shutil.copy(source / "00000000000000000000.seg", folder / "seg")
    shutil.copy(source / "checkpoint", folder)
    shutil.copy(source / "policy", folder / "keys" / "policy")
    return folder


def test_us_01_verify_says_verified_and_exits_0(root):
    result = run(verify, root)
    assert result.output.splitlines()[-1].startswith("VERIFIED  300 records, ")
    assert result.exit_code == 0
    document = json.loads(run(verify, root, "--json", "--all").output)
    assert (document["format"], document["result"]) == ("verify/1", "verified")
    assert (document["counts"]["records"], document["counts"]["heads"]) == (300, 30)


def test_us_01_verify_names_the_first_bad_record_and_exits_1(root):
    file = root / "seg" / "00000000000000000000.seg"
    content = bytearray(file.read_bytes())
    at = content.index(b'"n":42,')
    content[at + 4] ^= 1
    file.chmod(0o640)
    file.write_bytes(content)
    result = run(verify, root, "--quiet")
    assert result.exit_code == 1
    assert result.output.startswith("FAILED at record 41 (")
    assert "BR-201-CTL/temp" in result.output


def test_verify_of_the_vectors_counts_their_witness(vectors):
    result = run(verify, vectors, "--all")
    assert result.output.splitlines()[-1] == "VERIFIED  18 records, 2 heads, 1 witness"
    assert result.exit_code == 0


def test_verify_refuses_what_it_cannot_read_with_69_and_78(root, tmp_path):
    with pytest.raises(Unavailable, match="no seg/"):
        run(verify, tmp_path)
    (tmp_path / "no.zip").write_bytes(b"PK no")
    with pytest.raises(Unavailable, match="cannot be read"):
        run(verify, tmp_path / "no.zip")
    (tmp_path / "policy").write_text("quorum nobody\n")
    with pytest.raises(ConfigurationRefused, match="policy line 1"):
        run(verify, root, "--witness-policy", tmp_path / "policy")
    assert run(verify, tmp_path / "no.zip", "--all").exit_code == 2


def test_verify_of_a_bundle_without_manifest_fails_with_1(tmp_path):
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as bundle:
        bundle.writestr("readings.csv", "a,b")
    result = run(verify, tmp_path / "b.zip")
    assert result.exit_code == 1
    assert "manifest.json" in result.output


def test_status_says_size_age_and_witnesses(root):
    result = run(ledger, "status", "--path", root)
    assert re.match(r"300 entries, published \d+ s ago, 10 not published, no witness", result.output)
    assert result.exit_code == 0
    document = json.loads(run(ledger, "status", "--path", root, "--json").output)
    assert (document["entries"], document["published"], document["origin"]) == (300, 290, ORIGIN)
    (root / "HALTED").write_text('{"cause":"fdatasync failed"}')
    halted = run(ledger, "status", "--path", root)
    assert halted.exit_code == 1
    assert "halted: fdatasync failed" in halted.output


def test_status_counts_the_witness_of_the_vectors(vectors):
    assert "1 of 1 witnesses" in run(ledger, "status", "--path", vectors).output


@pytest.mark.parametrize(("index", "size"), [(0, 290), (289, 290), (295, 300)])
def test_a_proof_checks_against_the_published_head_or_its_own_frames(root, tmp_path, index, size):
    proof, entry = tmp_path / "p.tlog-proof", tmp_path / "e.entry"
    result = run(ledger, "prove", index, "-o", proof, "--entry", entry, "--path", root)
    assert result.output.startswith("inclusion, ")
    checkpoint = check_tlog_proof(parse_tlog_proof(proof.read_bytes()), entry.read_bytes())
    assert (checkpoint.origin, checkpoint.size) == (ORIGIN, size)
    assert entry.read_bytes()[16:] == reading(index + 1)


def test_the_proof_of_the_vectors_is_made_byte_for_byte(vectors, tmp_path):
    proof = tmp_path / "6.tlog-proof"
    run(ledger, "prove", 6, "-o", proof, "--entry", tmp_path / "e", "--path", vectors)
    assert proof.read_bytes() == shared("vectors/ledger-v1/reading-6.tlog-proof").read_bytes()
    assert (tmp_path / "e").read_bytes() == shared("vectors/ledger-v1/reading-6.entry").read_bytes()


def test_us_02_the_whole_proof_of_a_reading_is_a_folder(vectors, tmp_path):
    said = run(ledger, "prove", 6, "-o", tmp_path / "6", "--path", vectors).output
    assert re.fullmatch(r"inclusion, \d+ hashes, size 18, no time stamp yet(, (after|before) .*)?\n", said)
    files = {one.relative_to(tmp_path / "6").as_posix(): one for one in (tmp_path / "6").rglob("*") if one.is_file()}
    assert sorted(files) == ["6.entry", "6.tlog-proof", "keys/policy"]
    assert files["6.tlog-proof"].read_bytes() == shared("vectors/ledger-v1/reading-6.tlog-proof").read_bytes()
    assert files["6.entry"].read_bytes() == shared("vectors/ledger-v1/reading-6.entry").read_bytes()
    assert files["keys/policy"].read_bytes() == (vectors / "keys/policy").read_bytes()
    told = json.loads(run(ledger, "prove", 6, "-o", tmp_path / "json", "--json", "--path", vectors).output)
    assert (told["size"], told["files"]) == (18, ["6.entry", "6.tlog-proof", "keys/policy"])


def test_a_whole_proof_without_a_policy_is_refused(root, tmp_path):
    (root / "keys" / "policy").unlink()
    with pytest.raises(Refused, match="would name no key"):
        run(ledger, "prove", 6, "-o", tmp_path / "6", "--path", root)


def test_a_proof_of_what_is_not_there_is_refused(root):
    with pytest.raises(Refused, match="record 300 is not in the ledger"):
        run(ledger, "prove", 300, "--path", root)
    assert run(ledger, "prove", "--path", root).exit_code == 2
    assert run(ledger, "prove", "--from-size", 100, "--path", root).output.count("\n") > 3


def test_the_export_of_the_vectors_is_their_tile_folder(vectors, tmp_path):
    result = run(ledger, "export", "--to", tmp_path / "out", "--path", vectors)
    assert result.output == "3 files\n"
    source = shared("vectors/ledger-v1/checkpoint").parent
    for name in ("checkpoint", "tile/0/000.p/18", "tile/entries/000.p/18"):
        assert (tmp_path / "out" / name).read_bytes() == (source / name).read_bytes()
    with pytest.raises(Refused, match="not empty"):
        run(ledger, "export", "--to", tmp_path / "out", "--path", vectors)


def test_an_export_holds_full_and_partial_tiles_of_every_level(root, tmp_path):
    run(ledger, "export", "--to", tmp_path / "out", "--size", 300, "--path", root)
    names = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file())
    assert names == [
        "checkpoint",
        "tile/0/000",
        "tile/0/001.p/44",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/44",
    ]
    with pytest.raises(Refused, match="no sealed head of size 295"):
        run(ledger, "export", "--to", tmp_path / "other", "--size", 295, "--path", root)


def test_rebuild_index_needs_the_gateway_stopped(root):
    result = run(ledger, "rebuild-index", "--path", root)
    assert result.output == "300 entries, 0 s\n"
    assert (root.parent / "state" / "index.db").is_file()
    running = WriterLock(root / "LOCK")
    running.take(NOON_NS)
    with pytest.raises(Unavailable, match="ledger in use by pid"):
        run(ledger, "rebuild-index", "--path", root)
    running.release()


def test_us_01_verify_all_names_what_the_index_hides_and_the_ledger_stays_sound(root):
    assert run(ledger, "rebuild-index", "--path", root).exit_code == 0
    assert run(verify, root, "--all").exit_code == 0
    index = apsw.Connection(str(root.parent / "state" / "index.db"))
    index.execute("UPDATE signal SET n = n - 1")
    index.close()
    answer = run(verify, root, "--all", "--json")
    assert answer.exit_code == 1
    (finding,) = [one for one in json.loads(answer.output)["findings"] if one["class"] != "note"]
    assert (finding["class"], finding["first"]) == ("index", 299)
    assert finding["text"].startswith("FAILED at record 299: index differs from ledger (signal)")
    assert run(verify, root).exit_code == 0, "the index is no evidence"
    assert run(ledger, "rebuild-index", "--path", root).exit_code == 0
    assert run(verify, root, "--all").exit_code == 0
