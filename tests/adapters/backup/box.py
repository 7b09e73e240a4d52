"""A gateway's folders as a backup finds them, in the order in which they come to be."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import apsw

from gateway.adapters.backup.content import beside_ledger, beside_segments, folder_items, published_head
from gateway.adapters.backup.make import BackupMaker
from gateway.adapters.backup.manifest import Manifest, check_seal
from gateway.adapters.backup.recovery_key import RecoveryKey, parse_recovery_key
from gateway.adapters.backup.take import newest_backup, read_manifest, take_backup
from gateway.adapters.segment_store import SegmentStore
from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.ledger.policy import Policy
from tests.adapters.backup.test_recovery_key import PRIVATE, PUBLIC
from tests.fakes.clock import StillClock
from tests.fakes.log import NOON_NS, ORIGIN, SEALER, plan, reading

POLICY = Policy((SEALER.key,))
KEY, OPENING = parse_recovery_key(PUBLIC, "public"), parse_recovery_key(PRIVATE, "private")


def open_store(path: Path) -> SegmentStore:
    return SegmentStore(path, ORIGIN, StillClock(), vkeys=[SEALER.vkey], check_place=lambda _: None, reserve_bytes=4096)


def grow(path: Path, *counts: int, published: int = 99) -> int:
    """One run: commits of 2,000 at most; the first `published` counts end in a publication."""
    store = open_store(path)
    tree = store.open().tree
    for number, count in enumerate(counts):
        end = tree.size + count
        while tree.size < end:
            made = plan(tree, [reading(n) for n in range(tree.size + 1, min(tree.size + 2_000, end) + 1)])
            store.commit(made.frames, [b"side object %d" % tree.size])
            tree = made.head
        if number < published:
            store.publish(made.frames[-1].note, tree.size)
            store.frozen.freeze(tree.size, made.frames[-1].note)
            store.frozen.save_token(tree.size, b"token %d" % tree.size)
    store.save_policy(f"log {SEALER.vkey}\nquorum none\n")
    store.close()
    return tree.size


def database(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = apsw.Connection(str(path))
    connection.execute(
        "CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT); INSERT INTO name VALUES (1, 'A. Person')"
    )
    connection.close()


class Box:
    """A gateway's folders as a backup finds them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger, self.state, self.config = folder / "ledger", folder / "state", folder / "config"
        self.target = folder / "safe"
        self.clock = itertools.count()

    def lay(self) -> None:
        """What lies beside a ledger."""
        database(self.state / "people.db")
        for name in ("machines.json", "witnesses/hq.json", "evidence/a.zip", "index.db", "control.sock"):
            (self.state / name).parent.mkdir(parents=True, exist_ok=True)
            (self.state / name).write_text(name)
        (self.config / "trust").mkdir(parents=True)
        (self.config / "gateway.yaml").write_text("format: gateway/1\n")
        (self.config / "trust" / "hq.vkey").write_text("key")
        (self.ledger / "quarantine" / "torn").write_bytes(b"torn")

    def make(self, key: RecoveryKey = KEY, *, before=None, progress=lambda _done, _total: None):
        folder = LedgerFolder(self.ledger)
        head = published_head(folder)
        manifest = Manifest(
            made_ns=NOON_NS + next(self.clock) * 1_000_000_000,
            origin=ORIGIN,
            gateway="gw-01",
            build="1.0",
            size=head.checkpoint.size,
            root=head.checkpoint.root.hex(),
            files=[],
        )
        items = [
            *beside_segments(folder.layout, head),
            *beside_ledger(self.state),
            *folder_items(self.config, "config"),
        ]
        kept = {one.path: one for one in before.kept} if before is not None else {}
        maker = BackupMaker(self.target, key, os.urandom, progress, kept, before.folder if before is not None else None)
        return maker.make(manifest, folder.layout, items, SEALER.seal, folder.size_bytes())

    def take(self, into: str = "back", key: RecoveryKey = OPENING) -> Path:
        back = self.folder / into
        folder = newest_backup(self.target)
        opened = read_manifest(folder, key)
        check_seal(opened, [SEALER.key])
        take_backup(folder, opened.manifest, back, lambda _done, _total: None)
        return back
