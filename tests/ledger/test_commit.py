"""Planning a commit: the worked example byte for byte, splits at segment ends and at 64 MiB, replay grows the same tree."""

from __future__ import annotations

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from gateway.ledger import commit
from gateway.ledger.checkpoint import Checkpoint, parse_checkpoint
from gateway.ledger.commit import plan_commit, replay_frame, split_pool
from gateway.ledger.frame import FRAME_BYTES_MAX, parse_frame
from gateway.ledger.merkle import EMPTY_ROOT, Tree
from gateway.ledger.note import parse_note
from gateway.ledger.segment import SEGMENT_ENTRIES, make_file_header
from tests.ledger.logs import seeds
from tests.ledger.vector_files import FRAME_SEEDS, ORIGIN, records, seal, vector


def test_us_01_the_worked_example_is_reproduced_byte_for_byte():
    one = plan_commit(Tree(), ORIGIN, records()[:5], iter(FRAME_SEEDS[:1]), seal)
    two = plan_commit(one.head, ORIGIN, records()[5:], iter(FRAME_SEEDS[1:]), seal)
    content = make_file_header(ORIGIN, 0, EMPTY_ROOT) + one.frames[0].content + two.frames[0].content
    assert content == vector("00000000000000000000.seg")
    assert sha256(content).hexdigest() == "577a41e46348031dd09f194ace35851698a23efe3b30f234f2a76cd50179e40c"
    assert two.head.root().hex() == "d1d14d68e3bd5206930aeeaf6b584bf771bcf2b3174de259bfa1e655540c3a35"
    assert one.frames[0].opens_segment
    assert not two.frames[0].opens_segment
    assert two.frames[0].root_before == one.head.root()


def test_a_plan_leaves_the_head_as_it_is():
    head = Tree()
    plan = plan_commit(head, ORIGIN, records(), seeds(), seal)
    assert (head.size, plan.head.size) == (0, 18)
    assert plan_commit(head, ORIGIN, [], seeds(), seal).frames == ()


def test_a_pool_over_a_segment_end_becomes_two_frames():
    head = Tree()
    head.extend([bytes([1]) * 32] * (SEGMENT_ENTRIES - 3))
    plan = plan_commit(head, ORIGIN, [b"{}"] * 5, seeds(), seal)
    assert [(f.first, f.n, f.stop, f.opens_segment) for f in plan.frames] == [
        (SEGMENT_ENTRIES - 3, 3, SEGMENT_ENTRIES, False),
        (SEGMENT_ENTRIES, 2, SEGMENT_ENTRIES + 2, True),
    ]
    assert plan.frames[1].root_before == plan.frames[0].checkpoint.root
    assert list(plan.frames[0].grown) == [1, 2]
    for frame in plan.frames:
        assert parse_checkpoint(parse_note(frame.note).text) == frame.checkpoint


@given(st.integers(0, 3 * SEGMENT_ENTRIES), st.integers(0, 3000))
def test_split_pool_keeps_every_record_and_no_frame_crosses_a_segment(size, n):
    counts = split_pool(size, [b"x"] * n)
    assert sum(counts) == n
    for count in counts:
        assert count
        assert (size % SEGMENT_ENTRIES) + count <= SEGMENT_ENTRIES
        size += count


def test_a_pool_over_64_mib_becomes_frames_under_it(monkeypatch):
    longest = [b"x" * 65_519] * 1100
    counts = split_pool(0, longest)
    assert sum(counts) == 1100
    assert len(counts) == 2
    assert counts[0] * (65_519 + 22) < FRAME_BYTES_MAX < (counts[0] + 2) * (65_519 + 22)
    monkeypatch.setattr(commit, "FRAME_BYTES_MAX", commit._FRAME_OVERHEAD + 100)
    assert split_pool(0, [b"x" * 20] * 5) == [2, 2, 1]
    # The sum that a pool is measured by and the sum that cuts it are the same sum: an exact fit is one frame.
    assert split_pool(0, [b"x" * 28] * 2) == [2]
    assert split_pool(0, [b"x" * 28, b"x" * 29]) == [1, 1]


def test_replay_grows_the_same_tree():
    plan = plan_commit(Tree(), ORIGIN, records(), seeds(), seal)
    tree = Tree()
    leaves, grown = replay_frame(tree, parse_frame(plan.frames[0].content))
    assert (leaves, grown) == (plan.frames[0].leaf_hashes, plan.frames[0].grown)
    assert Checkpoint(ORIGIN, tree.size, tree.root()) == plan.frames[0].checkpoint
