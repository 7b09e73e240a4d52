"""Threat: two histories for two readers, records dated back, a clock that is moved.

Two histories have no quorum for both. Cosignatures and tokens say between which times a record was sealed, whatever its own
time says; a moved clock is a record of its own.
"""

from __future__ import annotations

import json
import shutil

import pytest

from gateway.adapters.segment_store.store import SegmentStore
from gateway.adapters.segment_store.verify_folder import verify_folder
from gateway.adapters.witness.book import WitnessBook
from gateway.ledger.commit import plan_commit
from gateway.ledger.crypto import ed25519_public, verify_line
from gateway.ledger.note import COSIGNATURE, VerifyKey, add_lines, open_note, parse_note
from gateway.ledger.policy import Witness, make_policy
from gateway.ledger.proof import prove_consistency
from gateway.ledger.records import Clock, format_record, parse_record
from gateway.ledger.witness import cosigned_second, format_question, read_cosignatures
from gateway.pipeline.clock_watch import ClockLimits, ClockRecorder, ClockWatch
from gateway.pipeline.stamp import Stamper
from tests.fakes.clock import StillClock
from tests.fakes.log import NOON_NS, ORIGIN, SEALER, plan, reading
from tests.threats.thief import sealer_of

S = 1_000_000_000


def grown(path, *pools):
    """A ledger of these pools, published at its end."""
    store = SegmentStore(
        path, ORIGIN, StillClock(), vkeys=[SEALER.vkey], check_place=lambda _: None, reserve_bytes=4096
    )
    tree = store.open().tree
    for pool in pools:
        made = plan(tree, pool)
        store.commit(made.frames)
        tree = made.head
    note = store.checkpoint_of(tree.size - 1)[1]
    store.publish(note, tree.size)
    return store, note, tree.size


def book(folder, number):
    seed = bytes([0x80 + number]) * 32
    key = VerifyKey(f"witness.example/{number}", COSIGNATURE, ed25519_public(seed))
    return WitnessBook(folder / f"w{number}", {ORIGIN: [SEALER.key]}, key, seed), Witness(f"w{number}", key)


