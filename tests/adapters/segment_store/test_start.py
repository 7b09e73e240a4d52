"""The start check, row by row of `ledger.md` 3: torn tails are recovered, damage and rollback halt and change nothing."""

from __future__ import annotations

import re
from hashlib import sha256

import pytest

from gateway.adapters.keys import Ed25519Sealer
from gateway.adapters.segment_store import SegmentStore
from gateway.adapters.segment_store.verify_folder import verify_folder
from gateway.errors import LedgerDoubt
from gateway.ledger.note import sign_note
from gateway.ledger.policy import Policy, Span, format_policy
from gateway.ledger.segment import make_file_header
from tests.fakes.clock import StillClock
from tests.fakes.log import ORIGIN, SEALER, gateway, plan, reading
from tests.ledger.test_keys import NEW_KEY, PUBLISH, SIGNS

FIRST = "00000000000000000000.seg"
POLICY = Policy((SEALER.key,))


def open_store(path, **changes):
    given = {"vkeys": [SEALER.vkey], "check_place": lambda _: None, "reserve_bytes": 4096}
    return SegmentStore(path, ORIGIN, StillClock(), **given | changes)


def written(path, *pools, publish=False):
    """A ledger of these pools, one frame each; returns the frames' offsets in the first file."""
    store = open_store(path)
    tree = store.open().tree
    offsets = []
    for pool in pools:
        made = plan(tree, pool)
        store.commit(made.frames)
        tree = made.head
        offsets.append(store._writer.offset)
    if publish:
        store.publish(store.checkpoint_of(tree.size - 1)[1], tree.size)
    store.close()
    return offsets, tree


def snapshot(path):
    return {
        p.relative_to(path): p.read_bytes()
        for p in path.rglob("*")
        if p.is_file() and p.name not in {"LOCK", "reserve"}
    }


def patch(file, offset, content):
    with file.open("r+b") as opened:
        opened.seek(offset)
        opened.write(content)


def test_us_01_a_torn_tail_is_kept_as_evidence_and_cut_off(tmp_path):
    offsets, tree = written(tmp_path, [reading(1)], [reading(2)])
    torn = plan(tree, [reading(3)]).frames[0].content[:-20]
    patch(tmp_path / "seg" / FIRST, offsets[-1], torn)
    store = open_store(tmp_path)
    head = store.open()
    assert (head.tree.size, head.torn_bytes, head.torn_sha256) == (2, len(torn), sha256(torn).hexdigest())
    assert head.unclean
    kept = tmp_path / "quarantine" / f"{FIRST}-{offsets[-1]}.torn"
    assert kept.read_bytes() == torn
    assert (tmp_path / "seg" / FIRST).stat().st_size == offsets[-1]
    store.commit(plan(head.tree, [gateway("recovered")]).frames)
    assert (tmp_path / "seg" / "00000000000000000002.seg").is_file(), "no append to a file after an unclean stop"
    store.close()
    assert verify_folder(tmp_path, policy=POLICY).last_line == "VERIFIED  3 records, 2 heads"


def test_a_torn_tail_that_ends_in_zeros_is_found_whole_at_every_cut(tmp_path):
    offsets, tree = written(tmp_path / "a", [reading(1)])
    whole = plan(tree, [reading(2)]).frames[0].content
    for cut in (1, 3, 4, 63, 64, 65, 100, len(whole) - 5, len(whole) - 1):
        path = tmp_path / str(cut)
        written(path, [reading(1)])
        patch(path / "seg" / FIRST, offsets[-1], whole[:cut])
        store = open_store(path)
        head = store.open()
        assert head.tree.size == 1
        assert 0 < head.torn_bytes <= cut
        store.close()


def test_a_whole_frame_at_the_end_is_kept_acknowledged_or_not(tmp_path):
    offsets, tree = written(tmp_path, [reading(1)])
    patch(tmp_path / "seg" / FIRST, offsets[-1], plan(tree, [reading(2)]).frames[0].content)
    store = open_store(tmp_path)
    head = store.open()
    assert (head.tree.size, head.torn_bytes) == (2, 0)
    store.close()


@pytest.mark.parametrize("content", [b"", bytes(4096), make_file_header(ORIGIN, 2, bytes(32)), b"garbage" * 99])
def test_a_file_without_a_whole_frame_goes_to_quarantine_entirely(tmp_path, content):
    _, tree = written(tmp_path, [reading(1)], [reading(2)])
    stranger = tmp_path / "seg" / "00000000000000000002.seg"
    stranger.write_bytes(content)
    store = open_store(tmp_path)
    head = store.open()
    assert (head.tree.size, head.tree.root()) == (2, tree.root())
    assert head.unclean
    assert not stranger.exists()
    assert (tmp_path / "quarantine" / f"{stranger.name}-0.torn").read_bytes() == content
    store.commit(plan(head.tree, [reading(3)]).frames)
    store.close()


