"""The witness's book: kept before answered, one at a time, both notes of a conflict, and a kill between the two."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gateway.adapters.witness.book import WitnessBook, checkpoint_of, file_name, logs_of
from gateway.errors import ConfigurationRefused
from gateway.ledger.crypto import verify_line
from gateway.ledger.note import parse_note
from gateway.ledger.witness import format_question, read_cosignatures
from tests.fakes.disk import FaultyDisk, Killed
from tests.fakes.grown_log import GrownLog
from tests.fakes.log import ORIGIN, SEALER
from tests.fakes.witness import FakeWitness

KEY, SEED, NOW_S = FakeWitness().key, bytes([0x80]) * 32, 1_792_889_410


def book(folder: Path, disk: FaultyDisk | None = None) -> WitnessBook:
    return WitnessBook(folder, {ORIGIN: [SEALER.key]}, KEY, SEED, disk)


def question(log: GrownLog, old: int, size: int = 0) -> bytes:
    size = size or log.size
    return format_question(old, log.proof(old, size) if old <= size else [], log.notes[size])


def test_a_cosignature_carries_our_clock_and_the_kept_note_carries_it(tmp_path):
    log, subject = GrownLog(3), book(tmp_path)
    answer = subject.answer(question(log, 0), NOW_S)
    line = read_cosignatures(answer.body, parse_note(log.note).text, KEY, verify_line)[0]
    assert line.signature[:8] == NOW_S.to_bytes(8, "big")
    assert subject.kept(ORIGIN) == log.note + answer.body
    assert book(tmp_path).checkpoint(ORIGIN) == log.checkpoint()


@pytest.mark.parametrize("how", ["not_applied", "applied"])
def test_whatever_the_disk_does_no_size_is_cosigned_that_is_not_kept(tmp_path, how):
    for call in range(1, 12):
        folder = tmp_path / f"{how}-{call}"
        log = GrownLog(3, 4)
        book(folder).answer(question(log, 0, 3), NOW_S)
        disk = FaultyDisk()
        subject = book(folder, disk)
        disk.calls.clear()
        disk.fail_at, disk.how = call, how
        try:
            answered = subject.answer(question(log, 3), NOW_S).status == 200
        except OSError:
            answered = False
        kept = book(folder).checkpoint(ORIGIN)
        assert kept.size == 7 if answered else kept.size in {3, 7}
        assert book(folder).answer(question(log, kept.size), NOW_S).status == 200, "it goes on from what is kept"


def test_two_clients_racing_get_one_cosignature_for_each_size_and_nothing_rolls_back(tmp_path):
    log, subject = GrownLog(*[1] * 40), book(tmp_path)
    subject.answer(question(log, 0, 1), NOW_S)
    barrier = threading.Barrier(2)
    taken: list[list[int]] = [[], []]

    def client(me: int) -> None:
        barrier.wait()
        old = 1
        while old < 40:
            answer = subject.answer(question(log, old, old + 1), NOW_S)
            if answer.status == 200:
                taken[me].append(old + 1)
                old += 1
            else:
                assert answer.status == 409
                old = int(answer.body)

    threads = [threading.Thread(target=client, args=(me,)) for me in (0, 1)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(taken[0] + taken[1]) == list(range(2, 41)), "each step was cosigned to exactly one of them"
    assert subject.checkpoint(ORIGIN).size == 40


KILLED = """
import os, signal, sys
from pathlib import Path
from gateway.adapters.segment_store.disk import Disk
from tests.adapters.witness.test_book import NOW_S, GrownLog, book, question
class Cut(Disk):
    def fsync(self, fd):
        super().fsync(fd)
        if os.readlink(f"/proc/self/fd/{fd}").endswith("notes"):
            os.kill(os.getpid(), signal.SIGKILL)
log = GrownLog(3, 4)
book(Path(sys.argv[1])).answer(question(log, 0, 3), NOW_S)
book(Path(sys.argv[1]), Cut()).answer(question(log, 3), NOW_S)
print("answered")
"""


def test_killed_between_keeping_and_answering_the_next_question_learns_what_was_kept(tmp_path):
    root = Path(__file__).parents[3]
    folder = tmp_path / "w"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder)],
        capture_output=True,
        check=False,
        timeout=60,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert (done.returncode, done.stdout) == (-9, b""), done.stderr
    log = GrownLog(3, 4, 5)
    answer = book(folder).answer(question(log, 3), NOW_S)
    assert (answer.status, answer.body, answer.content_type) == (409, b"7\n", "text/x.tlog.size")
    assert book(folder).answer(question(log, 7), NOW_S).status == 200


def test_a_kill_at_any_call_leaves_a_whole_note(tmp_path):
    for call in range(1, 9):
        folder = tmp_path / str(call)
        log = GrownLog(3, 4)
        book(folder).answer(question(log, 0, 3), NOW_S)
        disk = FaultyDisk()
        subject = book(folder, disk)
        disk.calls.clear()
        disk.fail_at, disk.how = call, "kill_after"
        try:
            subject.answer(question(log, 3), NOW_S)
        except Killed:
            assert book(folder).checkpoint(ORIGIN).size in {3, 7}
        else:
            assert book(folder).checkpoint(ORIGIN).size == 7


def test_ac_03_both_notes_of_a_conflict_are_kept_once(tmp_path):
    log, fork, subject = GrownLog(3, 4), GrownLog(3, 4, first=100), book(tmp_path)
    subject.answer(question(log, 0), NOW_S)
    first = subject.answer(question(fork, 0), NOW_S).conflict
    assert (first.kind, first.kept, first.sent) == ("FORK", log.checkpoint(), fork.checkpoint())
    assert (tmp_path / "conflicts" / f"{first.name}.sent").read_bytes() == fork.note
    assert checkpoint_of((tmp_path / "conflicts" / f"{first.name}.kept").read_bytes()) == log.checkpoint()
    assert subject.answer(question(fork, 0), NOW_S).conflict is None, "the same again is no news"
    smaller = subject.answer(question(log, 0, 3), NOW_S).conflict
    assert smaller.kind == "ROLLBACK"
    fork.grow(2)
    proof = subject.answer(question(fork, 7), NOW_S)
    assert (proof.status, proof.conflict.kind) == (422, "FORK")
    assert (tmp_path / "conflicts" / f"{proof.conflict.name}.sent").read_bytes() == question(fork, 7), "with the proof"
    again = book(tmp_path)
    assert [one.kind for one in again.uncalled()] == ["FORK", "ROLLBACK", "FORK"]
    assert again.uncalled()[0] == first
    again.called(first)
    assert [one.kind for one in book(tmp_path).uncalled()] == ["ROLLBACK", "FORK"]


def test_names_of_origins_stay_inside_the_folder():
    assert file_name("../../etc/x") == "..%2F..%2Fetc%2Fx"
    with pytest.raises(ConfigurationRefused, match="too long"):
        WitnessBook(Path("unused"), {"é" * 100: [SEALER.key]}, KEY, SEED)


def test_a_log_is_named_by_its_key_or_by_its_origin():
    assert logs_of([SEALER.key]) == {ORIGIN: [SEALER.key]}
    assert logs_of([SEALER.key, KEY], ["a.example/b", "a.example/b"]) == {"a.example/b": [SEALER.key, KEY]}
    with pytest.raises(ConfigurationRefused, match="1 origins for 2 keys"):
        logs_of([SEALER.key, KEY], ["a.example/b"])
