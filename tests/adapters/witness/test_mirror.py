"""The mirror: the same files as the gateway's, verified before they are kept; a rewrite, a rollback or bent bytes are never taken."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import pytest

from gateway.adapters.log_client import LogClient
from gateway.adapters.segment_store import Layout, SegmentStore
from gateway.adapters.segment_store.verify_folder import verify_folder
from gateway.adapters.witness.book import WitnessBook, file_name
from gateway.adapters.witness.mirror import Mirror
from gateway.adapters.witness.mirror_folder import MirrorFolder
from gateway.ledger.policy import Policy
from gateway.ledger.witness import format_question
from tests.fakes.clock import StillClock
from tests.fakes.disk import FaultyDisk, Killed
from tests.fakes.log import ORIGIN, SEALER, gateway, plan, reading
from tests.fakes.log_server import log_server, proxy
from tests.fakes.witness import FakeWitness

KEY, SEED = FakeWitness().key, bytes([0x80]) * 32
LONG = b"x" * 60_000


class Box:
    """The gateway's ledger, which grows, and a mirror of it somewhere else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = folder / "ledger"
        self.state = folder / "witness"
        self.book = WitnessBook(self.state, {ORIGIN: [SEALER.key]}, KEY, SEED)
        self.calls, self.told = [], []
        self.copy = self.state / "mirror" / file_name(ORIGIN)
        self._start = 1

    def grow(self, *counts: int, publish: bool = True, **changes) -> int:
        """One run: a frame of each count, published, no stop; `changes` make another history."""
        store = SegmentStore(
            self.ledger, ORIGIN, StillClock(), vkeys=[SEALER.vkey], check_place=lambda _: None, reserve_bytes=4096
        )
        tree = store.open().tree
        for count in counts:
            config = b'{"sha256":"' + sha256(LONG).hexdigest().encode() + b'","len":60000}'
            records = [reading(n, **changes) for n in range(tree.size, tree.size + count)]
            if not tree.size:
                records[0] = gateway("notice", facts={"x": 1})[:-1] + b',"content":' + config + b"}"
            made = plan(tree, records)
            store.commit(made.frames, [LONG] if not tree.size else [])
            tree = made.head
            if publish:
                store.publish(made.frames[-1].note, tree.size)
        store.save_policy(f"log {SEALER.vkey}\nquorum none\n")
        store.close()
        return tree.size

    def note(self) -> bytes:
        return (self.ledger / "checkpoint").read_bytes()

    def pack(self) -> None:
        store = SegmentStore(
            self.ledger, ORIGIN, StillClock(), vkeys=[SEALER.vkey], check_place=lambda _: None, reserve_bytes=4096
        )
        store.open()
        assert store.pack() == 0
        store.close()

    def mirror(self, server) -> Mirror:
        client = LogClient(server.url, server.owner)
        logs = {ORIGIN: [SEALER.key]}
        return Mirror(client, self.state, self.book, logs, self.calls.append, self.told.append)

    def same(self) -> None:
        """Each file of the mirror is the gateway's, byte for byte but for free space."""
        names = [name.text for name in Layout(self.ledger).segments()]
        assert [name.text for name in Layout(self.copy).segments()] == names
        for name in names:
            ours, theirs = ((root / "seg" / name).read_bytes().rstrip(b"\0") for root in (self.copy, self.ledger))
            assert ours == theirs, name
        for name in ("checkpoint", "keys/policy"):
            assert (self.copy / name).read_bytes() == (self.ledger / name).read_bytes()
        assert digests(self.copy / "blob") == digests(self.ledger / "blob")

    def opened(self) -> None:
        """What a start does: take out what a crash left."""
        folder = MirrorFolder(self.copy, ORIGIN, [SEALER.key])
        folder.open()
        folder.close()

    def verified(self, root: Path | None = None) -> str:
        return verify_folder(root or self.copy, policy=Policy((SEALER.key,)), all_seals=True).last_line


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def box(tmp_path):
    return Box(tmp_path)