def test_us_01_a_flipped_bit_before_a_valid_frame_halts_and_changes_nothing(tmp_path):
    offsets, _ = written(tmp_path, [reading(1)], [reading(2), reading(3)], [reading(4)])
    file = tmp_path / "seg" / FIRST
    content = bytearray(file.read_bytes())
    content[offsets[0] + 150] ^= 1
    file.write_bytes(content)
    before = snapshot(tmp_path)
    with pytest.raises(LedgerDoubt) as caught:
        open_store(tmp_path).open()
    text = str(caught.value)
    assert text.startswith(f"damaged: {FIRST} offset {offsets[0]:,}, records ")
    assert text.endswith("; restore this file from backup or mirror")
    assert snapshot(tmp_path) == before


def test_us_01_every_bit_of_a_frame_that_is_followed_by_another_is_guarded(tmp_path):
    offsets, _ = written(tmp_path, [reading(1)], [reading(2)])
    file = tmp_path / "seg" / FIRST
    sound = file.read_bytes()
    for at in range(0, offsets[0], 7):
        broken = bytearray(sound)
        broken[at] ^= 1 << at % 8
        file.write_bytes(broken)
        with pytest.raises(LedgerDoubt, match=r"^damaged: "):
            open_store(tmp_path).open()
    file.write_bytes(sound)
    store = open_store(tmp_path)
    store.open()
    store.close()


def test_a_hole_between_files_halts(tmp_path):
    written(tmp_path, [reading(1)])
    store = open_store(tmp_path)
    tree = store.open().tree
    store.commit(plan(tree, [reading(2)]).frames)
    store.close()
    store = open_store(tmp_path)
    tree = store.open().tree
    store.commit(plan(tree, [reading(3)]).frames)
    store.close()
    (tmp_path / "seg" / "00000000000000000001.seg").rename(tmp_path / "taken")
    with pytest.raises(LedgerDoubt, match=r"^damaged: "):
        open_store(tmp_path).open()


def test_another_logs_files_are_refused(tmp_path):
    written(tmp_path, [reading(1)])
    store = SegmentStore(tmp_path, "acme.example/basel/gw-02", StillClock(), check_place=lambda _: None)
    with pytest.raises(LedgerDoubt, match="belong to the log"):
        store.open()


def test_a_seal_of_another_key_halts(tmp_path):
    written(tmp_path, [reading(1)])
    stranger = Ed25519Sealer(ORIGIN, bytes(32)).vkey
    with pytest.raises(LedgerDoubt, match="signature"):
        open_store(tmp_path, vkeys=[stranger]).open()


def test_ac_03_a_ledger_smaller_than_published_is_a_rollback_and_nothing_is_cut(tmp_path):
    offsets, _ = written(tmp_path, [reading(1)], [reading(2)], publish=True)
    patch(tmp_path / "seg" / FIRST, offsets[0] + 10, b"\xff\xff")  # looks torn, but it was published
    before = snapshot(tmp_path)
    with pytest.raises(LedgerDoubt, match="rollback: ledger ends at 1, 2 were published"):
        open_store(tmp_path).open()
    assert snapshot(tmp_path) == before


def test_ac_03_an_empty_folder_with_a_published_checkpoint_is_a_rollback(tmp_path):
    written(tmp_path, [reading(1)], publish=True)
    (tmp_path / "seg" / FIRST).unlink()
    with pytest.raises(LedgerDoubt, match="rollback: ledger ends at 0, 1 were published"):
        open_store(tmp_path).open()


def test_ac_03_another_root_at_the_published_size_is_a_fork(tmp_path):
    written(tmp_path / "true", [reading(1)], [reading(2)], publish=True)
    written(tmp_path / "false", [reading(1)], [reading(2, value=1.5)])
    (tmp_path / "true" / "seg" / FIRST).write_bytes((tmp_path / "false" / "seg" / FIRST).read_bytes())
    with pytest.raises(LedgerDoubt, match=r"^fork: size 2 has root "):
        open_store(tmp_path / "true").open()
    written(tmp_path / "longer", [reading(1)], [reading(2, value=1.5)], [reading(3)])
    (tmp_path / "true" / "seg" / FIRST).write_bytes((tmp_path / "longer" / "seg" / FIRST).read_bytes())
    with pytest.raises(LedgerDoubt, match=r"^fork: size 2 has root "):
        open_store(tmp_path / "true").open()


