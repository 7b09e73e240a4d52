"""Backup and back: the ledger to its published size and what lies beside it; every changed, missing or exchanged file is named."""

from __future__ import annotations

import base64
import itertools
import os
import shutil
from hashlib import sha256
from pathlib import Path

import apsw
import pytest
from msgspec import structs

from gateway.adapters.backup.content import published_head
from gateway.adapters.backup.make import BackupMaker
from gateway.adapters.backup.manifest import format_manifest, open_manifest
from gateway.adapters.backup.recovery_key import parse_recovery_key
from gateway.adapters.backup.take import newest_backup, take_backup, take_ledger
from gateway.adapters.segment_store import Layout
from gateway.adapters.segment_store.disk import Disk
from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.adapters.segment_store.pack import pack_segment
from gateway.adapters.segment_store.verify_folder import verify_folder
from gateway.errors import ConfigurationRefused, EvidenceRefused, LedgerDoubt, Refused, Unavailable
from tests.adapters.backup.box import KEY, OPENING, POLICY, Box, grow, open_store
from tests.adapters.backup.test_recovery_key import OTHER
from tests.fakes.log import ORIGIN, SEALER


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A packed segment, a full one, one of two files, and a tail that is not published."""
    box = Box(tmp_path_factory.mktemp("full"))
    grow(box.ledger, 66_000)
    store = open_store(box.ledger)
    store.open()
    assert store.pack() == 0
    store.close()
    grow(box.ledger, 66_000)
    grow(box.ledger, 500, 300, published=1)
    grow(box.ledger, 100, published=0)
    box.lay()
    return box


@pytest.fixture
def small(tmp_path):
    box = Box(tmp_path)
    grow(box.ledger, 300, 200)
    box.lay()
    return box


def files(folder: Path) -> dict[str, str]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in found}


def test_us_16_a_restore_ends_at_the_same_head_with_the_same_bytes(full):
    seen = []
    made = full.make(progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] <= seen[-1][1]
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    back = full.take()
    head = published_head(LedgerFolder(full.ledger)).checkpoint
    result = verify_folder(back / "ledger", policy=POLICY, all_seals=True)
    assert result.failures == []
    assert (result.size, result.root) == (head.size, head.root)
    ours, theirs = files(back), files(full.folder)
    expected = {
        name: digest
        for name, digest in theirs.items()
        if name.startswith(("ledger/", "state/", "config/"))
        and not name.startswith(("ledger/LOCK", "ledger/reserve", "state/index.db", "state/control.sock"))
    }
    names = [f"ledger/seg/{name.text}" for name in Layout(full.ledger).segments()]
    changed = {name for name in expected if expected[name] != ours.get(name)}
    assert changed <= {names[-2], names[-1], "state/people.db"}, "the file that holds the published end is cut there"
    assert {names[-2], names[-1]} <= changed
    whole = (full.folder / names[-2]).read_bytes()
    assert whole.startswith((back / names[-2]).read_bytes())
    assert set(ours) == set(expected) - {names[-1]}
    rows = apsw.Connection(str(back / "state/people.db")).execute("SELECT text FROM name").fetchall()
    assert rows == [("A. Person",)]
    assert made.bytes == sum(path.stat().st_size for path in back.rglob("*") if path.is_file())
    shutil.rmtree(full.target)
    shutil.rmtree(back)


def test_us_16_a_restored_ledger_goes_on(small):
    small.make()
    back = small.take()
    assert grow(back / "ledger", 100) == 600
    assert verify_folder(back / "ledger", policy=POLICY).size == 600


def test_nothing_of_the_plant_leaves_in_clear(small):
    made = small.make()
    for path in made.folder.iterdir():
        content = path.read_bytes()
        for word in (b"BR-201", b"A. Person", ORIGIN.encode(), b"gateway.yaml", b"people.db", SEALER.vkey.encode()):
            assert word not in content, (path, word)
    assert max(path.name for path in made.folder.iterdir()) == "manifest"


def test_two_backups_share_no_ciphertext(small):
    first, second = small.make(), small.make()
    ours, theirs = (set(files(one.folder).values()) for one in (first, second))
    assert not ours & theirs


def test_any_changed_object_is_named_and_nothing_is_left(small):
    made = small.make()
    for one in made.kept:
        path = made.folder / one.object
        whole = path.read_bytes()
        for place in {0, len(whole) // 2, len(whole) - 1}:
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            with pytest.raises(EvidenceRefused, match=one.object) as refused:
                small.take()
            assert one.path in refused.value.text
            assert not (small.folder / "back").exists()
        for other in (whole[:-1], whole + b"\0", b""):
            path.write_bytes(other)
            with pytest.raises(EvidenceRefused, match=one.object):
                small.take()
        path.unlink()
        with pytest.raises(EvidenceRefused, match=f"{one.object} .* is missing"):
            small.take()
        path.write_bytes(whole)
    assert small.take().is_dir()


def test_swapped_files_are_refused(small):
    made = small.make()
    first, second = (made.folder / one.object for one in made.kept[:2])
    held = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(held)
    with pytest.raises(EvidenceRefused, match=made.kept[0].object):
        small.take()


def test_the_file_of_another_backup_is_refused(small):
    older, newer = small.make(), small.make()
    same = older.kept[-1]
    assert newer.kept[-1].path == same.path
    shutil.copy(older.folder / same.object, newer.folder / newer.kept[-1].object)
    with pytest.raises(EvidenceRefused, match=same.object):
        small.take()


def test_a_wrong_key_and_a_changed_manifest_are_refused(small):
    made = small.make()
    with pytest.raises(EvidenceRefused, match="wrong key"):
        small.take(key=parse_recovery_key(OTHER, "other"))
    with pytest.raises(ConfigurationRefused, match="a public key opens no backup"):
        small.take(key=KEY)
    path = made.folder / "manifest"
    whole = path.read_bytes()
    for place in [*range(0, len(whole), 97), whole.index(b"\n"), len(whole) - 1]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises((EvidenceRefused, ConfigurationRefused)):
            small.take()
        assert not (small.folder / "back").exists()
    path.unlink()
    with pytest.raises(Unavailable, match="holds no backup"):
        small.take()


def test_a_backup_that_the_gateway_did_not_make_is_refused(small):
    """Who has the public half alone can encrypt; he cannot seal."""
    made = small.make()
    path = made.folder / "manifest"
    manifest = open_manifest(path.read_bytes(), OPENING).manifest
    forger = type(SEALER)(ORIGIN, bytes(32))
    path.write_bytes(format_manifest(structs.replace(manifest, size=1), bytes(32), KEY, os.urandom, forger.seal))
    with pytest.raises(EvidenceRefused, match="was not made by this gateway"):
        small.take()


@pytest.mark.parametrize("name", ["../out", "/etc/passwd", "ledger/../../out", ""])
def test_a_path_never_leads_out_of_the_folder(small, name):
    made = small.make()
    manifest = open_manifest((made.folder / "manifest").read_bytes(), OPENING).manifest
    bent = structs.replace(manifest, files=[structs.replace(manifest.files[0], path=name)])
    with pytest.raises(EvidenceRefused, match="leads out of its folder"):
        take_backup(made.folder, bent, small.folder / "back", lambda _done, _total: None)
    assert not (small.folder / "back").exists()
    assert not (small.folder / "out").exists()


def test_nothing_is_restored_over_something(small):
    small.make()
    (small.folder / "back").mkdir()
    (small.folder / "back" / "kept").write_text("kept")
    with pytest.raises(ConfigurationRefused, match="is not empty"):
        small.take()
    assert files(small.folder / "back") == {"kept": sha256(b"kept").hexdigest()}


def test_what_did_not_change_is_linked_and_stands_alone(small):
    first = small.make()
    grow(small.ledger, 50)
    (small.config / "gateway.yaml").write_text("format: gateway/1 # changed\n")
    second = small.make(before=first)
    assert second.written < first.written / 2
    shutil.rmtree(first.folder)
    back = small.take()
    assert (back / "config/gateway.yaml").read_text().endswith("# changed\n")
    assert published_head(LedgerFolder(back / "ledger")).checkpoint.size == 550


def test_a_rotten_object_is_written_anew_instead_of_linked(small):
    first = small.make()
    rotten = first.folder / first.kept[0].object
    rotten.write_bytes(rotten.read_bytes()[:-1] + b"\0")
    small.make(before=first)
    assert small.take().is_dir()


def test_a_segment_packed_while_it_is_copied_is_taken_packed(full, monkeypatch):
    box = Box(full.folder / "race")
    shutil.copytree(full.ledger, box.ledger)
    box.lay()
    layout = Layout(box.ledger)
    names = [name for name in layout.segments() if name.first // 65_536 == 1]
    assert len(names) == 2
    real, seen = BackupMaker._copy, []

    def copy(maker, item, part):
        real(maker, item, part)
        if item.path.endswith(names[0].text) and not seen:
            seen.append(pack_segment(Disk(), layout, 65_536))

    monkeypatch.setattr(BackupMaker, "_copy", copy)
    made = box.make()
    assert seen
    paths = [one.path for one in made.kept if "/seg/" in one.path]
    assert len(paths) == len(set(paths))
    assert f"ledger/seg/{65_536:020d}.seg.zst" in paths
    assert f"ledger/seg/{names[0].text}" not in paths
    back = box.take()
    assert (
        verify_folder(back / "ledger", policy=POLICY).size == published_head(LedgerFolder(box.ledger)).checkpoint.size
    )


def test_a_target_without_room_or_rights_is_named_and_nothing_is_left(small, monkeypatch):
    def nothing_free(_path):
        return shutil._ntuple_diskusage(100, 90, 10)

    with monkeypatch.context() as patched:
        patched.setattr("gateway.adapters.backup.make.shutil.disk_usage", nothing_free)
        with pytest.raises(Unavailable, match="bytes are free"):
            small.make()
    assert not list(small.target.iterdir())
    small.target.rmdir()
    small.target.write_text("a file")
    with pytest.raises(Unavailable, match="backup to"):
        small.make()


def test_what_an_interrupted_backup_left_is_no_backup(small, monkeypatch):
    def cut(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(BackupMaker, "_read_back", cut)
        patched.setattr("gateway.adapters.backup.make.shutil.rmtree", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            small.make()
    assert [path.suffix for path in small.target.iterdir()] == [".part"]
    small.make()
    assert [path.suffix for path in small.target.iterdir()] == [""]


def test_what_the_target_lost_is_found_when_it_is_read_back(small, monkeypatch):
    real = BackupMaker._read_back

    def bend(maker, part, key):
        path = part / "00000001"
        path.write_bytes(path.read_bytes()[:-1] + b"\0")
        real(maker, part, key)

    monkeypatch.setattr(BackupMaker, "_read_back", bend)
    with pytest.raises(EvidenceRefused, match="00000001"):
        small.make()
    assert not list(small.target.iterdir())


def test_a_damaged_names_file_ends_the_backup(small):
    path = small.state / "people.db"
    content = bytearray(path.read_bytes())
    content[4096:4200] = b"\xff" * 104
    path.write_bytes(content)
    with pytest.raises((LedgerDoubt, Unavailable), match=r"people\.db"):
        small.make()


def test_an_empty_ledger_has_nothing_to_back_up(tmp_path):
    box = Box(tmp_path)
    store = open_store(box.ledger)
    store.open()
    store.close()
    with pytest.raises(Refused, match="nothing was published"):
        box.make()


def test_a_mirrors_folder_restores_too(small):
    grow(small.ledger, 100, published=0)
    take_ledger(small.ledger, small.folder / "back", lambda _done, _total: None)
    result = verify_folder(small.folder / "back/ledger", policy=POLICY, all_seals=True)
    assert (result.size, result.failures) == (500, [])


def test_keys_of_files_are_never_used_twice(small):
    made = [small.make(), small.make()]
    keys = [base64.b64decode(one.key) for each in made for one in each.kept]
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 32 for key in keys)


def test_two_backups_of_one_second_stand_side_by_side(small):
    small.clock = itertools.repeat(0)
    names = [small.make().folder.name for _ in range(3)]
    assert names == [names[0], f"{names[0]}-2", f"{names[0]}-3"]
    assert newest_backup(small.target).name == names[2]