def test_the_copy_is_a_ledger_folder_with_the_same_bytes_and_grows_on(box):
    box.grow(3, 40)
    with log_server(box.ledger, box.folder) as server:
        mirror = box.mirror(server)
        assert mirror.round() is None
        box.same()
        assert box.verified().startswith("VERIFIED  43 records")
        for counts in ((5,), (1, 1, 200)):  # each after an unclean stop: a new file
            box.grow(*counts)
            assert mirror.round() is None
            box.same()
        assert mirror.round() is None
    assert len(Layout(box.copy).segments()) == 3
    assert box.told == [f"{ORIGIN} mirrored 43"]
    assert box.verified().startswith("VERIFIED  250 records")


def test_a_mirror_started_anew_goes_on_in_the_same_file(box):
    box.grow(3, 40)
    with log_server(box.ledger, box.folder) as server:
        box.mirror(server).round()
        box.grow(7)
        for _ in range(2):
            box.mirror(server).round()
            box.same()


def test_what_is_not_published_is_not_taken(box):
    box.grow(10)
    box.grow(10, publish=False)
    with log_server(box.ledger, box.folder) as server:
        box.mirror(server).round()
    assert box.verified().startswith("VERIFIED  10 records")


@pytest.mark.timeout(120)
def test_segments_are_sealed_on_both_sides_and_a_mirror_behind_catches_up(box):
    box.grow(20_000, 20_000)
    with log_server(box.ledger, box.folder) as server:
        mirror = box.mirror(server)
        mirror.round()
        box.grow(20_000, 6_000)
        box.pack()
        assert mirror.round() is None
        names = [name.text for name in Layout(box.copy).segments()]
        assert names == ["00000000000000000000.seg.zst", "00000000000000065536.seg"]
        packed = (box.copy / "seg" / names[0]).read_bytes()
        assert packed == (box.ledger / "seg" / names[0]).read_bytes()
        fresh = Box(box.folder / "fresh")
        fresh.ledger = box.ledger
        fresh.mirror(server).round()
        fresh.same()
    assert box.verified().startswith("VERIFIED  66,000 records")
    assert box.told == [f"{ORIGIN} mirrored 40,000"]


def test_ac_03_a_rewritten_log_is_refused_and_called_once(box):
    box.grow(10, 10)
    with log_server(box.ledger, box.folder) as server:
        box.mirror(server).round()
    kept = digests(box.copy)
    shutil.rmtree(box.ledger)
    box.grow(10, 25, value=1.5)
    with log_server(box.ledger, box.folder / "again") as server:
        mirror = box.mirror(server)
        conflict = mirror.round()
        assert (conflict.kind, conflict.kept.size, conflict.sent.size) == ("FORK", 20, 35)
        assert mirror.round() is None, "told once"
        assert box.mirror(server).round() is None
    assert digests(box.copy) == kept
    assert any("FORK" in line for line in box.told)
    assert (box.state / "conflicts" / f"{conflict.name}.kept").is_file()


def test_ac_03_a_rewrite_that_no_longer_grows_is_refused_too(box):
    box.grow(10, 10)
    with log_server(box.ledger, box.folder) as server:
        box.mirror(server).round()
    kept = digests(box.copy)
    for counts, changes, kind in (((10, 10), {"value": 1.5}, "FORK"), ((10,), {}, "ROLLBACK")):
        shutil.rmtree(box.ledger)
        box.grow(*counts, **changes)
        with log_server(box.ledger, box.folder / kind) as server:
            assert box.mirror(server).round().kind == kind
        assert digests(box.copy) == kept


def test_ac_03_what_the_witness_cosigned_binds_an_empty_mirror(box):
    box.grow(10)
    assert box.book.answer(format_question(0, [], box.note()), 1).status == 200
    shutil.rmtree(box.ledger)
    box.grow(10, 5, value=1.5)
    with log_server(box.ledger, box.folder) as server:
        assert box.mirror(server).round().kind == "FORK"
    assert not list((box.copy / "seg").glob("*"))


