"""The one verifier on a ledger folder: a clean log passes, each kind of damage is named with its record and exact line."""

from __future__ import annotations

import pickle

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ledger.checkpoint import Checkpoint, format_checkpoint
from gateway.ledger.crypto import seal_key, sealer
from gateway.ledger.frame import format_frame, parse_frame
from gateway.ledger.merkle import Tree
from gateway.ledger.note import sign_note
from gateway.ledger.policy import make_policy
from gateway.ledger.records import Config, Key
from gateway.ledger.segment import make_file_header
from gateway.ledger.verify import scan_file, verify_ledger
from gateway.ledger.verify.texts import describe
from tests.ledger.damage import flip, replace_frame, rewrite, strip_log
from tests.ledger.logs import Log, genesis, reading, small_log
from tests.ledger.test_damage import PLAIN, POLICY, TIME_6, altered_in_place, cosigned, swap, verified
from tests.ledger.vector_files import ORIGIN, SEAL_KEY


def test_us_01_wrong_seal_key():
    other = bytes(range(1, 33))

    def forge(text: bytes) -> bytes:
        return sign_note(text, [(seal_key(ORIGIN, other), sealer(other))])

    log = small_log()
    log.sealer = forge
    log.commit([reading(31)])
    key = str(seal_key(ORIGIN, other))
    result = verified(log, published=False)
    assert result.last_line == f"FAILED at size 36: signature of {key} does not verify"
    assert (result.failures[0].class_, result.failures[0].size) == ("signature", 36)


def test_us_01_seal_that_fails():
    def forge(text: bytes) -> bytes:
        return sign_note(text, [(SEAL_KEY, lambda _: bytes(64))])

    log = small_log()
    log.sealer = forge
    log.commit([reading(31)])
    log.sealer = Log([]).sealer
    log.commit([reading(32)])
    line = "FAILED at size 36: signature of acme.example/basel/gw-01+c04564cd does not verify"
    assert verified(log, all_seals=True).last_line == line
    assert verified(log).exit_code == 0, "only the last seal of a file is checked unless all are asked for"


def test_us_01_two_sealed_trees():
    log, other = small_log(), Log([genesis(), [reading(n) for n in range(2, 32)]])
    result = verify_ledger(log.files.items(), published=other.notes[-1], policy=PLAIN)
    ours, theirs = log.head.root()[:4].hex(), other.head.root()[:4].hex()
    assert result.last_line == f"FAILED at size 35: two sealed trees, roots {ours} and {theirs}"
    assert result.failures[0].class_ == "split"


def test_us_01_published_size_inside_a_frame_is_compared_too():
    log = small_log()
    tree = Tree()
    tree.extend([leaf for plan in log.plans for frame in plan.frames for leaf in frame.leaf_hashes][:20])
    for root, exit_code in ((tree.root(), 0), (bytes(32), 1)):
        note = log.sealer(format_checkpoint(Checkpoint(ORIGIN, 20, root)))
        result = verify_ledger(log.files.items(), published=note, policy=PLAIN)
        assert result.exit_code == exit_code, result.lines()


def test_us_01_witnesses_that_the_policy_asks():
    log = small_log()
    bare = verified(log, policy=POLICY)
    assert bare.last_line == "UNWITNESSED at size 35: 0 of 1 cosignatures"
    assert (bare.result, bare.exit_code) == ("unwitnessed", 1)
    note = cosigned(log.notes[-1])
    good = verify_ledger(log.files.items(), published=note, policy=POLICY)
    assert good.last_line == "VERIFIED  35 records, 1 head, 1 witness"
    bad = verify_ledger(log.files.items(), published=note[:-20] + b"AAAA" + note[-16:], policy=POLICY)
    assert bad.last_line == "FAILED at size 35: signature of witness.example/hq+95eab388 does not verify"


def test_us_01_demanded_publish_key():
    key = seal_key(ORIGIN, bytes(32))
    policy = make_policy([SEAL_KEY], [key], [])
    log = small_log()
    assert verified(log, policy=policy).last_line == f"FAILED at size 35: signature of {key} does not verify"


def test_us_01_published_note_that_is_none():
    log = small_log()
    result = verify_ledger(log.files.items(), published=b"rubbish", policy=PLAIN)
    assert result.last_line.startswith("FAILED at size 0: note has no empty line")


def test_us_01_key_that_the_policy_does_not_trust():
    other = make_policy([seal_key(ORIGIN, bytes(32))], [], [])
    line = "FAILED at size 35: signature of acme.example/basel/gw-01+c04564cd does not verify"
    assert verified(small_log(), policy=other).last_line == line


