"""A run that publishes: commits, `checkpoint`, cosigned lines on it, policy, frozen note, token, anchor, cursor of a projection.

The same steps run in the test with a failing disk, and as a process that is killed: `python publication.py FOLDER`. What it says on
stdout was told to the world before.
"""

from __future__ import annotations

import sys
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from gateway.adapters.cursor_file import CursorFile
from gateway.adapters.segment_store import SegmentStore
from gateway.domain.projection import Cursor
from gateway.errors import DiskFull
from gateway.ledger.crypto import cosigner, ed25519_public
from gateway.ledger.note import COSIGNATURE, Line, VerifyKey, add_lines, parse_note
from gateway.ledger.policy import Policy, Witness, format_policy, make_policy
from gateway.ledger.records import Anchor, format_record
from tests.fakes.clock import StillClock
from tests.fakes.log import NOON_NS, ORIGIN, SEALER, gateway, plan, reading

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.adapters.segment_store.disk import Disk
    from gateway.ledger.merkle import Tree

SEED = bytes([0x80]) * 32
WITNESS = VerifyKey("witness.example/0", COSIGNATURE, ed25519_public(SEED))
POLICY: Policy = make_policy([SEALER.key], [], [Witness("w0", WITNESS)])
SEALED: Policy = make_policy([SEALER.key], [], [])
SECOND = 1_792_889_410


def open_store(path: Path, disk: Disk | None = None, boot_id: str = "boot-1") -> SegmentStore:
    return SegmentStore(
        path,
        ORIGIN,
        StillClock(boot_id=boot_id),
        vkeys=[SEALER.vkey],
        disk=disk,
        check_place=lambda _: None,
        reserve_bytes=4096,
    )


def again(step: Callable[..., Any], *given: Any) -> Any:
    """The promise of a full disk: the same call may come again."""
    try:
        return step(*given)
    except DiskFull:
        return step(*given)


class Run:
    """One run over a ledger; ``tell`` says what the world may rely on from then on."""

    def __init__(self, path: Path, store: SegmentStore, tree: Tree, tell: Callable[[str], None]) -> None:
        self._store = store
        self._tree = tree
        self._tell = tell
        self._cursor = CursorFile(path.parent, "influx")

    @property
    def root(self) -> str:
        """Root of what was committed, hex."""
        return self._tree.root().hex()

    def commit(self, *records: bytes) -> bytes:
        made = plan(self._tree, records)
        again(self._store.commit, made.frames)
        self._tree = made.head
        self._tell(f"ack {self._tree.size} {self._tree.root().hex()}")
        return made.frames[-1].note

    def publish(self, note: bytes) -> None:
        """As publisher, witnesses and stamping do: published, cosigned, frozen, stamped, recorded, projected."""
        size, root = self._tree.size, self._tree.root().hex()
        again(self._store.publish, note, size)
        self._tell(f"pub {size} {root}")
        line = Line(WITNESS.name, WITNESS.key_id, cosigner(SEED, SECOND)(parse_note(note).text))
        cosigned = add_lines(note, [line])
        again(self._store.publish, cosigned, size)
        self._tell(f"pub {size} {root}")
        again(self._store.frozen.freeze, size, cosigned)
        again(self._store.frozen.save_token, size, b"answer %d" % size)
        self._tell(f"tok {size} {sha256(cosigned).hexdigest()}")
        head = {"at_ns": NOON_NS, "boot_ns": 1, "clock": 1}
        anchor = Anchor(**head, event="cosigned", size=size, root=root, note=cosigned.decode())
        self.commit(format_record(anchor))
        self._cursor.save(Cursor(origin=ORIGIN, next_index=size, target_fingerprint="x"))
        self._tell(f"cur {size} -")


def play(path: Path, disk: Disk | None, tell: Callable[[str], None], keep: Callable[[SegmentStore], None]) -> None:
    """Start, publications, a clean stop. ``keep`` is given the store, to close it whatever happens."""
    store = open_store(path, disk)
    keep(store)
    run = Run(path, store, store.open().tree, tell)
    again(store.save_policy, format_policy(POLICY))
    size = store.size
    for n in range(size + 1, size + 5, 2):
        run.publish(run.commit(reading(n), reading(n + 1)))
    run.publish(run.commit(gateway("stop")))
    store.close()


def main(folder: Path) -> None:
    """Say each thing once it is true."""

    def tell(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    play(folder, None, tell, lambda _: None)


if __name__ == "__main__":
    from pathlib import Path as _Path

    main(_Path(sys.argv[1]))
