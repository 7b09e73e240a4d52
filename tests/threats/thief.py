"""Root on the box, with all its files and the keys that lie in them: what he can do to stored data.

He knows the format: lengths, CRCs and the 4-byte hashes fit what he writes. What he cannot make again are other people's
signatures, and what he gave away before.
"""

from __future__ import annotations

import shutil
from hashlib import sha256
from typing import TYPE_CHECKING

from gateway.adapters.keys import Ed25519Sealer, parse_seed
from gateway.adapters.segment_store.store import SegmentStore
from gateway.ledger.commit import plan_commit
from gateway.ledger.frame import _join, format_body
from gateway.ledger.segment import PlacedFrame, iterate_frames
from tests.fakes.running_clock import RunningClock
from tests.ledger.damage import forged, replace_frame, split
from tests.threats.box import records_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from gateway.ledger.merkle import Tree
    from tests.counterparts.gateway_process import GatewayProcess

Items = list[bytes]


class StoredLog:
    """The segment files of a ledger folder, in the form that `tests.ledger.damage` works on."""

    def __init__(self, ledger: Path) -> None:
        self._folder = ledger / "seg"
        self.files = {path.name: path.read_bytes() for path in sorted(self._folder.glob("*.seg"))}
        self.placed = [
            (name, found)
            for name, content in self.files.items()
            for found in iterate_frames(content)
            if isinstance(found, PlacedFrame)
        ]
        self.frames = [(name, found.offset, found.length) for name, found in self.placed]

    def frame_of(self, index: int) -> int:
        """Number of the frame that holds a record."""
        return next(n for n, (_, found) in enumerate(self.placed) if found.frame.first <= index < found.frame.stop)

    def first_of(self, number: int) -> int:
        return self.placed[number][1].frame.first

    def save(self) -> None:
        for name, content in self.files.items():
            path = self._folder / name
            path.chmod(0o640)
            path.write_bytes(content)


def change_frame(ledger: Path, number: int, change: Callable[[Items], Items]) -> None:
    """Change the entries of one frame and make everything but the root fit."""
    log = StoredLog(ledger)
    frame = log.placed[number][1].frame
    items = change(split(frame))
    prefixes = b"".join(forged(items))
    replace_frame(log, number, _join(0, frame.first, frame.seed, format_body(items), prefixes, frame.checkpoint))
    log.save()


def sealer_of(gateway: GatewayProcess) -> Ed25519Sealer:
    """The seal key, read from the file it lies in."""
    origin = str(gateway.settings["ledger"]["origin"])
    return Ed25519Sealer(origin, parse_seed((gateway.secrets / "seal.pem").read_bytes()))


def seal_again(gateway: GatewayProcess, records: Sequence[bytes], *, forget: bool = True) -> Tree:
    """A new ledger of these records in the place of the old one, sealed with the stolen key and published.

    `forget`: what the box itself remembers of witnesses goes as well.
    """
    policy = (gateway.ledger / "keys" / "policy").read_text()
    shutil.rmtree(gateway.ledger)
    if forget:
        shutil.rmtree(gateway.ledger.parent / "state")
    sealer = sealer_of(gateway)
    store = SegmentStore(gateway.ledger, sealer.key.name, RunningClock(), vkeys=[sealer.vkey])
    plan = plan_commit(store.open().tree, sealer.key.name, records, iter([sha256(b"stolen").digest()]), sealer.seal)
    store.commit(plan.frames)
    store.publish(plan.frames[-1].note, plan.head.size)
    store.save_policy(policy)
    store.close()
    return plan.head


def altered(ledger: Path) -> list[bytes]:
    """All records with one changed, as he would like them; what others have signed is left out."""
    records = [content for _, content in records_of(ledger)]
    changed = [one.replace(b'"batch":"B-1"', b'"batch":"B-9"') for one in records]
    assert changed != records
    return [one for one in changed if b'"kind":"anchor"' not in one]


def cut_back(ledger: Path, frames: int) -> int:
    """Cut the newest frames off, publish what is left under its own true seal; return the size that is left."""
    log = StoredLog(ledger)
    kept = log.placed[: len(log.placed) - frames]
    last_name, last = kept[-1]
    for name in list(log.files):
        path = ledger / "seg" / name
        path.chmod(0o640)
        if name > last_name:
            path.unlink()
        elif name == last_name:
            path.write_bytes(log.files[name][: last.offset + last.length])
    (ledger / "checkpoint").write_bytes(last.frame.checkpoint)
    for path in (ledger / "cp").iterdir():
        if int(path.stem) > last.frame.stop:
            path.unlink()
    return last.frame.stop