def test_us_01_holes_in_n_are_found_though_every_seal_holds():
    log = small_log()
    log.commit([reading(33)])
    assert verified(log).last_line == "FAILED at record 35: reading 33 of FRZ-01/temp after 30"
    assert verified(log).failures[0].class_ == "missing"
    log.commit([reading(33)])
    assert [one.class_ for one in verified(log).failures] == ["missing", "inserted"]
    again = Log([genesis(), [reading(2)]])
    assert verified(again).last_line == "FAILED at record 5: reading 2 of FRZ-01/temp after 0"


def test_us_01_n_runs_on_in_the_next_file():
    log = small_log()
    log.new_file()
    log.commit([reading(31)])
    assert verified(log).last_line == "VERIFIED  36 records, 2 heads"
    log.new_file()
    log.commit([reading(34)])
    assert verified(log).last_line == "FAILED at record 36: reading 34 of FRZ-01/temp after 31"


def test_us_01_a_scan_travels_from_one_process_to_another():
    """Large ledgers are scanned on all cores; keys and configurations are among what a scan carries."""
    log = Log([[*genesis(), reading(1)]])
    ((name, content),) = log.files.items()
    scan = scan_file(name, content)
    assert [type(record) for _, record in scan.facts.told] == [Key, Config]
    assert pickle.loads(pickle.dumps(scan)) == scan


def test_us_01_files_that_do_not_follow_each_other():
    log = small_log()
    log.new_file()
    log.commit([reading(31)])
    log.new_file()
    log.commit([reading(32)])
    files = list(log.files.items())
    assert verify_ledger([files[0], files[2]]).last_line == "FAILED at record 35: 1 record missing"
    assert verify_ledger(files[1:]).last_line == "FAILED at record 0: 35 records missing"
    torn = [(files[0][0], files[0][1] + b"rest of a frame"), *files[1:]]
    assert verify_ledger(torn).last_line == "FAILED at record 35: record was never sealed"
    renamed = [(files[1][0], files[0][1])]
    assert verify_ledger(renamed).exit_code == 1
    headless = [(files[0][0], b"X" + files[0][1][1:]), *files[1:]]
    assert "file cannot be read" in verify_ledger(headless).last_line


def test_us_01_header_that_belongs_to_another_log_or_root():
    log = small_log()
    log.new_file()
    log.commit([reading(31)])
    first, second = log.files
    content = log.files[second][128:]
    for header, why in (
        (make_file_header("other.example/x", 35, log.plans[3].head.root()), "file of another log"),
        (make_file_header(ORIGIN, 35, bytes(32)), "root in the file header differs"),
        (make_file_header(ORIGIN, 36, bytes(32)), "file name and header differ"),
    ):
        result = verify_ledger([(first, log.files[first]), (second, header + content)])
        assert result.last_line == f"FAILED at record 35: {why}"


def test_us_01_damaged_frame_whose_records_are_whole():
    log = small_log()
    name, offset, length = log.frames[1]
    for at in (offset + length - 1, offset + length - 220):
        content = flip(log.files[name], at)
        result = verify_ledger([(name, content)])
        assert result.last_line == "FAILED in records 5..14: frame is damaged, its records are whole"
    rewrite(log, 1, list, prefixes=lambda kept: [b"\0\0\0\0", *kept[1:]])
    assert verified(log).last_line == "FAILED in records 5..14: frame is damaged, its records are whole"


def test_us_01_checkpoint_of_another_frame():
    log = small_log()
    name, offset, _ = log.frames[1]
    frame = parse_frame(log.files[name], offset)
    leaves = log.plans[1].frames[0].leaf_hashes
    for note, line in (
        (log.notes[0], "FAILED at record 5: record was never sealed"),
        (log.notes[2], "FAILED at record 15: 10 records missing"),
        (b"rubbish", "FAILED at size 15: note has no empty line between text and signatures"),
        (log.notes[1].replace(b"gw-01", b"gw-02"), "FAILED at size 15: checkpoint of acme.example/basel/gw-02"),
    ):
        damaged = small_log()
        replace_frame(damaged, 1, format_frame(5, frame.seed, frame.body, leaves, note))
        assert verified(damaged).last_line == line


def told(*more: bytes) -> Log:
    log = small_log()
    log.commit(more)
    return log


HEAD = b'{"v":1,"kind":"%b","at_ns":1792888300000000000,"boot_ns":1,"clock":1,'