@pytest.mark.parametrize("path", ["/log/segments/0", "/log/checkpoint", "/log/consistency", "/log/blob"])
@pytest.mark.parametrize("place", [0, 40, 700])
def test_bytes_bent_on_the_way_are_not_kept(box, path, place):
    box.grow(3)
    with log_server(box.ledger, box.folder) as server:
        if path == "/log/consistency":
            box.mirror(server).round()
            box.grow(5)
        kept = digests(box.copy)

        def bend(asked: str, body: bytes) -> bytes:
            at = min(place, len(body) - 1)
            turned = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
            return turned if asked.startswith(path) and body else body

        with proxy(server, bend) as bent:
            conflict = box.mirror(bent).round()
        # a proof that can be read and does not hold is a fork, as for the witness; one that cannot be read is none
        assert (conflict is not None) == (path == "/log/consistency" and place < 700)
        if path == "/log/blob":
            assert not digests(box.copy / "blob")
        else:
            assert digests(box.copy) == kept
        assert box.told
        assert box.mirror(server).round() is None
        box.same()


def test_another_log_and_an_account_without_the_right_are_named(box):
    box.grow(3)
    with log_server(box.ledger, box.folder) as server:
        box.mirror(server._replace(owner=server.viewer)).round()
        assert "403" in box.told[-1]
        stranger = Mirror(
            LogClient(server.url, server.owner), box.state, box.book, {}, box.calls.append, box.told.append
        )
        stranger.round()
        assert "which is not watched here" in box.told[-1]
    box.mirror(server).round()
    assert "does not answer" in box.told[-1]


def test_whoever_may_not_read_asks_rarely(box):
    box.grow(3)
    with log_server(box.ledger, box.folder) as server:
        for token, pause in ((server.viewer, 300.0), (server.owner, 5.0)):
            mirror = box.mirror(server._replace(owner=token))
            mirror.round()
            assert mirror.pause_s == pause


@pytest.mark.parametrize("how", ["not_applied", "applied", "kill", "kill_after"])
def test_whatever_call_of_the_disk_fails_the_copy_stays_whole_and_catches_up(box, how, monkeypatch):
    box.grow(3, 4)
    with log_server(box.ledger, box.folder) as server:
        box.mirror(server).round()
        box.grow(5, 6)
        image = box.folder / "image"
        shutil.copytree(box.copy, image)
        for call in range(1, 200):
            shutil.rmtree(box.copy)
            shutil.copytree(image, box.copy)
            disk = FaultyDisk()
            disk.fail_at, disk.how = call, how
            monkeypatch.setattr(
                "gateway.adapters.witness.mirror.MirrorFolder", lambda *given, disk=disk: MirrorFolder(*given, disk)
            )
            mirror = box.mirror(server)
            with suppress(Killed):
                mirror.round()
            monkeypatch.undo()
            box.opened()
            assert box.verified().startswith("VERIFIED")
            assert not box.calls
            box.mirror(server).round()
            box.same()
            if len(disk.calls) < call:
                break
        else:
            pytest.fail("a round has fewer calls")
    assert call > 8


_CHILD = """
import sys
from pathlib import Path
from tests.adapters.witness.test_mirror import Box
from tests.fakes.log_server import LogServer
box = Box(Path(sys.argv[1]))
mirror = box.mirror(LogServer(sys.argv[2], sys.argv[3], "", []))
print("on", flush=True)
while True:
    mirror.round()
"""


@pytest.mark.timeout(120)
@pytest.mark.slow
def test_killed_at_any_moment_the_copy_stays_whole(box):
    box.grow(2_000, 2_000)
    with log_server(box.ledger, box.folder) as server:
        for turn in range(6):
            child = subprocess.Popen(
                [sys.executable, "-c", _CHILD, str(box.folder), server.url, server.owner],
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": str(Path.cwd())},
            )
            assert child.stdout.readline() == b"on\n"
            time.sleep(0.02 + 0.04 * turn)
            box.grow(1_500, 700)
            child.kill()
            child.wait()
            child.stdout.close()
            if (box.copy / "checkpoint").exists():
                box.opened()
                assert box.verified().startswith("VERIFIED")
        box.mirror(server).round()
    assert box.verified() == box.verified(box.ledger)
