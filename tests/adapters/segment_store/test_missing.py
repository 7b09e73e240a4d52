"""A proof that cannot be made names the file, the place and the record, whatever was done to the folder."""

from __future__ import annotations

import pytest

from gateway.adapters.segment_store import SegmentStore
from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.adapters.segment_store.layout import Layout
from gateway.adapters.segment_store.missing import missing_record
from gateway.errors import EvidenceRefused, GatewayError
from tests.fakes.clock import StillClock
from tests.fakes.log import ORIGIN, SEALER, plan, reading

FILE = "00000000000000000000.seg"


@pytest.fixture
def root(tmp_path):
    """A ledger of 60 readings in six frames, published."""
    store = SegmentStore(
        tmp_path / "ledger", ORIGIN, StillClock(), vkeys=[SEALER.vkey], check_place=lambda _: None, reserve_bytes=4096
    )
    tree = store.open().tree
    for start in range(0, 60, 10):
        made = plan(tree, [reading(n) for n in range(start + 1, start + 11)])
        store.commit(made.frames)
        tree = made.head
    store.publish(made.frames[-1].note, 60)
    store.close()
    return tmp_path / "ledger"


def refusal(root, index=3) -> GatewayError:
    with pytest.raises(EvidenceRefused) as refused:
        LedgerFolder(root).prove(index)
    return refused.value


def test_a_flipped_byte_is_named_by_file_place_and_record(root):
    file = root / "seg" / FILE
    content = bytearray(file.read_bytes())
    content[content.index(b'"n":42,') + 4] ^= 1
    file.chmod(0o640)
    file.write_bytes(content)
    error = refusal(root)
    assert error.text.startswith(f"damaged: seg/{FILE} offset ")
    assert ", from record 40 on: " in error.text
    assert error.remedy.startswith("restore this file from backup or mirror; gateway verify")


def test_a_cut_file_is_named_with_where_it_ends(root):
    file = root / "seg" / FILE
    last = [place.offset for place, _ in LedgerFolder(root).reader.frames(0, 60)][-1]
    file.chmod(0o640)
    file.write_bytes(file.read_bytes()[: last + 300])
    assert refusal(root).text.endswith("from record 50 on: a frame is cut")
    file.unlink()
    assert missing_record(Layout(root), 3).text == "record 3: seg/ holds no segment file"


def test_a_file_that_ends_with_a_whole_frame_is_named_too(root):
    file = root / "seg" / FILE
    places = [place.offset for place, _ in LedgerFolder(root).reader.frames(0, 60)]
    file.chmod(0o640)
    file.write_bytes(file.read_bytes()[: places[4]])
    error = refusal(root)
    assert error.text == f"record 40: seg/{FILE} ends before record 40"
    assert error.remedy.startswith("if it was cut: restore")


def test_a_missing_first_file_is_what_pruning_leaves(root):
    (root / "seg" / FILE).rename(root / "seg" / FILE.replace("0.seg", "9.seg"))
    assert missing_record(Layout(root), 3).text == "record 3: the first that is stored is 9"


def test_a_frame_that_belongs_elsewhere_is_named(root):
    file = root / "seg" / FILE
    places = [place.offset for place, _ in LedgerFolder(root).reader.frames(0, 60)]
    content = file.read_bytes()
    file.chmod(0o640)
    file.write_bytes(content[: places[1]] + content[places[2] :])
    assert f"offset {places[1]:,}, from record 10 on: a frame of record 20 stands there" in refusal(root).text
