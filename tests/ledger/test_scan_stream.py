"""Reading a file in pieces and folding its leaves say the same as reading it whole, whatever is wrong with it."""

from __future__ import annotations

import gc
import random
import weakref

import pytest

from gateway.ledger.frame import frame_entries, frame_leaves, parse_frame, pick_entries, strip_frame
from gateway.ledger.merkle import Tree, cover, hash_leaf
from gateway.ledger.policy import Policy
from gateway.ledger.segment import format_name
from gateway.ledger.segment_stream import SegmentStream
from gateway.ledger.verify import LedgerVerifier, fold_scan, scan_file, scan_stream, unread_file, verify_ledger
from tests.ledger.damage import flip
from tests.ledger.logs import reading, small_log
from tests.ledger.vector_files import SEAL_KEY

POLICY = Policy((SEAL_KEY,))
NAME = format_name(0)


def pieces(content: bytes, size: int) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


def streamed(files: dict[str, bytes], *, size: int = 97, published: bytes | None = None):
    """Verify as `gateway verify` does in its processes; say how many files were read in pieces to their end."""
    verifier = LedgerVerifier(policy=POLICY, published=published, all_seals=True)
    whole = 0
    for name, content in files.items():
        scan = scan_stream(name, pieces(content, size))
        whole += scan is not None
        verifier.add(fold_scan(scan or scan_file(name, content), verifier.watched))
    return verifier.finish(), whole


def test_subtrees_of_any_run_of_leaves_grow_the_same_tree():
    leaves = [hash_leaf(b"%d" % at) for at in range(600)]
    for first in (0, 1, 2, 3, 5, 7, 8, 31, 64, 100, 255, 256):
        for count in (*range(1, 40), 63, 64, 65, 200, 255, 256, 300):
            grown, grafted = Tree(), Tree()
            grown.extend(leaves[:first])
            grafted.extend(leaves[:first])
            grown.extend(leaves[first : first + count])
            nodes = cover(first, leaves[first : first + count])
            grafted.graft(count, nodes)
            assert (grafted.size, grafted.peaks()) == (grown.size, grown.peaks())
            assert len(nodes) <= 2 * count.bit_length()


def test_a_cover_of_other_leaves_is_refused():
    with pytest.raises(AssertionError, match="no cover"):
        Tree().graft(3, cover(0, [hash_leaf(b"a"), hash_leaf(b"b")]))


@pytest.mark.parametrize("size", [1, 63, 64, 128, 1_000, 1 << 20])
def test_pieces_of_any_size_give_the_scan_of_the_whole_file(size):
    content = small_log().files[NAME]
    assert scan_stream(NAME, pieces(content, size)) == scan_file(NAME, content)
    for free in (bytes(5_000), bytes(9)):
        assert scan_stream(NAME, pieces(content + free, size)) == scan_file(NAME, content + free)


def test_a_stream_that_is_left_gives_its_memory_back_at_once():
    stream = SegmentStream(pieces(small_log().files[NAME], 100))
    stream.header()
    next(stream.frames())
    gone = weakref.ref(stream)
    gc.disable()
    try:
        del stream
        assert gone() is None
    finally:
        gc.enable()


def test_only_the_frames_asked_for_are_taken_apart():
    content = small_log().files[NAME]
    stream = SegmentStream(pieces(content, 100))
    stream.header()
    asked: list[int] = []

    def wanted(header):
        asked.append(header.first)
        return header.first == 15

    assert [placed.frame.first for placed in stream.frames(wanted)] == [15]
    assert asked == [0, 5, 15, 25]


def test_picked_entries_are_those_of_the_frame_stripped_or_not():
    log = small_log()
    frame = parse_frame(log.plans[1].frames[0].content)
    entries = frame_entries(frame)
    leaves = [hash_leaf(entry) for entry in entries]
    for one in (frame, parse_frame(strip_frame(frame))):
        assert frame_leaves(one) == leaves
        for wanted in ([], [5], [5, 6, 14], [9], list(range(5, 15))):
            picked = pick_entries(one, wanted)
            assert [(index, salt + record) for index, salt, record in picked] == [
                (at, entries[at - 5]) for at in wanted
            ]
        with pytest.raises(AssertionError, match="not ascending"):
            pick_entries(one, [7, 6])


def test_a_file_that_is_not_in_order_is_not_streamed():
    content = small_log().files[NAME]
    for spoilt in (content[:-1], content[:100], b"", content + b"x", content + bytes(500) + b"x", flip(content, 9)):
        assert scan_stream(NAME, pieces(spoilt, 64)) is None


def test_us_01_a_folded_ledger_is_judged_as_a_whole_one_whatever_bit_is_flipped():
    log, chosen = small_log(), random.Random(5)
    content = log.files[NAME]
    for offset in chosen.sample(range(len(content)), 150):
        files = {NAME: flip(content, offset, chosen.randrange(8))}
        told, whole = streamed(files, published=log.notes[-1])
        assert told == verify_ledger(files.items(), policy=POLICY, all_seals=True, published=log.notes[-1])
        assert told.exit_code
        assert not whole
    told, whole = streamed(log.files)
    assert told == verify_ledger(log.files.items(), policy=POLICY, all_seals=True)
    assert (told.exit_code, whole) == (0, 1)


def test_us_01_a_published_size_inside_a_frame_is_compared_with_its_root():
    log, other = small_log(), small_log()
    other.commit([reading(99)])
    assert streamed(log.files, published=log.notes[2])[0].exit_code == 0
    # the same records in one frame instead of three: the published sizes stand inside it
    joined = type(log)([[*[record for pool in log.plans for record in _records(pool)]]])
    assert streamed(joined.files, published=log.notes[1])[0].exit_code == 1
    assert streamed(joined.files, published=log.notes[1])[0] == verify_ledger(
        joined.files.items(), policy=POLICY, all_seals=True, published=log.notes[1]
    )


def test_us_01_a_file_whose_bytes_cannot_be_had_is_a_finding():
    told = LedgerVerifier(policy=POLICY)
    told.add(unread_file(NAME, "x.seg.zst cannot be unpacked: cut"))
    assert told.finish().last_line == "FAILED at record 0: file cannot be read, x.seg.zst cannot be unpacked: cut"


def _records(plan) -> list[bytes]:
    from gateway.ledger.entry import SALT_SIZE

    return [entry[SALT_SIZE:] for frame in plan.frames for entry in frame_entries(parse_frame(frame.content))]
