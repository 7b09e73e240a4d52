"""Store: a ledger of millions of readings on the disk, made by the product's own append path and packed by its own sealing.

It is made once for a run and lies beside the folders of its goals; `./run bench … --keep DIR` keeps it for the next run.
"""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from bench.history import SIGNALS, History
from bench.ledger import ORIGIN, open_ledger, plan, policy
from gateway.adapters.index import IndexFollower
from gateway.adapters.segment_store.disk import Disk
from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.adapters.segment_store.layout import Layout
from gateway.adapters.segment_store.pack import pack_segment
from gateway.ledger.policy import format_policy
from gateway.ledger.segment import segment_of

WAITING_MAX = 3
"""Segments that may wait for packing: the appending side waits then, so that the disk holds few aligned files."""


class Made(NamedTuple):
    """What a store on the disk holds: its folder (the ledger in it), entries, readings, bytes of all JSON lines, the batch."""

    path: Path
    entries: int
    readings: int
    json_bytes: int
    batch_ns: tuple[int, int]

    @property
    def ledger(self) -> Path:
        """Folder of the ledger."""
        return self.path / "ledger"

    @property
    def database(self) -> Path:
        """Database of the index."""
        return self.path / "state" / "index.db"


def make_store(beside: Path, readings: int) -> Made:
    """Return the packed store of about so many readings; one that lies there whole is taken as it is."""
    path = beside.parent / f"store-{readings}"
    told = path / "made.json"
    if told.exists():
        return _made(path, json.loads(told.read_text()))
    began = time.monotonic()
    print(f"making a ledger of {readings:,} readings in {path}", file=sys.stderr, flush=True)
    scans = readings // SIGNALS
    history = History(scans)
    store, tree = open_ledger(path / "ledger")
    store.save_policy(format_policy(policy()))
    json_bytes = 0
    with ProcessPoolExecutor(1, mp_context=get_context("forkserver")) as packer:
        waiting: deque[Future[int]] = deque()
        note = b""
        for pool in history.pools():
            made = plan(tree, pool)
            store.commit(made.frames)
            json_bytes += sum(map(len, pool))
            done = segment_of(tree.size)
            tree, note = made.head, made.frames[-1].note
            if segment_of(tree.size) != done:
                waiting.append(packer.submit(_pack, path / "ledger", done))
            if len(waiting) > WAITING_MAX:
                waiting.popleft().result()
        store.publish(note, tree.size)
        store.close()
        for one in waiting:
            one.result()
    told.write_text(
        json.dumps(
            {"entries": tree.size, "readings": scans * SIGNALS, "json_bytes": json_bytes, "batch": history.batch_ns}
        )
    )
    print(f"made in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return _made(path, json.loads(told.read_text()))


def index_store(store: Made, *, anew: bool = False) -> float | None:
    """Index the store if it is not indexed; return the seconds a rebuild took, None where the index was there."""
    folder = LedgerFolder(store.ledger)
    follower = IndexFollower(store.database, ORIGIN, folder.reader)
    try:
        if not anew and follower.open(store.entries) and follower.next_index == store.entries:
            return None
        began = time.perf_counter()
        follower.rebuild(store.entries)
        return time.perf_counter() - began
    finally:
        follower.close()


def _pack(ledger: Path, first: int) -> int:
    return pack_segment(Disk(), Layout(ledger), first)


def _made(path: Path, told: dict[str, object]) -> Made:
    return Made(path, told["entries"], told["readings"], told["json_bytes"], tuple(told["batch"]))  # type: ignore[arg-type]