def ask(witness, store, old, note, size):
    hashes = tuple(prove_consistency(store.nodes(size), old, size)) if old else ()
    return witness.answer(format_question(old, hashes, note), NOON_NS // S)


@pytest.mark.req("AC-03")
@pytest.mark.parametrize(("count", "first"), [(1, 1), (3, 2), (3, 1), (5, 3)])
def test_no_two_histories_have_a_quorum_both(tmp_path, count, first):
    """Root shows one history to some witnesses and another one to the others, in every order: at most one gets its quorum."""
    books = [book(tmp_path, number) for number in range(count)]
    policy = make_policy([SEALER.key], [], [one for _, one in books])
    common = [reading(n) for n in range(1, 4)]
    store, note, size = grown(tmp_path / "common", common)
    assert [ask(one, store, 0, note, size).status for one, _ in books] == [200] * count
    results = {}
    for name, value in (("true", 37.0), ("false", 99.0)):
        forked, head, end = grown(tmp_path / name, common, [reading(4, value=value)])
        lines = []
        asked = books if name == "true" else reversed(books)
        for nth, (one, named) in enumerate(asked):
            if name == "true" and nth >= first:
                break  # the others are kept for the other history
            answer = ask(one, forked, size, head, end)
            if answer.status == 200:
                lines += read_cosignatures(answer.body, parse_note(head).text, named.key, verify_line)
        forked.publish(add_lines(head, lines), end)
        forked.close()
        results[name] = verify_folder(tmp_path / name, policy=policy)
    store.close()
    lines = {name: result.last_line.partition(" ")[0] for name, result in results.items()}
    wanted = {"true": "VERIFIED", "false": "UNWITNESSED"}
    assert lines == (wanted if first > count // 2 else {"true": "UNWITNESSED", "false": "VERIFIED"})


@pytest.mark.req("AC-03")
def test_a_witness_asked_for_both_histories_keeps_both_notes_as_evidence(tmp_path):
    witness, _ = book(tmp_path, 0)
    store, note, size = grown(tmp_path / "true", [reading(1), reading(2)])
    assert ask(witness, store, 0, note, size).status == 200
    forked, other, _ = grown(tmp_path / "false", [reading(1), reading(2, value=99.0)])
    answer = ask(witness, forked, size, other, size)
    assert answer.status in {409, 422}
    kept = {path.suffix: path.read_bytes() for path in (tmp_path / "w0" / "conflicts").iterdir()}
    assert kept[".kept"].startswith(note)
    assert kept[".sent"] == other
    store.close()
    forked.close()


@pytest.mark.integration
@pytest.mark.timeout(300)
@pytest.mark.req("AC-03")
@pytest.mark.parametrize("tokens", [True, False])
def test_a_record_dated_back_lies_behind_a_token_or_a_cosignature_that_is_younger(attacked, tokens):
    """With the stolen key root appends a record that says it is three days old. What is sealed below it says otherwise."""
    box, gateway = attacked.box, attacked.box.gateway
    token = box.anchors("timestamped")[-1]
    seen = box.anchors("cosigned")[-1]
    opened = open_note(seen.note.encode(), [one.key for one in attacked.policy.witnesses], verify_line)
    cosigned_ns = max(cosigned_second(key, line) for key, line in opened.verified) * S
    if not tokens:
        shutil.rmtree(gateway.ledger / "cp")
    store = SegmentStore(gateway.ledger, sealer_of(gateway).key.name, StillClock())
    head = store.open()
    old_ns = token.gen_ns - 3 * 86_400 * S
    lie = reading(1, signal="MCH/temperature", received_ns=old_ns, source_ns=old_ns)
    made = sealed(head.tree, [lie], sealer_of(gateway))
    store.commit(made.frames)
    store.close()
    index = made.head.size - 1
    told = gateway.run("ledger", "prove", str(index), "--path", str(gateway.ledger), "--json")
    expected = max(token.gen_ns, cosigned_ns) if tokens else cosigned_ns
    assert json.loads(told)["bracket"] == {"after_ns": expected, "before_ns": None}
    assert expected > old_ns + 2 * 86_400 * S
    words = gateway.run("ledger", "prove", str(index), "--path", str(gateway.ledger), "-o", str(gateway.folder / "p"))
    assert ", after 20" in words


def sealed(tree, records, sealer):
    return plan_commit(tree, sealer.key.name, records, iter([bytes(32)]), sealer.seal)


class Zone:
    name = "Europe/Zurich"

    def offset_s(self, _wall_ns):
        return 7200


class RealJournal:
    """Records go into a real store at once."""

    def __init__(self, path):
        self.store = SegmentStore(path, ORIGIN, StillClock(), vkeys=[SEALER.vkey], check_place=lambda _: None)
        self.tree = self.store.open().tree

    def append(self, records, **_):
        made = plan(self.tree, [format_record(one) for one in records])
        self.store.commit(made.frames)
        self.tree = made.head
        return self.tree.size - len(records)


@pytest.mark.req("EU-06")
@pytest.mark.req("AC-07")
@pytest.mark.parametrize("moved_s", [-3600, 3600, -1])
def test_a_clock_that_is_moved_is_a_record_with_both_times(tmp_path, moved_s):
    clock = StillClock()
    journal = RealJournal(tmp_path / "ledger")
    stamp = Stamper(clock, dev=False, run=1, clock_number=0)
    recorder = ClockRecorder(clock, stamp, Zone(), ClockLimits())
    journal.append([recorder.record("start")])
    watch = ClockWatch(clock, stamp, recorder, journal)
    clock.advance(S)
    watch.look()
    before_ns = clock.now().wall_ns
    clock.wall_ns += moved_s * S
    watch.look()
    journal.store.close()
    found = [parse_record(content) for _, _, content in journal.store.reader.read(0, 99)]
    steps = [one for one in found if isinstance(one, Clock) and one.trigger == "step"]
    [step] = [one.step for one in steps]
    assert (step.before_ns, step.after_ns, step.size_ns) == (before_ns, before_ns + moved_s * S, moved_s * S)
    assert verify_folder(tmp_path / "ledger", policy=make_policy([SEALER.key], [], [])).exit_code == 0
