"""At a start the newest anchor counts wherever it stands: another root at its size is a fork (`ledger.md` 3, start)."""

from __future__ import annotations

import pytest

from gateway.adapters.segment_store import SegmentStore
from gateway.errors import LedgerDoubt
from gateway.ledger.records import Anchor, format_record
from gateway.ledger.segment import SEGMENT_ENTRIES, format_file_header, parse_file_header
from tests.fakes.clock import StillClock
from tests.fakes.log import NOON_NS, ORIGIN, SEALER, gateway, plan, reading
from tests.ledger.damage import flip

SEEN, STANDS = 500, 1_000
"""The tree that was cosigned, and where the anchor says so: in the first of three segments."""
FILLER = b'{"v":1,"kind":"note","n":%d}'


def open_store(path):
    return SegmentStore(path, ORIGIN, StillClock(), vkeys=[SEALER.vkey], check_place=lambda _: None, reserve_bytes=4096)


def anchor(root: bytes, size: int = SEEN, event: str = "cosigned") -> bytes:
    head = {"at_ns": NOON_NS, "boot_ns": 1, "clock": 1}
    return format_record(Anchor(**head, event=event, size=size, root=root.hex()))


def carry(index) -> bytes:
    return gateway("carry", facts={} if index is None else {"anchor_index": index})


def written(path, first: bytes, root: bytes | None = None, index: int | None = STANDS, stand: bytes | None = None):
    """Three segments: one anchor in the first, named by the carries; ``root``: what it says, else the truth."""
    store = open_store(path)
    tree = store.open().tree
    seen = b""

    def add(records):
        nonlocal tree
        made = plan(tree, records)
        store.commit(made.frames)
        tree = made.head

    add([first, *(FILLER % n for n in range(1, SEEN))])
    seen = tree.root()
    add([FILLER % n for n in range(SEEN, STANDS)])
    add([stand or anchor(root or seen), *(FILLER % n for n in range(STANDS + 1, SEGMENT_ENTRIES))])
    for segment in (1, 2):
        add([carry(index), *(FILLER % n for n in range(1, SEGMENT_ENTRIES if segment == 1 else 300))])
    store.publish(made_note(store, tree), tree.size)
    store.close()
    return seen


def made_note(store, tree):
    return store.checkpoint_of(tree.size - 1)[1]


def test_ac_03_an_anchor_two_segments_back_shows_that_all_was_sealed_again(tmp_path):
    seen = written(tmp_path / "true", reading(1))
    again = open_store(tmp_path / "true")
    assert again.open().tree.size == 2 * SEGMENT_ENTRIES + 300
    again.close()
    other = written(tmp_path / "false", reading(1, value=99.0), seen)
    assert other != seen
    with pytest.raises(
        LedgerDoubt, match=rf"^fork: size 500 has root {other.hex()[:8]}, {seen.hex()[:8]} was cosigned"
    ):
        open_store(tmp_path / "false").open()


def test_a_carry_that_names_no_anchor_or_a_record_that_is_none(tmp_path):
    written(tmp_path / "none", reading(1), bytes(32), None)
    store = open_store(tmp_path / "none")
    store.open()
    store.close()
    written(tmp_path / "other", reading(1), None, STANDS + 1)
    with pytest.raises(LedgerDoubt, match=r"damaged: record 1,001 is no anchor"):
        open_store(tmp_path / "other").open()


def test_an_anchor_of_more_than_there_is_is_a_rollback(tmp_path):
    written(tmp_path, reading(1), stand=anchor(bytes(32), 1 << 20, "timestamped"))
    with pytest.raises(LedgerDoubt, match=r"^rollback: ledger ends at 131,372, 1,048,576 were timestamped"):
        open_store(tmp_path).open()


@pytest.mark.parametrize("tile", ["000", "001"])
def test_a_damaged_tile_is_named_itself_and_made_again_once_it_is_removed(tmp_path, tile):
    written(tmp_path, reading(1))
    file = tmp_path / "tile" / "1" / tile
    sound = file.read_bytes()
    file.chmod(0o640)
    file.write_bytes(flip(sound, 100))
    with pytest.raises(LedgerDoubt, match=rf"^damaged: tile/1/{tile} differs from the records below it; where gateway"):
        open_store(tmp_path).open()
    file.unlink()
    store = open_store(tmp_path)
    store.open()
    store.close()
    assert file.read_bytes() == sound


def test_where_the_tiles_are_right_the_file_with_the_wrong_root_is_named(tmp_path):
    written(tmp_path, reading(1))
    file = tmp_path / "seg" / "00000000000000131072.seg"
    content = file.read_bytes()
    header = parse_file_header(content)._replace(root=bytes(32))
    file.write_bytes(format_file_header(header) + content[128:])
    with pytest.raises(LedgerDoubt, match=r"^damaged: 00000000000000131072\.seg offset 0"):
        open_store(tmp_path).open()


def test_the_first_segment_has_no_carry_and_its_own_anchor_counts(tmp_path):
    store = open_store(tmp_path)
    made = plan(store.open().tree, [reading(1), reading(2)])
    store.commit(made.frames)
    more = plan(made.head, [anchor(made.head.root(), 2)])
    store.commit(more.frames)
    store.commit(plan(more.head, [reading(3)]).frames)
    store.close()
    again = open_store(tmp_path)
    again.open()
    again.close()