def test_unknown_kinds_and_members_are_notes():
    log = told(
        HEAD % b"telepathy" + b'"x":1}',
        reading(31)[:-1] + b',"mood":"good"}',
        HEAD % b"gap" + b'"event":"opened"}',
        HEAD % b"clock" + b'"more":1}',
        b"no json",
        reading(32).replace(b'"quality":"good"', b'"quality":7'),
        reading(32),
    )
    result = verified(log)
    assert result.last_line == "VERIFIED  42 records, 1 head"
    notes = result.lines()[:-1]
    assert notes[0] == "note: record 35 has an unknown kind"
    assert notes[1] == "note: record 36: Object contains unknown field `mood`"
    assert notes[4] == "note: record 39 is no record of schema 1"
    assert len(notes) == 6


def test_notes_have_a_bound():
    result = verified(told(*[HEAD % b"telepathy" + b'"x":1}'] * 300))
    assert len(result.findings) == 50
    assert result.lines()[20] == "and 30 more"


def test_us_01_two_configurations_with_one_prefix():
    config = b'"event":"effective","change_set":"CS-2","config":"05b3abf2579a5eb6","sha256":"%b"}'
    sha = b"05b3abf2579a5eb66403cd78be557fd860633a1fe2103c7642030defe32c657f"
    good, bad = config % sha, config % (sha[:-1] + b"0")
    assert verified(told(HEAD % b"config" + good)).exit_code == 0
    line = verified(told(HEAD % b"config" + bad)).last_line
    assert line.startswith("FAILED at record 35: configuration 05b3abf2579a5eb6 names two: 05b3")
    bare = b'"event":"submitted","change_set":"CS-2"}'
    assert verified(told(HEAD % b"config" + bare)).exit_code == 0


def anchor(size: int, note: bytes, event: bytes = b"cosigned") -> bytes:
    text = msgspec.json.encode(note.decode())
    return HEAD % b"anchor" + b'"event":"%b","size":%d,"root":"00","note":%b}' % (event, size, text)


def test_us_01_anchors_are_held_against_the_tree():
    log = small_log()
    note = cosigned(log.notes[1])
    good = verified(told(anchor(15, note)), policy=make_policy([SEAL_KEY], [], []))
    assert good.last_line == "VERIFIED  36 records, 2 heads"
    watched = verify_ledger(told(anchor(15, note)).files.items(), policy=POLICY)
    assert watched.last_line == "VERIFIED  36 records, 2 heads, 1 witness"
    other = Log([genesis(), [reading(n) for n in range(2, 12)]])
    assert "two sealed trees" in verified(told(anchor(15, other.notes[1]))).last_line
    assert verified(told(anchor(15, b"rubbish"))).last_line.startswith("FAILED at size 15: note has no")
    unsigned = sign_note(note[: note.rindex(b"\n\n") + 1], [(SEAL_KEY, lambda _: bytes(64))])
    assert "does not verify" in verified(told(anchor(15, unsigned))).last_line
    previous = anchor(15, b"rubbish", b"previous")
    assert verified(told(previous)).exit_code == 0


@pytest.mark.req("AC-03")
def test_us_01_an_anchor_of_a_size_at_which_no_frame_ends_is_another_tree():
    other = Log([genesis(), [reading(n) for n in range(1, 8)]])
    note = cosigned(other.notes[1])
    result = verify_ledger(told(anchor(12, note)).files.items(), policy=POLICY)
    root = other.head.root().hex()[:8]
    assert result.last_line == f"FAILED at size 12: two sealed trees, root {root} was seen and no frame ends there"
    assert result.failures[0].class_ == "split"


@pytest.mark.req("AC-03")
def test_us_01_an_anchor_of_a_size_that_its_own_record_does_not_follow_is_another_tree():
    other = Log([genesis(), *([reading(n)] for n in range(1, 50))])
    assert "two sealed trees" in verified(told(anchor(54, cosigned(other.notes[-1])))).last_line


def test_an_anchor_behind_damage_is_not_held_against_a_tree_that_was_lost():
    log = small_log()
    note = cosigned(log.notes[2])
    log.commit([anchor(25, note)])
    rewrite(log, 1, altered_in_place)
    assert {one.class_ for one in verified(log).failures} == {"altered"}


def test_us_01_pruned_beginning():
    pruned = HEAD % b"gateway" + b'"event":"pruned","gateway":"gw-01","run":1,"facts":{"first":0,"last":34}}'
    log = small_log()
    tree = log.head.copy()
    log.new_file()
    log.commit([reading(31), pruned, HEAD % b"gateway" + b'"event":"pruned","gateway":"gw-01","run":1}'])
    tail = list(log.files.items())[1:]
    result = verify_ledger(tail, policy=PLAIN)
    assert result.lines() == ["note: pruned 0..34 by record 36", "VERIFIED  3 records, 1 head"]
    assert result.root == b""
    assert verify_ledger(tail, policy=PLAIN, start=tree).lines() == ["VERIFIED  3 records, 1 head"]
    assert verify_ledger(tail, policy=PLAIN, start=tree).root == log.head.root()