def published(path, *signers) -> None:
    """Put a note of two records with these lines in the place of the published one."""
    text = (path / "checkpoint").read_bytes().partition(b"\n\n")[0] + b"\n"
    (path / "checkpoint").write_bytes(sign_note(text, signers))


@pytest.mark.parametrize(
    ("signers", "spans", "says"),
    [
        (("old", "publish"), (), None),
        (("old",), (), f"signature of {PUBLISH} does not verify"),
        (("publish",), (), f"signature of {SEALER.key} does not verify|signature of {ORIGIN}"),
        (("old",), ((PUBLISH, Span(3)),), None),
        (("old",), ((PUBLISH, Span(0, 1)),), None),
        (("old",), ((PUBLISH, Span(2, 2)),), f"signature of {PUBLISH} does not verify"),
    ],
)
def test_ac_03_a_published_checkpoint_without_the_line_that_its_size_demands_halts(tmp_path, signers, spans, says):
    written(tmp_path, [reading(1)], [reading(2)], publish=True)
    policy = Policy(logs=(SEALER.key,), publish=(PUBLISH,), spans=spans)
    (tmp_path / "keys" / "policy").write_text(format_policy(policy))
    published(tmp_path, *(SIGNS[one] for one in signers))
    if says is None:
        assert open_store(tmp_path).open().tree.size == 2
        return
    before = snapshot(tmp_path)
    with pytest.raises(LedgerDoubt, match="damaged: checkpoint: at size 2: ") as doubt:
        open_store(tmp_path).open()
    assert re.search(says.replace("+", "[+]"), doubt.value.text)
    assert snapshot(tmp_path) == before


def test_us_01_a_former_seal_key_still_counts_for_what_it_sealed_when_its_private_half_is_gone(tmp_path):
    written(tmp_path, [reading(1)], [reading(2)], publish=True)
    policy = Policy(logs=(NEW_KEY,), former=(SEALER.key,), spans=((SEALER.key, Span(0, 2)),))
    (tmp_path / "keys" / "policy").write_text(format_policy(policy))
    store = open_store(tmp_path, vkeys=[])
    assert store.open().tree.size == 2
    store.close()
    ended = policy._replace(spans=((SEALER.key, Span(0, 1)),))
    (tmp_path / "keys" / "policy").write_text(format_policy(ended))
    with pytest.raises(LedgerDoubt, match="signature"):
        open_store(tmp_path, vkeys=[]).open()


def test_di_13_ten_restarts_leave_one_contiguous_sequence(tmp_path):
    n = 0
    for round_ in range(10):
        store = open_store(tmp_path)
        head = store.open()
        assert head.tree.size == n + round_ // 2
        tree = head.tree
        for _ in range(3):
            made = plan(tree, [reading(n + 1)])
            store.commit(made.frames)
            tree, n = made.head, n + 1
        if round_ % 2:
            store.commit(plan(tree, [gateway("stop")]).frames)
        store.close()
    result = verify_folder(tmp_path, policy=POLICY, all_seals=True)
    assert (result.exit_code, result.counts.records) == (0, 35)
    assert len(list((tmp_path / "seg").iterdir())) == 6, "one file per unclean stop, none per clean one"


def test_modes_of_folders_and_files(tmp_path):
    path = tmp_path / "ledger"
    written(path, [reading(1)])
    store = open_store(path)
    store.commit(plan(store.open().tree, [reading(2)]).frames, [b"side object"])
    assert {oct(p.stat().st_mode & 0o777) for p in (path, path / "seg", path / "blob")} == {"0o750"}
    assert oct((path / "seg" / FIRST).stat().st_mode & 0o777) == "0o440", "finished"
    assert oct((path / "seg" / "00000000000000000001.seg").stat().st_mode & 0o777) == "0o640", "open"
    store.close()


def test_missing_tiles_are_made_again_and_lead_to_the_same_head(tmp_path):
    store = open_store(tmp_path)
    tree = store.open().tree
    for start in range(0, 140_000, 35_000):
        made = plan(tree, [b'{"v":1,"kind":"note","n":%d}' % n for n in range(start, start + 35_000)])
        store.commit(made.frames)
        tree = made.head
    store.close()
    tiles = {p.name: p.read_bytes() for p in (tmp_path / "tile" / "1").iterdir()}
    assert set(tiles) == {"000", "001"}
    for path in (tmp_path / "tile" / "1").iterdir():
        path.unlink()
    store = open_store(tmp_path)
    assert store.open().tree.root() == tree.root()
    assert {p.name: p.read_bytes() for p in (tmp_path / "tile" / "1").iterdir()} == tiles
    store.close()
    result = verify_folder(tmp_path, policy=POLICY, first=70_000, stop=80_000)
    assert result.counts.records == 65_536
    assert result.exit_code == 0
