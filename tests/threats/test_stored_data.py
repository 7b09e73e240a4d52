"""Threat: root edits, deletes, inserts, reorders stored data. Found by any proof, `gateway verify`, the scrub, the next start."""

from __future__ import annotations

import json
import shutil

import pytest

from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.adapters.segment_store.pack import compress
from gateway.adapters.segment_store.scrub import scrub
from gateway.adapters.segment_store.store import SegmentStore
from gateway.adapters.segment_store.verify_folder import verify_folder
from gateway.errors import EvidenceRefused, LedgerDoubt
from gateway.ledger.frame import strip_frame
from gateway.ledger.policy import make_policy
from gateway.ledger.segment import (
    SEGMENT_ENTRIES,
    PlacedFrame,
    format_file_header,
    iterate_frames,
    parse_file_header,
)
from tests.fakes.clock import StillClock
from tests.fakes.log import ORIGIN, SEALER, plan, reading
from tests.fakes.log import gateway as gateway_record
from tests.ledger.damage import edit_value
from tests.threats.box import records_of
from tests.threats.thief import StoredLog, change_frame

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def edited(items):
    return [edit_value(one, b'"batch":"B-1"', b'"batch":"B-9"') if b'"batch":"B-1"' in one else one for one in items]


def deleted(items):
    return items[1:]


def inserted(items):
    return [items[0], items[0][:16] + b'{"v":1,"kind":"note"}', *items[1:]]


def reordered(items):
    return [*items[1:], items[0]]


ATTACKS = {"edited": edited, "deleted": deleted, "inserted": inserted, "reordered": reordered}
CLASSES = {"edited": "altered", "deleted": "missing", "inserted": "inserted", "reordered": "reordered"}


def victim(ledger, attack: str) -> tuple[int, int]:
    """Frame to attack, and a record in it: the batch's start; a frame of several records where one is moved."""
    log = StoredLog(ledger)
    if attack == "edited":
        index = next(index for index, content in records_of(ledger) if b'"batch":"B-1"' in content)
        return log.frame_of(index), index
    number = next(n for n, (_, found) in enumerate(log.placed) if found.frame.n > 2)
    return number, log.first_of(number)


@pytest.mark.parametrize("attack", ATTACKS)
def test_us_01_stored_data_that_was_changed_is_named_by_verify_by_a_proof_and_by_the_next_start(attacked, attack):
    gateway = attacked.box.gateway
    number, index = victim(gateway.ledger, attack)
    change_frame(gateway.ledger, number, ATTACKS[attack])

    said = gateway.run("verify", str(gateway.ledger), "--json", code=1)
    finding = json.loads(said)["findings"][0]
    assert finding["class"] in {CLASSES[attack], "altered"}
    assert abs(finding["first"] - index) <= 3

    with pytest.raises((EvidenceRefused, LedgerDoubt)):
        LedgerFolder(gateway.ledger).prove(index)
    told = gateway.run("ledger", "prove", str(index), "--path", str(gateway.ledger), code=1)
    assert "error" in told

    told = gateway.run("ledger", "scrub", "--path", str(gateway.ledger), "--json", code=1)
    assert {one["file"] for one in json.loads(told)["findings"]} == {finding["file"]}

    assert "damaged: " in attacked.box.refuse_to_start()


@pytest.fixture(scope="module")
def old_segment(tmp_path_factory):
    """A ledger of two segments: records 0..65,535 in frames of 512, published past them."""
    path = tmp_path_factory.mktemp("old") / "ledger"
    store = SegmentStore(
        path, ORIGIN, StillClock(), vkeys=[SEALER.vkey], check_place=lambda _: None, reserve_bytes=4096
    )
    tree = store.open().tree
    for first in range(0, SEGMENT_ENTRIES, 512):
        made = plan(tree, [b'{"v":1,"kind":"note","n":%d}' % n for n in range(first, first + 512)])
        store.commit(made.frames)
        tree = made.head
    made = plan(tree, [reading(1), gateway_record("stop")])
    store.commit(made.frames)
    store.publish(made.frames[-1].note, made.head.size)
    store.close()
    return path


@pytest.mark.parametrize("packed", [False, True])
def test_us_01_an_old_segment_that_was_changed_fails_its_proofs_and_verify(old_segment, tmp_path, packed):
    """A start does not read it: what finds it is whoever asks for a record, and whoever reads all."""
    path = tmp_path / "ledger"
    shutil.copytree(old_segment, path)
    change_frame(path, 40, lambda items: [items[0].replace(b'"n":20480', b'"n":99999'), *items[1:]])
    if packed:
        pack_as_it_is(path / "seg")
    store = SegmentStore(
        path, ORIGIN, StillClock(), vkeys=[SEALER.vkey], check_place=lambda _: None, reserve_bytes=4096
    )
    assert store.open().tree.size == SEGMENT_ENTRIES + 2
    with pytest.raises(EvidenceRefused, match="differs from the tree"):
        store.prove(20_480, SEGMENT_ENTRIES + 2)
    store.close()
    with pytest.raises(EvidenceRefused):
        LedgerFolder(path).prove(20_480)
    result = verify_folder(path, policy=make_policy([SEALER.key], [], []))
    assert result.exit_code == 1
    assert (result.failures[0].class_, result.failures[0].first) == ("altered", 20_480)
    policy = make_policy([SEALER.key], [], [])
    report = scrub(path, [0], [], policy, pace=lambda _: None, progress=lambda _done, _all: None)
    assert [one.file for one in report.findings] == [result.failures[0].file]


def pack_as_it_is(folder):
    """The first segment in its packed form, made by one who does not compare."""
    path = folder / "00000000000000000000.seg"
    content = path.read_bytes()
    frames = [found.frame for found in iterate_frames(content) if isinstance(found, PlacedFrame)]
    head = format_file_header(parse_file_header(content)._replace(stripped=True))
    packed = compress(head + b"".join(strip_frame(frame) for frame in frames), 3)
    (folder / "00000000000000000000.seg.zst").write_bytes(packed)
    path.unlink()