def test_us_01_later_damage_is_still_found_when_the_tree_is_lost():
    log = small_log()
    rewrite(log, 1, altered_in_place)
    rewrite(log, 3, swap(0, 1))
    lines = verified(log).lines()
    assert lines == [
        f"FAILED at record 10 ({TIME_6}): content hash differs",
        "FAILED at record 25: out of order, belongs at 26",
        "FAILED at record 26: out of order, belongs at 25",
        f"FAILED at record 10 ({TIME_6}): content hash differs",
    ]


def test_us_01_a_rotten_file_fills_no_memory():
    log = Log([genesis(), [reading(n) for n in range(1, 2001)]])
    rewrite(log, 1, lambda items: [item.replace(b'"good"', b'"evil"') for item in items])
    result = verified(log)
    assert len(result.findings) == 1000
    assert result.lines()[-2:] == ["and 1,980 more", result.last_line]


@settings(max_examples=300)
@given(st.data())
def test_us_01_any_flipped_bit_of_a_published_log_is_refused(data):
    log = data.draw(st.sampled_from([LOG, STRIPPED_LOG]))
    ((name, content),) = log.files.items()
    bit = data.draw(st.integers(0, len(content) * 8 - 1))
    result = verify_ledger([(name, flip(content, bit // 8, bit % 8))], published=log.notes[-1], policy=PLAIN)
    assert result.exit_code == 1


LOG = small_log()
STRIPPED_LOG = strip_log(small_log())


def test_roots_kept_for_anchors_have_a_bound(monkeypatch):
    monkeypatch.setattr("gateway.ledger.verify.ledger.ROOTS_KEPT", 2)
    assert verify_ledger(told(anchor(5, b"rubbish", b"previous")).files.items()).exit_code == 0
    other = Log([genesis()[1:], [reading(n) for n in range(1, 12)]])
    assert verified(told(anchor(15, other.notes[1]))).exit_code == 0, "forgotten sizes are not compared"


@pytest.mark.parametrize(
    ("record", "shown"),
    [
        (None, ""),
        (b"", ""),
        (b"[]", ""),
        (b'{"received_ns":0,"signal":"a/b"}', " (1970-01-01T00:00:00.000Z a/b)"),
        (b'{"at_ns":1709164800001000000,"kind":"gap"}', " (2024-02-29T00:00:00.001Z gap)"),
        (b'{"at_ns":4102444799999999999,"kind":"gap"}', " (2099-12-31T23:59:59.999Z gap)"),
        (b'{"at_ns":-1,"kind":"gap"}', ""),
        (b'{"at_ns":true,"kind":"gap"}', ""),
        (b'{"at_ns":1,"kind":7}', ""),
        (b'{"at_ns":1,\t"kind":"gap"}', ""),
        (b"\xff", ""),
    ],
)
def test_records_are_described_where_they_can_be_read(record, shown):
    assert describe(record) == shown


@pytest.mark.req("DI-19")
@pytest.mark.parametrize("content", [b"", make_file_header(ORIGIN, 35, bytes(32))[:77], bytes(4096), bytes(128)])
def test_a_new_file_whose_making_was_interrupted_is_a_torn_tail(content):
    log = small_log()
    log.files["00000000000000000035.seg"] = content
    result = verified(log)
    line = f"note: torn tail of {len(content):,} bytes after record 34, never acknowledged"
    assert result.lines() == [line, "VERIFIED  35 records, 1 head"]
    first = verify_ledger([("00000000000000000000.seg", content)])
    line = f"note: torn tail of {len(content):,} bytes before the first record, never acknowledged"
    assert first.lines() == [line, "VERIFIED  0 records"]


def test_us_01_a_file_that_was_emptied_is_damage_where_another_follows_or_more_was_published():
    log = small_log()
    log.new_file()
    log.commit([reading(31)])
    empty = {**log.files, "00000000000000000000.seg": b""}
    line = "FAILED at record 0: file cannot be read, no segment file: its first 128 bytes are not a header"
    assert verify_ledger(empty.items(), published=log.notes[-1]).lines()[0].startswith(line)
    empty = {**log.files, "00000000000000000035.seg": b""}
    assert verify_ledger(empty.items(), published=log.notes[-1]).last_line == (
        "FAILED at record 35: ledger ends here, 36 were published"
    )
    beyond = {**log.files, "00000000000000000099.seg": b""}
    assert "file cannot be read" in verify_ledger(beyond.items()).last_line
