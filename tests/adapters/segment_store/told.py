"""What must be true after a restart of what a killed or failing run has told the world (`publication.py`)."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from gateway.adapters.cursor_file import CursorFile
from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.adapters.segment_store.verify_folder import verify_folder
from tests.adapters.segment_store.publication import SEALED, open_store
from tests.fakes.log import gateway, plan

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def check_told(path: Path, told: Sequence[str], *, starts: int = 2) -> None:
    """Start in another boot, and once more: verified, nothing acknowledged missing, no size with two roots, nothing published lost."""
    for _ in range(starts):
        store = open_store(path, boot_id="boot-2")
        head = store.open()
        for line in told:
            word, size, rest = line.split()
            if word in {"ack", "pub"}:
                root = store._root_at(int(size))
                assert root is not None, line
                assert root.hex() == rest, line
            if word == "tok":
                note = store.frozen.note(int(size))
                assert note is not None, line
                assert sha256(note).hexdigest() == rest, line
                assert store.frozen.token(int(size)) == b"answer %d" % int(size), line
        published = LedgerFolder(path).published()
        newest = max((int(line.split()[1]) for line in told if line.startswith("pub")), default=0)
        assert (0 if published is None else published.checkpoint.size) >= newest
        if published is not None:
            assert store._root_at(published.checkpoint.size) == published.checkpoint.root
        made = plan(head.tree, [gateway("recovered")])
        store.commit(made.frames)
        store.publish(made.frames[-1].note, made.head.size)
        store.close()
        assert_verified(path)
    cursor = CursorFile(path.parent, "influx").load()
    known = max((int(line.split()[1]) for line in told if line.startswith("cur")), default=0)
    assert (0 if cursor is None else cursor.next_index) >= known


def assert_verified(path: Path) -> None:
    """Every seal holds and every anchor fits; the made-up answers are no time stamps, so those are not asked."""
    result = verify_folder(path, policy=SEALED, all_seals=True)
    assert result.exit_code == 0, result.last_line
