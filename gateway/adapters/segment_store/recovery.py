"""Recovery of a torn tail: kept as evidence first, cut off second (`ledger.md` 3, start)."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from gateway.adapters.segment_store.disk import Disk, opened, sync_data, sync_folder
from gateway.adapters.segment_store.durable import write_durably
from gateway.adapters.segment_store.layout import FINISHED_MODE, Layout
from gateway.adapters.segment_store.start import Tail


class Recovered(NamedTuple):
    """What was taken out of the ledger: its length and SHA-256 in hex."""

    length: int
    sha256: str | None


def recover(disk: Disk, layout: Layout, tail: Tail) -> Recovered:
    """Copy the tail to `quarantine/<file>-<offset>.torn`, durably, then cut it off, or take the whole file away."""
    kept = _free_name(layout.quarantine / f"{tail.name.text}-{tail.offset}.torn", tail.content)
    if kept is not None:
        write_durably(disk, kept, tail.content, FINISHED_MODE)
    path = layout.segment(tail.name)
    if tail.whole:
        disk.unlink(path)
        sync_folder(disk, layout.seg)
    else:
        with opened(disk, path, os.O_RDWR) as fd:
            disk.ftruncate(fd, tail.offset)
            sync_data(disk, fd)
    return Recovered(len(tail.content), sha256(tail.content).hexdigest())


def _free_name(path: Path, content: bytes) -> Path | None:
    """Return a name that is not taken, None when the same bytes stand there already (a crash during recovery)."""
    candidate, number = path, 2
    while candidate.exists():
        if candidate.read_bytes() == content:
            return None
        candidate, number = path.with_name(f"{path.name}.{number}"), number + 1
    return candidate


def is_stop(record: bytes) -> bool:
    """Say whether a record is the gateway's `stop`: the last one of a run that ended in order."""
    found = msgspec.json.decode(record, type=dict[str, Any])
    return found.get("kind") == "gateway" and found.get("event") == "stop"
